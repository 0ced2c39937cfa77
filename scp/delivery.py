"""Instances to a receiver over an association that stands, as many at once as it takes.

The receiver never waits for us: while it works on one instance, the next are made ready to their last PDU,
and one leaves at once when an answer is there. More than one is on its way only where the receiver has agreed
to that (PS3.7 D.3.3.3).
"""

import time
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from math import inf

from node.delivery.ahead import Ahead
from node.delivery.loading import Loaded, Loader, Unfit, in_words
from scp.suboperations import Suboperations
from scu.store import wait_for_any
from scu.transcode import CannotTranscode
from scu.wire.channel import Channel
from scu.wire.errors import WireError
from scu.wire.link import Buffer
from storage.errors import StorageError
from storage.records.objects import StoredInstance

TELL_SECONDS = 0.05
"""Between two pending responses; they are optional, and the last response counts all (PS3.4 C.4.2.3)."""

HEARTBEAT_SECONDS = 4.0
"""Between two pending responses while one large instance is on its way."""


class Lost(Exception):
    """The association to the receiver is over; its cause is the `WireError`, or what tore a message."""


class _AskerLost(Exception):
    """The association of the peer that asked is over, not that to the receiver."""

    def __init__(self, cause: WireError) -> None:
        super().__init__(str(cause))
        self.cause = cause


@dataclass(slots=True)
class Delivery:
    """One association's share of a retrieval.

    Attributes
    ----------
    left
        Instances that have not been sent, in order; each is taken away as it is.
    to_asker
        The receiver is the peer that asked: responses to it must not stand within an instance.
    answered
        Whether the receiver has answered at least once.
    """

    counted: Suboperations
    channel: Channel
    loader: Loader
    left: deque[StoredInstance]
    to_asker: bool = False
    answered: bool = False
    _under_way: dict[int, str] = field(default_factory=dict)  # Message ID to SOP Instance UID
    _untold: bool = False
    _told_at: float = -inf

    def run(self) -> bool:
        """Send until nothing is left, or the peer cancels; return whether it did.

        Raises
        ------
        Lost
            The association to the receiver broke. Instances on their way have been counted as failed.
        WireError
            The association of the peer that asked broke.
        """
        try:
            with Ahead(self.loader, self.left) as ahead:
                while self.left:
                    if self.counted.cancelled():
                        self._collect(0)
                        return True
                    loaded = ahead.take()
                    self._deliver(self.left.popleft().sop_instance_uid, loaded)
                    ahead.prepare()
                    self._collect(self.channel.window - 1)
                self._collect(0)
        except _AskerLost as error:
            raise error.cause from None
        return False

    def _deliver(self, uid: str, loaded: Loaded | Unfit) -> None:
        self._untold = self._untold or isinstance(loaded, Unfit)
        if isinstance(loaded, Unfit):
            self.counted.fail(uid, str(loaded))
            return
        self._under_way[loaded.message_id] = uid
        try:
            self._transmit(loaded)
        except WireError as error:
            raise self._lost(error) from error
        except (StorageError, CannotTranscode, ValueError) as error:
            del self._under_way[loaded.message_id]
            self.counted.fail(uid, in_words(error))
            self._untold = True
            if self.channel.torn:  # the receiver has half of it, and can only be told by an abort
                raise self._lost(error) from error

    def _collect(self, at_most: int) -> None:
        """Wait for answers until at most so many instances are under way."""
        while len(self._under_way) > at_most:
            try:
                message_id, result = wait_for_any(self.channel, self._under_way)
            except WireError as error:
                raise self._lost(error) from error
            self.answered = True
            self.counted.note(self._under_way.pop(message_id), result)
            self._untold = True

    def _lost(self, error: Exception) -> Lost:
        """Count what was on its way as failed; return what to raise."""
        for uid in self._under_way.values():
            self.counted.fail(uid, f"the association broke: {error}")
        self._under_way.clear()
        return Lost()

    def _transmit(self, loaded: Loaded) -> None:
        told: list[Buffer] = []
        if self.to_asker and self._is_due():
            told = self.counted.encode_pending()
            self._note_told()
        if loaded.pdus is not None:
            self.channel.link.send(told + loaded.pdus)
        else:
            if told:
                self.channel.link.send(told)
            self._stream(loaded)
        self._tell()  # only now: the receiver has something to do

    def _stream(self, loaded: Loaded) -> None:
        outgoing = loaded.outgoing
        chunks = outgoing.chunks() if self.to_asker else self._with_heartbeat(outgoing.chunks())
        self.channel.send_streamed(loaded.context, loaded.command, chunks, outgoing.size)

    def _with_heartbeat(self, chunks: Iterator[Buffer]) -> Iterator[Buffer]:
        told = time.monotonic()
        for piece in chunks:
            yield piece
            if time.monotonic() - told >= HEARTBEAT_SECONDS:
                self._untold = True
                self._tell()
                told = time.monotonic()

    def _tell(self) -> None:
        """Tell the peer that asked how far it is, unless it knows or was told a moment ago."""
        if not self._is_due():
            return
        self._note_told()
        try:
            self.counted.pending()
        except WireError as error:
            raise _AskerLost(error) from error

    def _is_due(self) -> bool:
        return self._untold and time.monotonic() - self._told_at >= TELL_SECONDS

    def _note_told(self) -> None:
        self._untold, self._told_at = False, time.monotonic()
