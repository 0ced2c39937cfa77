"""What is held for a person: deliveries and jobs, as who decides on holds needs them."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, literal_column, select, update

from storage.records.deliveries import DeliveryState
from storage.records.jobs import JobState
from storage.records.rulings import Held
from storage.records.schema import indexable
from storage.records.tables import delivery, instance, job, series
from storage.repos.attempts import in_state

_HELD_DELIVERY = in_state(DeliveryState.HELD)
_HELD_JOB = job.c.state == literal_column("'held'")
_QUEUED_JOB = job.c.state == literal_column("'queued'")
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
        within = [delivery.c.study_row == hold.study_row]
        if hold.level != "study":
            within.append(delivery.c[f"{hold.level}_row"] == hold.row)
        open_ = delivery.c.state.in_((DeliveryState.QUEUED, DeliveryState.WAITING))
        deliveries = self._connection.execute(
            update(delivery)
            .where(*within, open_)
            .values(state=DeliveryState.HELD, words=hold.reason, due=None)
        )
        numbers = self._queued_jobs(hold)
        if numbers:
            self._connection.execute(
                update(job)
                .where(job.c.id.in_(numbers), _QUEUED_JOB)
                .values(state=JobState.HELD, error=hold.reason)
            )
        return deliveries.rowcount + len(numbers)

    def _queued_jobs(self, hold: Held) -> list[int]:
        """Return the jobs that rules queued about something in what `hold` is on."""
        query = select(job.c.id, job.c.payload).where(_QUEUED_JOB, job.c.kind.in_(_WITHHELD))
        about = {
            row.id: (row.payload.get("level", "instance"), row.payload.get("row"))
            for row in self._connection.execute(query)
        }
        within = self._within(hold) if about else set()
        return [number for number, what in about.items() if what in within]

    def _within(self, hold: Held) -> set[tuple[str, int]]:
        """Return level and row of all that a hold is on."""
        query = select(instance.c.id, series.c.id, series.c.study_row).join_from(instance, series)
        columns = {"instance": instance.c.id, "series": series.c.id, "study": series.c.study_row}
        rows = self._connection.execute(query.where(columns[hold.level] == hold.row)).all()
        found = {("instance", row[0]) for row in rows}
        if hold.level != "instance":
            found |= {("series", row[1]) for row in rows}
        return found | {(hold.level, hold.row)}

    def say_of_deliveries(self, ids: Sequence[int], words: str) -> None:
        """Give held deliveries another reason."""
        if ids:
            self._connection.execute(
                update(delivery).where(delivery.c.id.in_(ids), _HELD_DELIVERY).values(words=words)
            )

    def say_of_jobs(self, ids: Sequence[int], words: str) -> None:
        """Give held jobs another reason."""
        if ids:
            self._connection.execute(update(job).where(job.c.id.in_(ids), _HELD_JOB).values(error=words))
