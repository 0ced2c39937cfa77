"""Instances coming in: the hot path of the archive.

A batch costs the same few statements however many arrivals it has: two to find what is known, one to
insert instances, one for each study and series to count, two for arrivals and events.

Recording the same arrival twice (the same blob key) says what it said the first time and changes nothing, so
that a transaction whose commit broke half-way may simply be tried again.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from sqlalchemy import Connection, bindparam, select

from storage.engine import Busy
from storage.records.arrival import Arrival, BlobRef, Place, Recorded, Verdict
from storage.records.attributes import Level
from storage.records.history import ConflictKind
from storage.records.keys import row_of
from storage.records.schema import indexable
from storage.records.tables import arrival as arrivals_table
from storage.records.tables import event, gone, instance, series, study
from storage.repos.contested import Contested, content_fingerprint, identity_fingerprint
from storage.repos.hierarchy import Hierarchy, KnownSeries, patient_of
from storage.repos.numbering import Numbered
from storage.repos.rows import blob_selected, blob_values, origin_values
from storage.sql.prepared import Inserter, Prepared, Writes, padded, power

_AT_ONCE = 64


@dataclass(slots=True)
class _Known:
    """An instance that the archive has; never changed."""

    row: int
    blob: BlobRef
    transfer_syntax_uid: str
    study_row: int
    study_uid: str
    study_conflicted: bool
    home: KnownSeries | None = None  # of one that this batch inserts


class ArrivalsRepo:
    """Records arrivals."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._sql = _statements(connection.dialect.name)

    def record(self, arrivals: Sequence[Arrival]) -> list[Recorded]:
        """Record `arrivals` in their order and say what came of each.

        Their blobs must have been synced before the commit. The blob of a DUPLICATE or DIFFERS is
        referred to by nothing: after the commit it is the caller's to delete.

        Raises
        ------
        Busy
            Another receiver recorded one of them at this moment: try the whole transaction again.
        """
        recorded: list[Recorded] = []
        for start in range(0, len(arrivals), _AT_ONCE):
            recorded += _Batch(self._connection, self._sql, arrivals[start : start + _AT_ONCE]).record()
        return recorded


class _Batch:
    """Arrivals that share statements."""

    def __init__(self, connection: Connection, sql: "_Statements", arrivals: Sequence[Arrival]) -> None:
        self._connection = connection
        self._sql = sql
        self._arrivals = [(indexable(each.sop_instance_uid), each) for each in arrivals]
        self._known: dict[str, _Known] = {}
        self._fresh: dict[str, Arrival] = {}
        self._contested = Contested(connection)
        self._trail: list[dict[str, Any]] = []
        self._events: list[dict[str, Any]] = []

    def record(self) -> list[Recorded]:
        self._find()
        for uid, each in self._arrivals:
            if uid not in self._known:
                self._fresh.setdefault(uid, each)
        hierarchy = Hierarchy(self._connection)
        if self._fresh:
            self._insert(hierarchy)
        self._contested.load(self._differing())
        recorded = [self._verdict(uid, each) for uid, each in self._arrivals]
        self._events += self._contested.save()
        writes = Writes(self._connection)
        hierarchy.save(writes)
        self._sql.new_arrival.later(writes, self._trail)
        self._sql.new_event.later(writes, self._events)
        hierarchy.look_again(writes)
        hierarchy.mend(writes.send())
        return recorded

    def _find(self) -> None:
        uids = list(dict(self._arrivals))
        size = power(len(uids))
        found = self._sql.find(size).run(self._connection, padded("uid", uids, size))
        if not found:
            return
        homes = list({row[-1]: None for row in found})
        size = power(len(homes))
        owners = {
            row[0]: row[1:] for row in self._sql.home(size).run(self._connection, padded("row", homes, size))
        }
        for number, uid, *blob, syntax, home in found:
            study_row, study_uid, conflicted = owners[home]
            self._known[uid] = _Known(number, BlobRef(*blob), syntax, study_row, study_uid, bool(conflicted))

    def _insert(self, hierarchy: Hierarchy) -> None:
        hierarchy.prepare(list(self._fresh.values()))
        homes = {uid: hierarchy.series_of(each) for uid, each in self._fresh.items()}
        rows = [_instance_row(uid, self._fresh[uid], homes[uid]) for uid in sorted(self._fresh)]
        for number, uid in self._sql.new_instance.run(self._connection, rows):
            each, home = self._fresh[uid], homes[uid]
            owner = home.study
            of_study = owner.row, owner.uid, owner.conflicted
            self._known[uid] = _Known(number, each.blob, each.transfer_syntax_uid, *of_study, home)
            hierarchy.count(each)
        if any(uid not in self._known for uid in self._fresh):
            raise Busy("database: another receiver records the same instance")
        self._events += [
            _event("study.created", self._first_of(s.uid), study_only=True) for s in hierarchy.created
        ]

    def _first_of(self, study_uid: str) -> Arrival:
        return next(a for a in self._fresh.values() if indexable(a.study_instance_uid) == study_uid)

    def _differing(self) -> Iterable[str]:
        """Yield the fingerprint of each content that is not the one known under its UID."""
        for uid, each in self._arrivals:
            if each.blob.digest != self._known[uid].blob.digest:
                yield content_fingerprint(uid, each.blob.digest)

    def _verdict(self, uid: str, each: Arrival) -> Recorded:
        known = self._known[uid]
        if known.home is not None and self._fresh[uid] is each:
            return self._stored(each, known, known.home)
        if each.blob.key == known.blob.key:  # this very arrival, recorded before
            return Recorded(Verdict.STORED, identity_conflict=known.study_conflicted)
        if each.blob.digest == known.blob.digest:
            return self._traced(
                each, known, Recorded(Verdict.DUPLICATE, known.blob, known.transfer_syntax_uid)
            )
        kept = self._contested.kept(content_fingerprint(uid, each.blob.digest))
        if kept is not None and kept[0].key != each.blob.key:
            return self._traced(each, known, Recorded(Verdict.DUPLICATE, *kept))
        if kept is not None:
            return Recorded(Verdict.CONFLICT, known.blob, known.transfer_syntax_uid)
        if not each.as_conflict:
            return Recorded(Verdict.DIFFERS, known.blob, known.transfer_syntax_uid)
        fingerprint = content_fingerprint(uid, each.blob.digest)
        happened = _event("conflict.content", each)
        self._contested.add(ConflictKind.CONTENT, fingerprint, each, known.study_row, known.row, happened)
        return self._traced(each, known, Recorded(Verdict.CONFLICT, known.blob, known.transfer_syntax_uid))

    def _stored(self, each: Arrival, known: _Known, home: KnownSeries) -> Recorded:
        patient = patient_of(each)
        conflict = not home.study.patient.agrees(patient)
        if conflict:
            home.study.new_conflict = not home.study.conflicted
            fingerprint = identity_fingerprint(home.study.uid, patient)
            happened = _event("conflict.identity", each)
            self._contested.add(
                ConflictKind.IDENTITY, fingerprint, each, known.study_row, known.row, happened
            )
        place = Place(known.row, home.row, home.study.row)
        return self._traced(each, known, Recorded(Verdict.STORED, identity_conflict=conflict, place=place))

    def _traced(self, each: Arrival, known: _Known, recorded: Recorded) -> Recorded:
        row = {
            "instance_row": known.row,
            "verdict": recorded.verdict.value,
            "received_at": each.received_at,
            **origin_values(each.origin),
        }
        self._trail.append(row)
        return recorded


def _instance_row(uid: str, arrival: Arrival, home: KnownSeries) -> dict[str, Any]:
    return {
        **row_of(Level.IMAGE, arrival.attributes),
        **blob_values(arrival.blob),
        "sop_instance_uid": uid,
        "sop_class_uid": arrival.sop_class_uid,
        "series_row": home.row,
        "transfer_syntax_uid": arrival.transfer_syntax_uid,
        "received_at": arrival.received_at,
    }


def _event(kind: str, arrival: Arrival, *, study_only: bool = False) -> dict[str, Any]:
    return {
        "at": arrival.received_at,
        "kind": kind,
        "study_instance_uid": arrival.study_instance_uid,
        "series_instance_uid": "" if study_only else arrival.series_instance_uid,
        "sop_instance_uid": "" if study_only else arrival.sop_instance_uid,
        "detail": {},
    }


class _Statements:
    """The SQL of this module for one dialect."""

    def __init__(self, kind: str) -> None:
        self._kind = kind
        self.new_instance = Numbered(
            instance, gone.c.instance_row, kind, returning=("id", "sop_instance_uid")
        )
        self.new_arrival = Inserter(arrivals_table, kind)
        self.new_event = Inserter(event, kind)
        self._find: dict[int, Prepared] = {}
        self._home: dict[int, Prepared] = {}

    def find(self, size: int) -> Prepared:
        """Find the instances of `size` UIDs."""
        if size not in self._find:
            uids = [bindparam(f"uid_{i}", type_=instance.c.sop_instance_uid.type) for i in range(size)]
            query = select(
                instance.c.id,
                instance.c.sop_instance_uid,
                *blob_selected(instance),
                instance.c.transfer_syntax_uid,
                instance.c.series_row,
            ).where(instance.c.sop_instance_uid.in_(uids))
            self._find[size] = Prepared(query, self._kind)
        return self._find[size]

    def home(self, size: int) -> Prepared:
        """Find the studies of `size` series."""
        if size not in self._home:
            rows = [bindparam(f"row_{i}", type_=series.c.id.type) for i in range(size)]
            query = (
                select(series.c.id, study.c.id, study.c.study_instance_uid, study.c.identity_conflict)
                .join(study, study.c.id == series.c.study_row)
                .where(series.c.id.in_(rows))
            )
            self._home[size] = Prepared(query, self._kind)
        return self._home[size]


@cache
def _statements(kind: str) -> _Statements:
    return _Statements(kind)
