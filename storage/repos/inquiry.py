"""Looks back: what came in, what was decided beside one another, which jobs are about something.

For people who ask, some seconds' patience and any size of answer; nothing that moves images waits for it.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, and_, func, or_, select

from storage.records.arrival import Origin, Verdict
from storage.records.jobs import Job, JobState
from storage.records.rulings import Gone, Held, Role, Ruling
from storage.records.tables import arrival, decision, gone, hold, instance, quarantine, series
from storage.repos.about import jobs_about
from storage.repos.rows import origin_of

_ABOUT = ("deidentify", "infer", "discard")
_PAGE = 500
_RULING = ("level", "row", "revision", "at", "local", "seen", "outcomes", "stale_at", "id")


@dataclass(frozen=True, slots=True)
class Came:
    """One arrival of an instance.

    Attributes
    ----------
    verdict
        A value of `storage.records.arrival.Verdict`, or why it was refused.
    """

    received_at: datetime
    verdict: str
    origin: Origin


class InquiryRepo:
    """Questions that go through several tables, in one transaction."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def arrivals_of(self, instance_row: int) -> list[Came]:
        """Return the arrivals of an instance, the first first."""
        query = select(arrival).where(arrival.c.instance_row == instance_row)
        ordered = query.order_by(arrival.c.received_at, arrival.c.id)
        return [
            Came(row.received_at, Verdict(row.verdict).value, origin_of(row))
            for row in self._connection.execute(ordered)
        ]

    def refused(self, sop_instance_uid: str) -> list[Came]:
        """Return the arrivals under a UID that were refused and are in quarantine, the first first."""
        query = select(quarantine).where(quarantine.c.sop_instance_uid == sop_instance_uid)
        ordered = query.order_by(quarantine.c.received_at, quarantine.c.id)
        return [
            Came(row.received_at, row.reason, origin_of(row)) for row in self._connection.execute(ordered)
        ]

    def gone(self, uid: str, limit: int = 1000) -> list[Gone]:
        """Return what is left of the instance of this UID, or of those of a study, that were discarded."""
        mine = or_(gone.c.sop_instance_uid == uid, gone.c.study_instance_uid == uid)
        query = select(gone).where(mine).order_by(gone.c.id).limit(limit)
        return [Gone(**row) for row in self._connection.execute(query).mappings()]

    def series_row(self, series_instance_uid: str) -> int | None:
        """Return the row of the series of this UID; of the earliest, should several studies use it."""
        query = select(series.c.id).where(series.c.series_instance_uid == series_instance_uid)
        return self._connection.execute(query.order_by(series.c.id).limit(1)).scalar_one_or_none()

    def count_received(self, since: datetime, until: datetime) -> int:
        """Return how many instances came in [`since`, `until`) and are there."""
        query = select(func.count()).select_from(instance)
        within = and_(instance.c.received_at >= since, instance.c.received_at < until)
        return self._connection.execute(query.where(within)).scalar_one()

    def studies_received(self, since: datetime, until: datetime, after: int, limit: int) -> Sequence[int]:
        """Return up to `limit` rows of studies, above `after`, of which an instance came in that span."""
        query = (
            select(series.c.study_row)
            .join(instance, instance.c.series_row == series.c.id)
            .where(instance.c.received_at >= since, instance.c.received_at < until)
            .where(series.c.study_row > after)
            .distinct()
            .order_by(series.c.study_row)
            .limit(limit)
        )
        return self._connection.execute(query).scalars().all()

    def rulings_within(self, study_row: int) -> Iterator[tuple[str, Ruling]]:
        """Yield the SOP Instance UID of, and what was decided about, each instance of a study.

        Rows are read from the database as they are asked for, so the transaction must stay open.
        """
        query = (
            select(instance.c.sop_instance_uid, decision)
            .join(series, series.c.id == instance.c.series_row)
            .join(decision, and_(decision.c.row == instance.c.id, decision.c.level == "instance"))
            .where(series.c.study_row == study_row)
            .order_by(decision.c.id)
        )
        for row in self._connection.execute(query, execution_options={"yield_per": _PAGE}).mappings():
            values = {column: row[column] for column in _RULING}
            yield row["sop_instance_uid"], Ruling(role=Role(row["role"]), **values)

    def shadowed(
        self, revision: int, since: datetime, after: int, limit: int
    ) -> list[tuple[Ruling, Ruling | None]]:
        """Return decisions of a revision in the shadow, each with the active one made of the same thing.

        Parameters
        ----------
        since
            Made at this moment or later.
        after, limit
            Up to `limit`, by id, those whose id is above `after`.
        """
        shadow, active = decision.alias("shadow"), decision.alias("beside")
        same = and_(
            active.c.row == shadow.c.row,
            active.c.level == shadow.c.level,
            active.c.at == shadow.c.at,
            active.c.role == Role.ACTIVE.value,
        )
        query = (
            select(*_labelled(shadow, "shadow"), *_labelled(active, "active"))
            .select_from(shadow.outerjoin(active, same))
            .where(shadow.c.role == Role.SHADOW.value, shadow.c.revision == revision)
            .where(shadow.c.at >= since, shadow.c.id > after)
            .order_by(shadow.c.id)
            .limit(limit)
        )
        found: list[tuple[Ruling, Ruling | None]] = []
        for row in self._connection.execute(query).mappings():
            beside = _ruling(row, "active", Role.ACTIVE) if row["active_id"] is not None else None
            found.append((_ruling(row, "shadow", Role.SHADOW), beside))
        return found

    def holds_within(self, study_row: int, limit: int = 1000) -> list[Held]:
        """Return the holds on a study or anything in it, open and released, the first first."""
        query = select(hold).where(hold.c.study_row == study_row).order_by(hold.c.id).limit(limit)
        return [Held(**row) for row in self._connection.execute(query).mappings()]

    def jobs_about(self, level: str, row: int, limit: int = 100) -> list[Job]:
        """Return the latest jobs that rules had done about an instance, series or study, oldest first."""
        rows = jobs_about(self._connection, _ABOUT, [(level, row)])
        found = [Job(**{**each, "state": JobState(each["state"])}) for each in rows]
        return sorted(found, key=lambda each: each.id)[-limit:]


def _labelled(table: Any, name: str) -> list[Any]:
    return [table.c[column].label(f"{name}_{column}") for column in _RULING]


def _ruling(row: Any, name: str, role: Role) -> Ruling:
    return Ruling(role=role, **{column: row[f"{name}_{column}"] for column in _RULING})
