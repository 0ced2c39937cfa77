"""Deliveries as they are made: into the queue, to a worker, and how it ended.

`storage.repos.ledger` is what people ask of deliveries and do to them.
"""

from collections.abc import Callable, Collection, Sequence
from datetime import datetime
from functools import cache
from typing import Any

from sqlalchemy import Connection, func, select

from storage.records.deliveries import DeliveryState, NewDelivery, Parcel, Result
from storage.records.tables import delivery
from storage.repos.attempts import LOST, in_state, lock, move, note, rank, rules_text
from storage.repos.claims import claim
from storage.repos.destinations import DestinationsRepo
from storage.repos.diversion import alternates, divert
from storage.repos.outcomes import finish
from storage.sql.prepared import Inserter

_DIED = "its worker died, or lost the database for longer than its lease; it may have been delivered"
_QUEUED = in_state(DeliveryState.QUEUED)
_SENDING = in_state(DeliveryState.SENDING)
_WAITING = in_state(DeliveryState.WAITING)


class DeliveriesRepo:
    """The table of deliveries for those who deliver, in one transaction.

    Parameters
    ----------
    ring
        Wakes the workers when the transaction commits.
    """

    def __init__(
        self, connection: Connection, destinations: DestinationsRepo, ring: Callable[[], None]
    ) -> None:
        self._connection = connection
        self._destinations = destinations
        self._ring = ring

    def add(self, news: Sequence[NewDelivery]) -> int:
        """Put deliveries into their queues; return how many.

        One of an instance to a destination that there is already, in whatever state, is left as it is.
        """
        # Names and rows in order, so that two transactions never wait for each other.
        homes = {name: self._destinations.of(name) for name in sorted({each.destination for each in news})}
        rows = [_row(each, homes[each.destination]) for each in news]
        rows.sort(key=lambda row: (row["instance_row"], row["destination_row"]))
        added = _inserter(self._connection.dialect.name).fill(self._connection, rows)
        if added:
            self._ring()
        return added

    def claim(
        self, destination: int, worker: str, at: datetime, limit: int, busy: Collection[int]
    ) -> Sequence[Parcel]:
        """Take up to `limit` deliveries of the series whose turn it is, in the order of its instances.

        Parameters
        ----------
        destination
            Row of what `worker` holds. When it does not hold it any more nothing is taken.
        busy
            Rows of series of which something is on its way.

        Returns
        -------
        sequence of Parcel
            Empty when nothing is queued. `Parcel.queued_at` is when it entered the queue, or when a person
            last had it sent again. What has lost its instance is dead, and not among them.
        """
        return claim(self._connection, destination, worker, at, limit, busy)

    def finish(self, worker: str, results: Sequence[Result], *, commitment: bool) -> Sequence[Result]:
        """Record how attempts ended; return those that were no longer the worker's.

        Of these an attempt in state ``late …`` is kept. Recording the same results twice changes nothing,
        so that a transaction whose commit broke half-way may be tried again. What is QUEUED without words
        and status counts as not attempted.

        Parameters
        ----------
        commitment
            The destination is to be asked whether it keeps what it took.
        """
        return finish(self._connection, worker, results, commitment)

    def recover(self, destination: int, worker: str, at: datetime) -> int:
        """Return to the queue what another worker than `worker`, now lost, was sending; return how much."""
        here = delivery.c.destination_row == destination
        ids = lock(self._connection, here, _SENDING, delivery.c.worker != worker)
        note(self._connection, ids, LOST, at, _DIED)
        return move(self._connection, ids, state=DeliveryState.QUEUED.value)

    def strays(self, destination: int, worker: str, known: Collection[int]) -> int:
        """Return to the queue what `worker` took and does not know of; return how much.

        So it is when nobody could tell whether the transaction that took it was saved. None was sent.
        """
        here = delivery.c.destination_row == destination
        ids = lock(self._connection, here, _SENDING, delivery.c.worker == worker)
        lost = [each for each in ids if each not in known]
        return move(self._connection, lost, state=DeliveryState.QUEUED.value)

    def promote(self, destination: int, at: datetime) -> int:
        """Put into the queue, in its old place, what waited until `at`; return how much."""
        here = delivery.c.destination_row == destination
        ids = lock(self._connection, here, _WAITING, delivery.c.due <= at)
        return move(self._connection, ids, state=DeliveryState.QUEUED.value, due=None)

    def next_due(self, destination: int) -> datetime | None:
        """Return until when the first of those waits that wait for their time; None: none does."""
        query = select(delivery.c.due).where(delivery.c.destination_row == destination, _WAITING)
        return self._connection.execute(query.order_by(delivery.c.due).limit(1)).scalar_one_or_none()

    def divert(self, destination: int, at: datetime) -> int:
        """Give what is queued and has an alternate to that; return how much.

        There may be more when it is `storage.repos.diversion.AT_ONCE` or above.
        """
        diverted = 0
        for name in alternates(self._connection, destination):
            diverted += divert(self._connection, destination, name, self._destinations.of(name), at)
        if diverted:
            self._ring()
        return diverted

    def waiting(self, destination: int) -> int:
        """Return how many deliveries are still to be sent: queued, or waiting for their time."""
        here = delivery.c.destination_row == destination
        queries = [select(func.count()).where(here, state) for state in (_QUEUED, _WAITING)]
        return sum(self._connection.execute(query).scalar_one() for query in queries)


def _row(new: NewDelivery, home: int) -> dict[str, Any]:
    return {
        "instance_row": new.instance_row,
        "destination_row": home,
        "study_row": new.study_row,
        "series_row": new.series_row,
        "instance_number": new.instance_number,
        "state": _first(new).value,
        "priority": new.priority,
        "rank": rank(new.queued_at, new.priority),
        "due": new.due,
        "queued_at": new.queued_at,
        "rules": rules_text(new.rules),
        "alternate": new.alternate,
        "instead_of": new.instead_of,
        "attempts": 0,
        "failures": 0,
        "words": new.held,
    }


def _first(new: NewDelivery) -> DeliveryState:
    if new.held:
        return DeliveryState.HELD
    return DeliveryState.QUEUED if new.due is None else DeliveryState.WAITING


@cache
def _inserter(kind: str) -> Inserter:
    return Inserter(delivery, kind, skip=True)
