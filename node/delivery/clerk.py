"""The paperwork of one destination: results to be recorded, parcels to be taken from its queue.

Everything that lanes want of the database goes through here, and they do not wait for it: they find new
parcels in their hands, which are filled again while there is still something in them.
"""

from collections import deque
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from threading import Condition

import structlog

from node.core import clock
from node.delivery.breaker import Breaker
from node.delivery.ending import given_back
from storage.records.deliveries import DeliveryState, Destination, Parcel, Result
from storage.records.jobs import NewJob
from storage.repos.diversion import AT_ONCE
from storage.transaction import Transaction

GATHER_SECONDS = 0.1
"""For which results are gathered."""

_GATHER = 64  # results that are recorded at once
_PACE = 0.03  # seconds between two looks into a queue that had not much
_ROUNDS = 8  # series for each lane in one transaction
_COMMITMENT_AFTER = timedelta(seconds=10)
_DIVERT_EVERY = 0.5  # seconds at least, however much arrives for what is down

_log = structlog.get_logger()


@dataclass(eq=False)
class Hand:
    """What a lane has in its hand.

    Attributes
    ----------
    parcels
        In the order in which they are to be sent.
    on_way
        Whether the first of them is being sent.
    wants
        Whether the lane takes more.
    seen
        State of `Clerk.news` when there was nothing else for it.
    turn
        Another one each time that something is taken out: what was claimed for it before that would come
        out of order.
    """

    parcels: deque[Parcel] = field(default_factory=deque)
    on_way: bool = False
    wants: bool = False
    seen: int = -1
    turn: int = 0

    def share(self) -> list[Parcel]:
        """Take away, and return, what is there of the last series, unless that is the one being sent from."""
        if not self.parcels or self.parcels[-1].series_row == self.parcels[0].series_row:
            return []
        series = self.parcels[-1].series_row
        shared = [parcel for parcel in self.parcels if parcel.series_row == series]
        self.parcels = deque(parcel for parcel in self.parcels if parcel.series_row != series)
        self.turn += 1
        return shared

    def clear(self) -> list[Parcel]:
        """Take away, and return, all that is not being sent."""
        self.turn += 1
        kept = self.parcels.popleft() if self.on_way else None
        rest = list(self.parcels)
        self.parcels.clear()
        if kept is not None:
            self.parcels.append(kept)
        return rest


class Clerk:
    """Between the lanes of one destination and the database; a client of the `Postbook`.

    Parameters
    ----------
    lock
        Guards this and the hands. What says so is called with it held.
    ring
        Tells the postbook that there is something to do.
    """

    def __init__(
        self, destination: Destination, worker: str, batch: int, lock: Condition, ring: Callable[[], None]
    ) -> None:
        self.destination = destination
        self.hands: list[Hand] = []
        self.closing = False
        self.news = 0
        self.active_at = clock.monotonic()
        self._worker = worker
        self._batch = batch
        self._lock = lock
        self._ring = ring
        self._results: list[Result] = []
        self._since = 0.0
        self._trouble: tuple[Breaker, str] | None = None
        self._divert_at: float | None = None
        self._diverted_at = 0.0
        self._due: datetime | None = None
        self._not_before = 0.0
        self._doubtful = False
        self._writing = False

    def post(self, *results: Result) -> None:
        """Have results recorded; with the lock held."""
        if not results:
            return
        first = not self._results
        self._results += results
        self.active_at = clock.monotonic()
        if first:
            self._since = clock.monotonic()
        again = [each for each in results if each.state is not DeliveryState.DELIVERED]
        if any(each.state is DeliveryState.QUEUED for each in again):
            self.news += 1
        for each in again:
            if each.due is not None and (self._due is None or each.due < self._due):
                self._due = each.due
        if first or again or len(self._results) >= _GATHER:
            self._ring()

    def give_back(self, parcels: Sequence[Parcel]) -> None:
        """Have parcels returned to the queue; with the lock held."""
        now = clock.now()
        self.post(*(given_back(parcel, now) for parcel in parcels))

    def tell_trouble(self, breaker: Breaker, error: str) -> None:
        """Have it recorded how the destination does; with the lock held."""
        self._trouble = (breaker, error)
        self._ring()

    def divert(self) -> None:
        """Have what has an alternate given to that; with the lock held."""
        if self._divert_at is None:
            self._divert_at = max(clock.monotonic(), self._diverted_at + _DIVERT_EVERY)
            self._ring()

    def look_again(self) -> None:
        """There may be something new in the queue; with the lock held."""
        self.news += 1
        self._ring()

    def ask(self, hand: Hand) -> None:
        """Let a hand be filled when it needs to be, at once from the fullest; with the lock held."""
        hand.wants = True
        if not hand.parcels:  # one lane may have been the first to ask, and have got all there was
            hand.parcels.extend(max(self.hands, key=lambda other: len(other.parcels)).share())
        if self._is_hungry(hand):
            self._ring()

    @property
    def settled(self) -> bool:
        """Whether nothing is left to be written; with the lock held."""
        return not (self._results or self._trouble or self._writing or self._doubtful)

    def _is_hungry(self, hand: Hand) -> bool:
        few = len(hand.parcels) <= self._batch // 2
        return hand.wants and few and hand.seen != self.news and not self.closing

    @property
    def place(self) -> int:
        """See `Client`."""
        return self.destination.id

    def wish(self) -> float | None:
        """See `Client`."""
        with self._lock:
            now = clock.monotonic()
            moments: list[float] = []
            if self._trouble is not None or self._doubtful:
                moments.append(now)
            if self._results:
                whole = self.closing or len(self._results) >= _GATHER
                moments.append(now if whole else self._since + GATHER_SECONDS)
            if not self.closing:
                moments += self._later_wishes(now)
            return max(min(moments) - now, 0.0) if moments else None

    def _later_wishes(self, now: float) -> list[float]:
        moments: list[float] = []
        if self._divert_at is not None:
            moments.append(self._divert_at)
        if self._due is not None:
            wait = (self._due - clock.now()).total_seconds()
            if wait <= 0:
                self._due = None
                self.news += 1
            else:
                moments.append(now + wait)
        if any(self._is_hungry(hand) for hand in self.hands):
            moments.append(self._not_before)
        return moments

    def doubt(self) -> None:
        """See `Client`."""
        with self._lock:
            self._writing, self._doubtful = False, True

    def write(self, tx: Transaction) -> Callable[[], None]:
        """See `Client`."""
        now = clock.now()
        with self._lock:
            self._writing = True
            results, trouble, news = list(self._results), self._trouble, self.news
            hungry = [hand for hand in self.hands if self._is_hungry(hand)]
            turns = {hand: hand.turn for hand in hungry}
            diverting = self._divert_at is not None and self._divert_at <= clock.monotonic()
            if self._doubtful:
                self._find_strays(tx)
        self._record(tx, results, now)
        if trouble is not None:
            self._record_trouble(tx, *trouble)
        diverted = tx.deliveries.divert(self.destination.id, now) if diverting else None
        claimed, drained, due = self._claim(tx, hungry, now) if hungry else ({}, set(), None)
        taken = _Taken(news, turns, claimed, drained, due)
        return partial(self._saved, len(results), trouble, diverted, taken)

    def _find_strays(self, tx: Transaction) -> None:
        """Return what a claim took of which nobody could know whether it was saved."""
        known = {each.parcel.id for each in self._results}
        known.update(parcel.id for hand in self.hands for parcel in hand.parcels)
        tx.deliveries.strays(self.destination.id, self._worker, known)

    def _record(self, tx: Transaction, results: Sequence[Result], now: datetime) -> None:
        if not results:
            return
        destination = self.destination
        late = tx.deliveries.finish(self._worker, results, commitment=destination.commitment)
        for each in late:
            _log.warning("delivery.late", delivery=each.parcel.id, destination=destination.name)
        delivered = [each.at for each in results if each.state is DeliveryState.DELIVERED]
        if not delivered:
            return
        tx.destinations.succeeded(destination.name, self._worker, max(delivered))
        if destination.commitment:
            job = NewJob(
                "commit",
                {"destination": destination.name},
                dedupe=f"commit:{destination.name}",
                run_after=now + _COMMITMENT_AFTER,
            )
            tx.jobs.enqueue(job, now)

    def _record_trouble(self, tx: Transaction, breaker: Breaker, error: str) -> None:
        tx.destinations.trouble(
            self.destination.name,
            self._worker,
            failures=breaker.failures,
            error=error,
            opened_at=breaker.opened_at,
            probe_at=breaker.probe_at,
        )

    def _claim(
        self, tx: Transaction, hungry: Sequence[Hand], now: datetime
    ) -> tuple[dict[Hand, list[Parcel]], set[Hand], datetime | None]:
        """Take parcels for hands, series by series in turn; also say for which there is nothing more."""
        row = self.destination.id
        due = tx.deliveries.next_due(row)
        if due is not None and due <= now:
            tx.deliveries.promote(row, now)
            due = tx.deliveries.next_due(row)
        claimed: dict[Hand, list[Parcel]] = {hand: [] for hand in hungry}
        drained: set[Hand] = set()
        for _ in range(_ROUNDS):
            for hand in hungry:
                room = self._batch - len(claimed[hand])
                if hand in drained or room <= 0:
                    continue
                busy = self._busy(hand, claimed)
                found = tx.deliveries.claim(row, self._worker, now, room, busy)
                claimed[hand] += found
                if not found:
                    drained.add(hand)
        return claimed, drained, due

    def _busy(self, hand: Hand, claimed: dict[Hand, list[Parcel]]) -> set[int]:
        """Return the series that other lanes have something of."""
        with self._lock:
            busy = {p.series_row for other in self.hands if other is not hand for p in other.parcels}
        busy.update(p.series_row for other, some in claimed.items() if other is not hand for p in some)
        return busy

    def _saved(
        self, recorded: int, trouble: tuple[Breaker, str] | None, diverted: int | None, taken: "_Taken"
    ) -> None:
        with self._lock:
            self._writing = self._doubtful = False
            del self._results[:recorded]
            self._since = clock.monotonic()
            if self._trouble is trouble:
                self._trouble = None
            if diverted is not None:
                self._diverted_at = clock.monotonic()
                self._divert_at = (
                    self._diverted_at if diverted >= AT_ONCE else None
                )  # at once if there is more
            if taken.parcels:
                self._hand_out(taken)
                later = [each.due for each in self._results if each.due is not None]
                dues = [moment for moment in (taken.due, *later) if moment is not None]
                self._due = min(dues, default=None)
            self._lock.notify_all()

    def _hand_out(self, taken: "_Taken") -> None:
        now = clock.monotonic()
        for hand, parcels in taken.parcels.items():
            if hand in taken.drained:
                hand.seen = taken.news
                self._not_before = now + _PACE
            away = self.closing or not hand.wants or hand not in self.hands
            if away or hand.turn != taken.turns[hand]:
                self.give_back(parcels)
            else:
                hand.parcels.extend(parcels)
            if parcels:
                self.active_at = now


@dataclass(frozen=True, slots=True)
class _Taken:
    """What one transaction took from the queue.

    Attributes
    ----------
    news, turns
        Of the clerk and of the hands, before.
    drained
        Hands for which there is nothing more.
    due
        When something that waits is due.
    """

    news: int
    turns: Mapping[Hand, int]
    parcels: Mapping[Hand, Sequence[Parcel]]
    drained: Collection[Hand]
    due: datetime | None
