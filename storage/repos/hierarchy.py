"""The studies and series that arrivals belong to: found, made where they are missing, and counted.

Several receivers may do this at once on PostgreSQL. Every transaction takes its locks in one order, so that
none waits in a circle: new studies, new series, new instances (`storage.repos.arrivals`), then counters of
series, then of studies, each in the order of its key.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache, lru_cache
from typing import Any

from sqlalchemy import Connection, and_, bindparam, select, update

from storage.engine import Busy
from storage.records.arrival import Arrival
from storage.records.attributes import Level
from storage.records.identity import Identity, identity
from storage.records.keys import row_of
from storage.records.schema import INDEXABLE, clean, indexable
from storage.records.tables import gone, series, study
from storage.repos.numbering import Numbered
from storage.sql.prepared import Prepared, Writes, padded, power

_STUDY = (
    study.c.id,
    study.c.study_instance_uid,
    study.c.patient_id,
    study.c.issuer_of_patient_id,
    study.c.patient_name,
    study.c.modalities_in_study,
    study.c.sop_classes_in_study,
    study.c.identity_conflict,
)


@dataclass(slots=True)
class KnownStudy:
    """A row of the table of studies, and what this batch adds to it."""

    row: int
    uid: str
    patient: Identity
    modalities: str
    sop_classes: str
    conflicted: bool
    created: bool = False
    added_series: int = 0
    added_instances: int = 0
    latest: datetime | None = None
    added_modalities: set[str] = field(default_factory=set)
    added_sop_classes: set[str] = field(default_factory=set)
    new_conflict: bool = False

    @property
    def is_told(self) -> bool:
        """Whether what was added is in its lists already, as they were read."""
        return not self.lacks(self.modalities, self.sop_classes) and not self.new_conflict

    def lacks(self, modalities: str, sop_classes: str) -> bool:
        """Tell whether something that was added is not in these lists."""
        return not (
            self.added_modalities <= {*modalities.split("\\")}
            and self.added_sop_classes <= {*sop_classes.split("\\")}
        )


@dataclass(slots=True)
class KnownSeries:
    """A row of the table of series, and what this batch adds to it."""

    row: int
    study: KnownStudy
    uid: str
    added_instances: int = 0
    latest: datetime | None = None


class Hierarchy:
    """Studies and series of one batch of arrivals."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._sql = _statements(connection.dialect.name)
        self._studies: dict[str, KnownStudy] = {}
        self._series: dict[tuple[int, str], KnownSeries] = {}
        self._homes: dict[tuple[str, str], KnownSeries] = {}
        self._grown: Sequence[KnownStudy] = ()

    def prepare(self, arrivals: Sequence[Arrival]) -> None:
        """Find the study and series of each arrival, and make those that are missing."""
        wanted: dict[str, dict[str, Arrival]] = {}
        firsts: dict[tuple[str, str], Arrival] = {}
        for arrival in arrivals:
            firsts.setdefault((arrival.study_instance_uid, arrival.series_instance_uid), arrival)
        for (study_uid, series_uid), first in firsts.items():
            wanted.setdefault(indexable(study_uid), {}).setdefault(indexable(series_uid), first)
        self._load(list(wanted), [uid for each in wanted.values() for uid in each])
        missing = {uid: next(iter(wanted[uid].values())) for uid in wanted if uid not in self._studies}
        if missing:
            self._make_studies(missing)
        new: dict[tuple[int, str], Arrival] = {}
        for study_uid, each in wanted.items():
            row = self._studies[study_uid].row
            new |= {(row, uid): first for uid, first in each.items() if (row, uid) not in self._series}
        if new:
            self._make_series(new)

    def series_of(self, arrival: Arrival) -> KnownSeries:
        """Return the series of an arrival that was prepared."""
        uids = arrival.study_instance_uid, arrival.series_instance_uid
        home = self._homes.get(uids)
        if home is None:
            owner = self._studies[indexable(uids[0])]
            home = self._homes[uids] = self._series[owner.row, indexable(uids[1])]
        return home

    @property
    def created(self) -> Iterable[KnownStudy]:
        """Studies that this batch made."""
        return [each for each in self._studies.values() if each.created]

    def count(self, arrival: Arrival) -> None:
        """Count `arrival` as one more instance of its series and study."""
        into = self.series_of(arrival)
        at = arrival.received_at
        into.added_instances += 1
        if into.latest is None or into.latest < at:
            into.latest = at
        owner = into.study
        owner.added_instances += 1
        if owner.latest is None or owner.latest < at:
            owner.latest = at
        sop_class = clean(arrival.sop_class_uid)
        if sop_class:
            owner.added_sop_classes.add(sop_class)

    def save(self, writes: Writes) -> None:
        """Write what was counted; `writes` has it when it is sent."""
        grown = sorted((s for s in self._series.values() if s.added_instances), key=lambda each: each.row)
        for each in grown:
            values = {"row": each.row, "instances": each.added_instances, "latest": each.latest}
            self._sql.count_series.later(writes, values)
        self._grown = sorted({s.study.row: s.study for s in grown}.values(), key=lambda each: each.row)
        described = [each for each in self._grown if not each.is_told]
        if described:
            writes.send()  # series are locked before studies
            self._describe(described, self._sql.lock(self._size).run(self._connection, self._rows), writes)
        for owner in self._grown:
            values = {"row": owner.row, "instances": owner.added_instances, "latest": owner.latest}
            self._sql.count_studies.later(writes, values | {"series": owner.added_series})

    def look_again(self, writes: Writes) -> None:
        """Read the lists of studies again, as the last of `writes`, for `mend`.

        Instances that another transaction removed since may have been the last that stood behind what we
        found in a list. On SQLite there is no other.
        """
        if self._grown and self._connection.dialect.name == "postgresql":
            self._sql.lock(self._size).later(writes, self._rows)

    def mend(self, current: Sequence[Any]) -> None:
        """Put back into the lists of studies what was removed since they were read.

        Parameters
        ----------
        current
            Rows that `look_again` asked for.
        """
        lists = {row[0]: row[1:3] for row in current}
        bereft = [each for each in self._grown if each.row in lists and each.lacks(*lists[each.row])]
        writes = Writes(self._connection)
        self._describe(bereft, current, writes)
        writes.send()

    def _load(self, study_uids: Sequence[str], series_uids: Sequence[str]) -> None:
        size = power(max(len(study_uids), len(series_uids)))
        values = padded("study", study_uids, size) | padded("series", series_uids, size)
        for row in self._sql.find(size).run(self._connection, values):
            owner = self._studies.get(row[1]) or self._remember(row)
            if row[-1] is not None:
                self._series[owner.row, row[-1]] = KnownSeries(row[-2], owner, row[-1])

    def _remember(self, row: Any) -> KnownStudy:
        number, uid, patient_id, issuer, name, modalities, sop_classes, conflicted = row[:8]
        patient = _identity(patient_id, issuer, name)
        known = KnownStudy(number, uid, patient, modalities, sop_classes, bool(conflicted))
        self._studies[uid] = known
        return known

    def _make_studies(self, missing: Mapping[str, Arrival]) -> None:
        rows = [_study_row(uid, missing[uid]) for uid in sorted(missing)]
        for number, uid in self._sql.new_study.run(self._connection, rows):
            patient = patient_of(missing[uid])
            self._studies[uid] = KnownStudy(number, uid, patient, "", "", False, created=True)
        lost = [uid for uid in missing if uid not in self._studies]
        if lost:  # another receiver made it a moment ago
            self._load(lost, [indexable(missing[uid].series_instance_uid) for uid in lost])
        if any(uid not in self._studies for uid in missing):
            raise Busy("database: a study came and went")

    def _make_series(self, new: Mapping[tuple[int, str], Arrival]) -> None:
        rows = [_series_row(*key, new[key]) for key in sorted(new)]
        by_row = {each.row: each for each in self._studies.values()}
        for number, study_row, uid in self._sql.new_series.run(self._connection, rows):
            owner = by_row[study_row]
            owner.added_series += 1
            modalities = clean(new[study_row, uid].attributes.get("Modality", "")).split("\\")
            owner.added_modalities.update(filter(None, modalities))
            self._series[study_row, uid] = KnownSeries(number, owner, uid)
        lost = [key for key in new if key not in self._series]
        if lost:
            self._load([by_row[study_row].uid for study_row, _ in lost], [uid for _, uid in lost])
        if any(key not in self._series for key in new):
            raise Busy("database: a series came and went")

    def _describe(self, described: Sequence[KnownStudy], locked: Sequence[Any], writes: Writes) -> None:
        """Write the lists of modalities and SOP classes, and the flag of conflict.

        They were read again under the lock: another receiver may have added to them since.
        """
        current = {row[0]: row for row in locked}
        for each in described:
            _, modalities, sop_classes, conflicted = current[each.row]
            values = {
                "row": each.row,
                "modalities": _merged(modalities, each.added_modalities),
                "sop_classes": _merged(sop_classes, each.added_sop_classes),
                "conflicted": bool(conflicted) or each.new_conflict,
            }
            self._sql.describe.later(writes, values)

    @property
    def _size(self) -> int:
        return power(len(self._grown))

    @property
    def _rows(self) -> dict[str, Any]:
        return padded("row", [each.row for each in self._grown], self._size)


def patient_of(arrival: Arrival) -> Identity:
    """Return whose an arrival says it is, as its study's row would keep it."""
    get = arrival.attributes.get
    return _identity(
        indexable(get("PatientID", "")),
        indexable(get("IssuerOfPatientID", "")),
        clean(get("PatientName", "")),
    )


# The instances of a study have it in common.
_known_identity = lru_cache(maxsize=1024)(identity)


def _identity(patient_id: str, issuer: str, name: str) -> Identity:
    return (_known_identity if len(name) <= INDEXABLE else identity)(patient_id, issuer, name)


def _merged(listed: str, new: Iterable[str]) -> str:
    return "\\".join(sorted({*filter(None, listed.split("\\")), *new}))


def _study_row(uid: str, arrival: Arrival) -> dict[str, Any]:
    at = arrival.received_at
    made = {"study_instance_uid": uid, "created_at": at, "updated_at": at}
    return row_of(Level.STUDY, arrival.attributes) | made


def _series_row(study_row: int, uid: str, arrival: Arrival) -> dict[str, Any]:
    at = arrival.received_at
    made = {"study_row": study_row, "series_instance_uid": uid, "created_at": at, "updated_at": at}
    return row_of(Level.SERIES, arrival.attributes) | made


class _Statements:
    """The SQL of this module for one dialect."""

    def __init__(self, kind: str) -> None:
        self._kind = kind
        self.new_study = Numbered(study, gone.c.study_row, kind, returning=("id", "study_instance_uid"))
        self.new_series = Numbered(
            series, gone.c.series_row, kind, returning=("id", "study_row", "series_instance_uid")
        )
        self.count_series = Prepared(_counting(series), kind)
        self.count_studies = Prepared(_counting(study), kind)
        self.describe = Prepared(_describing(), kind)
        self._find: dict[int, Prepared] = {}
        self._lock: dict[int, Prepared] = {}

    def find(self, size: int) -> Prepared:
        """Find the studies of `size` UIDs, each with those of `size` series that it has."""
        if size not in self._find:
            series_uids = [
                bindparam(f"series_{i}", type_=series.c.series_instance_uid.type) for i in range(size)
            ]
            study_uids = [bindparam(f"study_{i}", type_=study.c.study_instance_uid.type) for i in range(size)]
            mine = and_(series.c.study_row == study.c.id, series.c.series_instance_uid.in_(series_uids))
            query = (
                select(*_STUDY, series.c.id, series.c.series_instance_uid)
                .select_from(study.outerjoin(series, mine))
                .where(study.c.study_instance_uid.in_(study_uids))
            )
            self._find[size] = Prepared(query, self._kind)
        return self._find[size]

    def lock(self, size: int) -> Prepared:
        """Read lists and flag of `size` studies, and lock them in the order of their rows."""
        if size not in self._lock:
            rows = [bindparam(f"row_{i}", type_=study.c.id.type) for i in range(size)]
            query = (
                select(
                    study.c.id,
                    study.c.modalities_in_study,
                    study.c.sop_classes_in_study,
                    study.c.identity_conflict,
                )
                .where(study.c.id.in_(rows))
                .order_by(study.c.id)
                .with_for_update(key_share=True)  # left out on SQLite, whose one writer we are
            )
            self._lock[size] = Prepared(query, self._kind)
        return self._lock[size]


def _counting(table: Any) -> Any:
    values: dict[str, Any] = {
        "number_of_instances": table.c.number_of_instances + bindparam("instances"),
        "updated_at": bindparam("latest", type_=table.c.updated_at.type),
    }
    if table is study:
        values["number_of_series"] = table.c.number_of_series + bindparam("series")
    return update(table).where(table.c.id == bindparam("row")).values(values)


def _describing() -> Any:
    values: dict[str, Any] = {
        "modalities_in_study": bindparam("modalities"),
        "sop_classes_in_study": bindparam("sop_classes"),
        "identity_conflict": bindparam("conflicted"),
    }
    return update(study).where(study.c.id == bindparam("row")).values(values)


@cache
def _statements(kind: str) -> _Statements:
    return _Statements(kind)
