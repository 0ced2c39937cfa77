"""Instances to a receiver over an association that stands, one C-STORE after the other.

The receiver never waits for us: while it works on one instance, the next is made ready to its last PDU, and
leaves at once when the answer is there.
"""

import time
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass

from node.delivery.loading import Loaded, Loader, Unfit, in_words
from scp.suboperations import Suboperations
from scu.store import wait_for_result
from scu.transcode import CannotTranscode
from scu.wire.channel import Channel
from scu.wire.errors import WireError
from scu.wire.link import Buffer
from storage.errors import StorageError
from storage.records.objects import StoredInstance

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
        Instances that have not been decided upon, in order; each is taken away as it is.
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
    _ahead: Loaded | Unfit | None = None
    _untold: bool = False

    def run(self) -> bool:
        """Send until nothing is left, or the peer cancels; return whether it did.

        Raises
        ------
        Lost
            The association to the receiver broke. The instance on its way has been counted as failed.
        WireError
            The association of the peer that asked broke.
        """
        try:
            while self.left:
                if self.counted.cancelled():
                    return True
                loaded = self._ahead or self._load(self.left[0])
                self._ahead = None
                self._deliver(self.left.popleft().sop_instance_uid, loaded)
                self._untold = True
            self._tell()
        except _AskerLost as error:
            raise error.cause from None
        return False

    def _deliver(self, uid: str, loaded: Loaded | Unfit) -> None:
        if isinstance(loaded, Unfit):
            self._tell()
            self.counted.fail(uid, str(loaded))
            return
        try:
            self._transmit(loaded)
            self._ahead = self._load(self.left[0]) if self.left else None
            result = wait_for_result(self.channel, loaded.message_id)
        except WireError as error:
            self.counted.fail(uid, f"the association broke: {error}")
            raise Lost from error
        except (StorageError, CannotTranscode, ValueError) as error:
            self.counted.fail(uid, in_words(error))
            if self.channel.torn:  # the receiver has half of it, and can only be told by an abort
                raise Lost from error
        else:
            self.answered = True
            self.counted.note(uid, result)

    def _load(self, instance: StoredInstance) -> Loaded | Unfit:
        try:
            return self.loader.load(instance)
        except Unfit as problem:
            return problem

    def _transmit(self, loaded: Loaded) -> None:
        told: list[Buffer] = []
        if self.to_asker and self._untold:
            told, self._untold = self.counted.encode_pending(), False
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
        """Tell the peer that asked how far it is, unless it knows."""
        if not self._untold:
            return
        self._untold = False
        try:
            self.counted.pending()
        except WireError as error:
            raise _AskerLost(error) from error
