"""What is held for a person: deliveries and jobs, as who decides on holds needs them."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, literal_column, select, update

from storage.records.deliveries import DeliveryState
from storage.records.tables import delivery, job
from storage.repos.attempts import in_state

_HELD_DELIVERY = in_state(DeliveryState.HELD)
_HELD_JOB = job.c.state == literal_column("'held'")


@dataclass(frozen=True, slots=True)
class HeldDelivery:
    """A delivery that is held, where its instance is, and why."""

    id: int
    instance_row: int
    series_row: int
    study_row: int
    words: str


@dataclass(frozen=True, slots=True)
class HeldJob:
    """A job that is held, what it is about (`row` of a `level`), and why."""

    id: int
    level: str
    row: int
    words: str


class WithheldRepo:
    """What is held, in one transaction."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def deliveries(self, study_row: int) -> Sequence[HeldDelivery]:
        """Return the held deliveries of a study."""
        columns = [delivery.c[name] for name in HeldDelivery.__dataclass_fields__]
        query = select(*columns).where(delivery.c.study_row == study_row, _HELD_DELIVERY)
        return [HeldDelivery(*row) for row in self._connection.execute(query.order_by(delivery.c.id))]

    def jobs(self) -> Sequence[HeldJob]:
        """Return all held jobs that are about an instance, a series or a study."""
        query = select(job.c.id, job.c.payload, job.c.error).where(_HELD_JOB).order_by(job.c.id)
        return [
            HeldJob(row.id, row.payload.get("level", "instance"), row.payload["row"], row.error)
            for row in self._connection.execute(query)
            if isinstance(row.payload.get("row"), int)
        ]

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
