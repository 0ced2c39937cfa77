"""Instances to a receiver over an association that stands, one C-STORE after the other.

While the receiver works on one instance, the next is read, proven and, where it must be, transcoded.
"""

import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace

from node.services.retrieve import Retrieve
from scp.suboperations import Suboperations
from scu.store import Outgoing, send
from scu.transcode import TARGETS, CannotTranscode, possible, transcoded
from scu.wire.channel import Channel, Context
from scu.wire.errors import WireError
from scu.wire.link import Buffer
from storage.errors import StorageError
from storage.records.objects import StoredInstance

HEARTBEAT_SECONDS = 4.0
"""Between two pending responses while one large instance is on its way."""

Contexts = Mapping[tuple[str, str], Context]
"""Usable presentation contexts by SOP class and transfer syntax."""


class Lost(Exception):
    """The association to the receiver is over; its cause is the `WireError`, or what tore a message."""


@dataclass(frozen=True, slots=True)
class _Ready:
    instance: StoredInstance
    context: Context | None = None
    outgoing: Outgoing | None = None
    problem: str = ""


@dataclass(slots=True)
class Delivery:
    """One association's share of a retrieval.

    Attributes
    ----------
    left
        Instances that have not been decided upon, in order; each is taken away as it is.
    priority, originator
        As in `scu.store.send`.
    heartbeat
        Tell the peer how far it is while a large instance is on its way. Not over its own association.
    answered
        Whether the receiver has answered at least once.
    """

    retrieve: Retrieve
    counted: Suboperations
    channel: Channel
    contexts: Contexts
    next_id: Callable[[], int]
    left: deque[StoredInstance]
    priority: int = 0
    originator: tuple[str, int] | None = None
    heartbeat: bool = False
    answered: bool = False
    _ahead: _Ready | None = None

    def run(self) -> bool:
        """Send until nothing is left, or the peer cancels; return whether it did.

        Raises
        ------
        Lost
            The association to the receiver broke. The instance on its way has been counted as failed.
        WireError
            The association of the peer that asked broke.
        """
        while self.left:
            if self.counted.cancelled():
                return True
            ready = self._ahead or self._prepare(self.left[0])
            self._ahead = None
            self._send(ready)
            self.counted.pending()
        return False

    def _send(self, ready: _Ready) -> None:
        uid = ready.instance.sop_instance_uid
        self.left.popleft()
        if ready.context is None or ready.outgoing is None:
            self.counted.fail(uid, ready.problem)
            return
        outgoing = self._with_heartbeat(ready.outgoing) if self.heartbeat else ready.outgoing
        try:
            result = send(
                self.channel,
                ready.context,
                outgoing,
                self.next_id(),
                priority=self.priority,
                originator=self.originator,
                meanwhile=self._look_ahead,
            )
        except _PeerLost as error:
            raise error.cause from None
        except WireError as error:
            self.counted.fail(uid, f"the association broke: {error}")
            raise Lost from error
        except (StorageError, CannotTranscode, ValueError) as error:
            self.counted.fail(uid, _words(error))
            if self.channel.torn:  # the receiver has half of it, and can only be told by an abort
                raise Lost from error
        else:
            self.answered = True
            self.counted.note(uid, result)

    def _look_ahead(self) -> None:
        if self.left:
            self._ahead = self._prepare(self.left[0])

    def _prepare(self, instance: StoredInstance) -> _Ready:
        """Choose the context and make the data set ready for it; what prevents that is put into words."""
        context = self._choose(instance)
        if context is None:
            problem = "the receiver accepted no transfer syntax that it can be sent in"
            return _Ready(instance, problem=problem)
        try:
            if context.transfer_syntax == instance.transfer_syntax_uid:
                return _Ready(instance, context, self.retrieve.ahead(instance))
            outgoing = transcoded(self.retrieve.outgoing(instance), context.transfer_syntax)
            return _Ready(instance, context, outgoing)
        except (StorageError, CannotTranscode, MemoryError) as error:
            return _Ready(instance, problem=_words(error))

    def _choose(self, instance: StoredInstance) -> Context | None:
        stored = instance.transfer_syntax_uid
        for syntax in (stored, *TARGETS):
            context = self.contexts.get((instance.sop_class_uid, syntax))
            if context is not None and possible(stored, syntax):
                return context
        return None

    def _with_heartbeat(self, outgoing: Outgoing) -> Outgoing:
        def chunks() -> Iterator[Buffer]:
            told = time.monotonic()
            for piece in outgoing.chunks():
                yield piece
                if time.monotonic() - told >= HEARTBEAT_SECONDS:
                    told = time.monotonic()
                    try:
                        self.counted.pending()
                    except WireError as error:
                        raise _PeerLost(error) from error

        return replace(outgoing, chunks=chunks)


class _PeerLost(Exception):
    """The association of the peer that asked broke while another was being served."""

    def __init__(self, cause: WireError) -> None:
        super().__init__(str(cause))
        self.cause = cause


def _words(error: Exception) -> str:
    if isinstance(error, StorageError | CannotTranscode):
        return str(error)
    return type(error).__name__
