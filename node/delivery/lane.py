"""One lane to a destination: a thread with at most one association, which does what its courier tells it."""

import threading
from collections.abc import Sequence
from enum import Enum, auto
from typing import Protocol

import structlog

from node.core import clock
from node.core.errors import UserError
from node.delivery.clerk import Hand
from node.delivery.line import Line, Sent
from scu.errors import PeerFault, ScuError
from storage.errors import StorageError
from storage.records.deliveries import Parcel
from storage.records.network import Peer

_FRESH = 1.0  # seconds for which an association that worked is taken to stand

_log = structlog.get_logger()


class Do(Enum):
    """What a lane is to do when it is not to send."""

    RELEASE = auto()  # end the association: there is nothing to send, or nothing may be sent
    PROBE = auto()  # see whether the destination works again
    END = auto()


class Chief(Protocol):
    """Who tells lanes what to do, and is told what came of it. Its methods may be called by any thread."""

    @property
    def peer(self) -> Peer | None:
        """Where the destination is, as far as is known."""

    @property
    def preferred(self) -> Sequence[str]:
        """Transfer syntaxes that the destination is to get before the stored one."""

    def next(self, lane: "Lane") -> Parcel | Do:
        """Wait until there is something to do, and say what."""

    def open(self, lane: "Lane") -> Line:
        """Call the destination for what the lane has in its hand; see `Line.open`."""

    def begin(self, lane: "Lane", parcel: Parcel) -> bool:
        """Say whether a parcel is still to be sent; from then on it is on its way."""

    def following(self, lane: "Lane") -> Parcel | None:
        """Return what is to be sent after that which is on its way, as far as is known."""

    def answered(self, lane: "Lane", parcel: Parcel, sent: Sent) -> None:
        """Learn what was answered, or that it was not fit to be sent."""

    def broke(self, lane: "Lane", parcel: Parcel, error: ScuError) -> None:
        """Learn that the association broke while it was on its way."""

    def unreachable(self, lane: "Lane", error: ScuError | UserError) -> None:
        """Learn that no association came about."""

    def probe(self) -> None:
        """Ask the destination by C-ECHO."""

    def pause(self, seconds: float) -> None:
        """Wait, unless all is to end."""

    def left(self, lane: "Lane") -> None:
        """Learn that the lane has ended."""


class Lane:
    """See the module.

    Attributes
    ----------
    number
        From 0.
    hand
        Its parcels; guarded by the lock of its courier.
    due_at
        When what it sends next may leave, as the rate allows; the courier's.
    """

    def __init__(self, chief: Chief, number: int, name: str) -> None:
        self.number = number
        self.hand = Hand()
        self.due_at: float | None = None
        self._chief = chief
        self._line: Line | None = None
        self._used_at = 0.0
        self._thread = threading.Thread(target=self._run, name=f"delivery {name} {number}", daemon=True)

    def start(self) -> None:
        """Begin to work."""
        self._thread.start()

    def join(self, timeout: float) -> bool:
        """Wait for its end; return whether that has come."""
        self._thread.join(timeout)
        return not self._thread.is_alive()

    def cut(self) -> None:
        """Break the association off; for another thread."""
        line = self._line
        if line is not None:
            line.hang_up()

    @property
    def connected(self) -> bool:
        """Whether it has an association."""
        return self._line is not None

    @property
    def idle_for(self) -> float:
        """Seconds since the association was last used."""
        return clock.monotonic() - self._used_at

    def _run(self) -> None:
        try:
            while (task := self._chief.next(self)) is not Do.END:
                self._do(task)
        except Exception as error:  # a fault of ours: the courier gives back what is left
            _log.error("delivery.lane_failed", error=type(error).__name__, exc_info=error)
        finally:
            self._release()
            self._chief.left(self)

    def _do(self, task: Parcel | Do) -> None:
        if task is Do.RELEASE:
            self._release()
        elif task is Do.PROBE:
            self._chief.probe()
        elif isinstance(task, Parcel):
            self._deliver(task)

    def _deliver(self, parcel: Parcel) -> None:
        line = self._line_for(parcel)
        if line is None or not self._chief.begin(self, parcel):
            return
        try:
            sent = line.send(parcel, lambda: self._chief.following(self))
        except ScuError as error:
            self._line = None
            self._chief.broke(self, parcel, error)
            return
        except Exception as error:
            self._release()
            words = f"this node failed while it was on its way: {type(error).__name__}"
            self._chief.broke(self, parcel, PeerFault(words, retry=True))
            raise
        self._used_at = clock.monotonic()
        self._chief.answered(self, parcel, sent)

    def _line_for(self, parcel: Parcel) -> Line | None:
        line = self._line
        if line is not None and line.covers(parcel) and self._stands(line):
            return line
        self._release()
        try:
            self._line = self._chief.open(self)
        except (ScuError, UserError) as error:
            self._chief.unreachable(self, error)
        except StorageError as error:  # the database does not say where the peer is
            _log.warning("delivery.peer_unread", error=str(error))
            self._chief.pause(1.0)
        self._used_at = clock.monotonic()
        return self._line

    def _stands(self, line: Line) -> bool:
        """Tell whether it still leads where it should, as it should, and has not ended meanwhile."""
        if (line.peer, line.preferred) != (self._chief.peer, self._chief.preferred):
            return False
        return (not line.torn and self.idle_for < _FRESH) or line.usable

    def _release(self) -> None:
        if self._line is not None:
            self._line.release()
            self._line = None
