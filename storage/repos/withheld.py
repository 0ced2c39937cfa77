"""What is held for a person: deliveries and jobs, as who decides on holds needs them."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, literal_column, select, update

from storage.records.deliveries import DeliveryState
from storage.records.jobs import JobState
from storage.records.rulings import Held
from storage.records.schema import indexable
from storage.records.tables import delivery, instance, job, series
from storage.repos.about import jobs_about
from storage.repos.attempts import in_state, lock, move, parts

_HELD_DELIVERY = in_state(DeliveryState.HELD)
_HELD_JOB = job.c.state == literal_column("'held'")
_QUEUED_JOB = job.c.state == literal_column("'queued'")
_NOT_BEGUN = (DeliveryState.QUEUED, DeliveryState.WAITING)
_WITHHELD = ("deidentify", "infer", "discard")
"""Kinds of job that a hold holds back (`rules.planning.WITHHELD`)."""


@dataclass(frozen=True, slots=True)
class HeldDelivery:
    """A delivery that is held, and where its instance is."""

    id: int
    instance_row: int
    series_row: int
    study_row: int


@dataclass(frozen=True, slots=True)
class HeldJob:
    """A job that is held, and what it is about: `row` of a `level`."""

    id: int
    level: str
    row: int


class WithheldRepo:
    """What is held, in one transaction."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def deliveries(self, study_row: int, reason: str) -> Sequence[HeldDelivery]:
        """Return the deliveries of a study that are held for the reason of a hold."""
        columns = [delivery.c[name] for name in HeldDelivery.__dataclass_fields__]
        query = select(*columns, delivery.c.words).where(delivery.c.study_row == study_row, _HELD_DELIVERY)
        rows = self._connection.execute(query.order_by(delivery.c.id))
        return [HeldDelivery(*where) for *where, words in rows if indexable(words) == reason]

    def jobs(self, reason: str) -> Sequence[HeldJob]:
        """Return the jobs that are held for the reason of a hold, wherever that is."""
        query = select(job.c.id, job.c.payload, job.c.error).where(_HELD_JOB).order_by(job.c.id)
        return [
            HeldJob(row.id, row.payload.get("level", "instance"), row.payload["row"])
            for row in self._connection.execute(query)
            if isinstance(row.payload.get("row"), int) and indexable(row.error) == reason
        ]

    def withhold(self, hold: Held) -> int:
        """Hold what was queued before `hold` was made, and has not begun; return how much that is."""
        # Of an instance by its own index: that of the study would be read for each instance that comes in.
        level = "instance" if hold.level == "instance" else "study"
        within = [delivery.c[f"{level}_row"] == (hold.row if level == "instance" else hold.study_row)]
        if hold.level == "series":
            within.append(delivery.c.series_row == hold.row)
        ids = lock(self._connection, *within, delivery.c.state.in_(_NOT_BEGUN))
        # An attempt that failed stays in the ledger, and what waits for its hours still does afterwards.
        move(self._connection, ids, state=DeliveryState.HELD.value, words=hold.reason)
        return len(ids) + self._withhold_jobs(hold)

    def _withhold_jobs(self, hold: Held) -> int:
        """Hold the jobs that rules queued about something in what `hold` is on; return how many."""
        queued = jobs_about(self._connection, _WITHHELD, self._within(hold), _QUEUED_JOB)
        held = 0
        for some in parts(sorted(row["id"] for row in queued)):
            mine = update(job).where(job.c.id.in_(some), _QUEUED_JOB)
            values = {"state": JobState.HELD, "error": hold.reason}
            held += self._connection.execute(mine.values(values)).rowcount
        return held

    def _within(self, hold: Held) -> Sequence[tuple[str, int]]:
        """Return level and row of all that a hold is on."""
        if hold.level == "instance":
            return [("instance", hold.row)]
        mine = series.c.id == hold.row if hold.level == "series" else series.c.study_row == hold.row
        query = select(instance.c.id, series.c.id).join_from(instance, series).where(mine)
        rows = self._connection.execute(query).all()
        found = [("instance", row[0]) for row in rows] + [("series", row[1]) for row in rows]
        return list(dict.fromkeys([*found, (hold.level, hold.row)]))

    def say_of_deliveries(self, ids: Sequence[int], words: str) -> None:
        """Give held deliveries another reason."""
        for some in parts(ids):
            mine = update(delivery).where(delivery.c.id.in_(some), _HELD_DELIVERY)
            self._connection.execute(mine.values(words=words))

    def say_of_jobs(self, ids: Sequence[int], words: str) -> None:
        """Give held jobs another reason."""
        for some in parts(ids):
            mine = update(job).where(job.c.id.in_(some), _HELD_JOB)
            self._connection.execute(mine.values(error=words))
