"""Delivers to one destination: over some lanes, as its settings and its state allow.

It knows how the destination does, and what that means for what waits. `node.delivery.lane` does the sending,
`node.delivery.clerk` the records.
"""

import math
import random
import threading
from collections.abc import Sequence

import structlog

from node.core import clock
from node.core.errors import UserError
from node.delivery import ending, gate
from node.delivery.breaker import Breaker, State
from node.delivery.clerk import Clerk
from node.delivery.ending import Terms
from node.delivery.lane import Do, Lane
from node.delivery.line import Line, Sent, proposals
from node.delivery.postbook import Postbook
from node.delivery.rate import Rate
from node.delivery.statuses import Whose, is_unknown_ae, judge
from node.delivery.suspects import Suspects
from node.root import Node
from node.services.echo import echo
from scu.errors import NotAccepted, ScuError
from scu.store import StoreResult
from storage.errors import StorageError
from storage.records.deliveries import DeliveryState, Destination, Parcel, Result
from storage.records.network import Peer

_PATIENT = 2.0  # seconds for which a lane that may not send keeps what it has in its hand

_log = structlog.get_logger()


class Courier:
    """The lanes to one destination, from `start` to `stop`. Its methods may be called by any thread.

    Parameters
    ----------
    destination
        As it was leased.
    worker
        Who holds it.
    """

    def __init__(self, node: Node, destination: Destination, worker: str, postbook: Postbook) -> None:
        config = node.config.delivery
        self._node = node
        self._config = config
        self._terms = Terms.of(config)
        self._lock = threading.Condition()
        self._destination = destination
        self._peer: Peer | None = None
        self._breaker = Breaker.of(destination, config.breaker_failures, self._terms.backoff)
        self._rate = Rate(destination.rate)
        self._suspects = Suspects()
        self._kinds: dict[tuple[str, str], None] = {}  # that were ever sent, to be proposed again
        self._retry_at = 0.0
        self._ours_until = math.inf
        self._failed_at = clock.now()
        self._stopping = False
        self._lanes: list[Lane] = []
        self._postbook = postbook
        self._clerk = Clerk(destination, worker, config.batch, self._lock, postbook.ring)

    @property
    def name(self) -> str:
        """Of the destination."""
        return self._destination.name

    @property
    def peer(self) -> Peer | None:
        """Where it is, as far as is known; None: it was removed, or never called."""
        return self._peer

    @property
    def preferred(self) -> Sequence[str]:
        """Transfer syntaxes that it is to get before the stored one."""
        return self._destination.syntaxes

    def keep(self, until: float) -> None:
        """Know that the destination is ours until this moment of the monotonic clock."""
        with self._lock:
            self._ours_until = until
            self._lock.notify_all()

    def start(self) -> None:
        """Begin to deliver."""
        self._postbook.join(self._clerk)
        with self._lock:
            self._fill_lanes()
            self._clerk.look_again()

    def update(self, destination: Destination, peer: Peer | None) -> None:
        """Go by these settings from now on, and to where `peer` is; None: there is none of its name."""
        with self._lock:
            self._peer = peer
            if destination.rate != self._rate.per_second:
                self._rate = Rate(destination.rate)
            self._destination = self._clerk.destination = destination
            # A moment before the last failure is what we wrote before that, and no person's.
            if destination.probe_at is not None and destination.probe_at > self._failed_at:
                self._breaker = self._breaker.hastened(destination.probe_at)
            if not self._stopping:
                self._fill_lanes()
            if destination.paused:
                for lane in self._lanes:
                    lane.hand.wants = False
                    self._clerk.give_back(lane.hand.clear())
            self._lock.notify_all()

    def look_again(self) -> None:
        """There may be something new in its queue."""
        with self._lock:
            self._clerk.look_again()
            if self._breaker.state is State.OPEN:
                self._clerk.divert()

    def idle_for(self) -> float:
        """Return the seconds since it last had anything to do, now or soon."""
        with self._lock:
            busy = any(lane.hand.parcels or lane.connected for lane in self._lanes)
            if busy or not self._clerk.settled:
                return 0.0
            if self._destination.paused:
                return gate.UNTIL_TOLD
            if self._waits(first=True) > 0:
                return 0.0
            return clock.monotonic() - self._clerk.active_at

    def stop(self) -> None:
        """Let it end: what has not begun goes back to the queue, what is on its way is waited for."""
        with self._lock:
            self._stopping = True
            for lane in self._lanes:
                self._clerk.give_back(lane.hand.clear())
            self._clerk.closing = True
            self._lock.notify_all()
        self._postbook.ring()

    def cut(self) -> None:
        """Break off what is still on its way."""
        with self._lock:
            lanes = list(self._lanes)
        for lane in lanes:
            lane.cut()

    def settle(self, seconds: float) -> bool:
        """After `stop`: wait until all has ended and is recorded; return whether that has come."""
        with self._lock:
            done = self._lock.wait_for(lambda: not self._lanes and self._clerk.settled, seconds)
        if done:
            self._postbook.leave(self._clerk)
        return done

    def _fill_lanes(self) -> None:
        taken = {lane.number for lane in self._lanes}
        for number in sorted(set(range(self._width())) - taken):
            lane = Lane(self, number, self.name)
            self._lanes.append(lane)
            self._clerk.hands.append(lane.hand)
            lane.start()

    def _width(self) -> int:
        return self._destination.associations or self._config.associations

    def _waits(self, *, first: bool) -> float:
        shut = gate.waits(self._destination, self._breaker, clock.now().astimezone(), first=first)
        now = clock.monotonic()
        if now > self._ours_until:  # another worker may deliver there, and nobody has told us
            return max(shut, _PATIENT)
        return max(shut, self._retry_at - now, 0.0)

    # What lanes ask; see `node.delivery.lane.Chief`.

    def next(self, lane: Lane) -> Parcel | Do:
        """Wait until there is something for `lane` to do, and say what."""
        with self._lock:
            while True:
                found = self._ready(lane)
                if not isinstance(found, float):
                    return found
                self._lock.wait(min(found, gate.UNTIL_TOLD))

    def _ready(self, lane: Lane) -> Parcel | Do | float:
        """Return what `lane` is to do, or the seconds for which it is to wait."""
        if self._stopping or lane.number >= self._width():
            return Do.END
        first = lane.number == 0
        shut = self._waits(first=first)
        if shut > 0:
            return self._shut(lane, shut, first=first)
        hand = lane.hand
        self._clerk.ask(hand)
        if not hand.parcels:
            if not lane.connected:
                return gate.UNTIL_TOLD
            left = self._config.idle_seconds - lane.idle_for
            return left if left > 0 else Do.RELEASE
        now = clock.monotonic()
        if lane.due_at is None:
            lane.due_at = now + self._rate.take(now)
        if lane.due_at > now:
            return lane.due_at - now
        return hand.parcels[0]

    def _shut(self, lane: Lane, shut: float, *, first: bool) -> Do | float:
        lane.hand.wants = False
        if shut > _PATIENT or self._breaker.state is not State.CLOSED:
            self._clerk.give_back(lane.hand.clear())
            if lane.connected:
                return Do.RELEASE
        if first and gate.may_probe(self._destination, self._breaker, clock.now().astimezone()):
            return Do.PROBE
        return shut

    def open(self, lane: Lane) -> Line:
        """Call the destination for what `lane` has in its hand.

        Raises
        ------
        ScuError, UserError, StorageError
        """
        with self._lock:
            kinds = dict.fromkeys((p.sop_class_uid, p.transfer_syntax_uid) for p in lane.hand.parcels)
            self._kinds = kinds | self._kinds
            kinds = dict(self._kinds)
        peer = self._peer = self._node.peers.get(self.name)
        return Line.open(peer, self._node.config.dicom, self._node.retrieve, kinds, self.preferred)

    def begin(self, lane: Lane, parcel: Parcel) -> bool:
        """Say whether `parcel` is still to be sent; from then on it is on its way."""
        with self._lock:
            hand = lane.hand
            if self._stopping or not hand.parcels or hand.parcels[0] is not parcel:
                return False
            if self._waits(first=lane.number == 0) > 0:  # it took a while to connect
                return False
            hand.on_way, lane.due_at = True, None
            return True

    def following(self, lane: Lane) -> Parcel | None:
        """Return what is to be sent after that which is on its way."""
        with self._lock:
            if self._waits(first=lane.number == 0) <= 0:
                self._clerk.ask(lane.hand)
            return lane.hand.parcels[1] if len(lane.hand.parcels) > 1 else None

    def pause(self, seconds: float) -> None:
        """Wait, unless all is to end."""
        with self._lock:
            self._lock.wait_for(lambda: self._stopping, seconds)

    # What lanes report.

    def answered(self, lane: Lane, parcel: Parcel, sent: Sent) -> None:
        """Record what came of a parcel."""
        verdict = judge(sent.outcome, self._config.permanent)
        result = ending.answered(
            parcel,
            verdict,
            clock.now(),
            self._terms,
            random.random(),
            transfer_syntax_uid=sent.transfer_syntax_uid,
            digest=sent.digest,
        )
        with self._lock:
            if isinstance(sent.outcome, StoreResult):
                self._works(parcel)
            self._end(lane, result)
        self._tell(result)

    def broke(self, lane: Lane, parcel: Parcel, error: ScuError) -> None:
        """Record that the association broke while a parcel was on its way."""
        verdict = judge(error, self._config.permanent)
        with self._lock:
            breaks = self._suspects.breaks(parcel.id) + 1
            culprit = self._suspects.broke(parcel.id)
            if not culprit:  # couriers come and go while it waits: what they saw counts for its age
                breaks = max(breaks, parcel.failures + 1)
            result = ending.broken(
                parcel,
                verdict.words,
                clock.now(),
                self._terms,
                random.random(),
                breaks=breaks,
                culprit=culprit,
            )
            self._end(lane, result)
            self._clerk.give_back(lane.hand.clear())
            self._failed(verdict.words)
        self._tell(result)

    def unreachable(self, lane: Lane, error: ScuError | UserError) -> None:
        """Record that no association came about, and for what that is the end."""
        words = str(error)
        with self._lock:
            if isinstance(error, ScuError):
                verdict = judge(error, ())
                words = verdict.words
                if verdict.whose is Whose.ITEM or (verdict.permanent and self._config.unknown_ae == "dead"):
                    self._drop(lane, words, all_of_it=verdict.whose is Whose.DESTINATION)
                    return
            self._failed(words)
            # While it is closed the next try comes soon, but not at once: a program may be starting again.
            self._retry_at = clock.monotonic() + min(1.0, self._config.backoff_first)

    def _drop(self, lane: Lane, words: str, *, all_of_it: bool) -> None:
        """Give up what `lane` has in its hand; not all of it: as far as it was asked for."""
        asked = {(sop_class, syntax) for sop_class, some in proposals(self._kinds) for syntax in some}
        parcels, now = lane.hand.clear(), clock.now()
        doomed = [p for p in parcels if all_of_it or (p.sop_class_uid, p.transfer_syntax_uid) in asked]
        self._clerk.post(*(ending.dropped(parcel, words, now) for parcel in doomed))
        self._clerk.give_back([parcel for parcel in parcels if parcel not in doomed])
        _log.error("delivery.dropped", destination=self.name, instances=len(doomed), words=words)

    def _end(self, lane: Lane, result: Result) -> None:
        lane.hand.on_way = False
        lane.hand.parcels.popleft()
        self._clerk.post(result)

    def _works(self, parcel: Parcel) -> None:
        self._suspects.took(parcel.id)
        if self._breaker.failures:
            if self._breaker.state is not State.CLOSED:
                _log.info("destination.works_again", destination=self.name)
            self._breaker = self._breaker.succeeded()
            self._clerk.tell_trouble(self._breaker, "")
            self._lock.notify_all()

    def _failed(self, words: str) -> None:
        was, self._failed_at = self._breaker.state, clock.now()
        self._breaker = self._breaker.failed(self._failed_at, random.random())
        self._clerk.tell_trouble(self._breaker, words)
        if self._breaker.state is State.OPEN:
            self._clerk.divert()
            if was is not State.OPEN:
                _log.error("destination.given_up", destination=self.name, error=words)
        self._lock.notify_all()

    def probe(self) -> None:
        """Ask the destination by C-ECHO whether it works again."""
        try:
            echo(self._node.peers.get(self.name), self._node.config.dicom)
        except NotAccepted:
            pass  # it is there, and takes no C-ECHO
        except (ScuError, UserError) as error:
            if not (self._config.unknown_ae == "dead" and is_unknown_ae(error)):
                with self._lock:
                    self._failed(str(error))
                return
        except StorageError:
            self.pause(1.0)
            return
        with self._lock:
            _log.info("destination.answers", destination=self.name)
            self._breaker = self._breaker.answered()
            self._clerk.tell_trouble(self._breaker, "")
            self._clerk.look_again()
            self._lock.notify_all()

    def left(self, lane: Lane) -> None:
        """Note that a lane has ended; what it still had goes back to the queue."""
        with self._lock:
            lane.hand.on_way = False
            self._clerk.give_back(lane.hand.clear())
            self._lanes.remove(lane)
            self._clerk.hands.remove(lane.hand)
            self._lock.notify_all()

    def _tell(self, result: Result) -> None:
        if result.state in (DeliveryState.DELIVERED, DeliveryState.QUEUED):
            return
        tell = _log.error if result.state is DeliveryState.DEAD else _log.info
        tell(
            f"delivery.{result.state.value}",
            destination=self.name,
            sop_instance_uid=result.parcel.sop_instance_uid,
            status=result.status,
        )
