"""An instance made ready to leave: its context chosen, read, proven, transcoded where it must be, in PDUs."""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import structlog

from node.services.retrieve import AHEAD_MAX, Retrieve
from scu.store import Outgoing, request_for
from scu.transcode import TARGETS, CannotTranscode, possible, transcoded
from scu.wire.channel import Channel, Context
from scu.wire.command import Command
from scu.wire.link import Buffer
from storage.errors import Damaged, NotFound, StorageError
from storage.records.objects import StoredInstance

_log = structlog.get_logger()

Contexts = Mapping[tuple[str, str], Context]
"""Usable presentation contexts by SOP class and transfer syntax."""


@dataclass(frozen=True, slots=True)
class Loaded:
    """A C-STORE-RQ that can be sent at once.

    Attributes
    ----------
    pdus
        The whole message, of an instance that is small.
    outgoing
        What is to be streamed behind `command`, of one that is not.
    digest
        SHA-256 of the data set as it goes; empty when that is known only once it has been streamed.
    """

    message_id: int
    context: Context
    command: Command
    outgoing: Outgoing
    digest: str
    pdus: list[Buffer] | None = None


class Unfit(Exception):
    """The instance cannot be sent to this receiver. The message says why.

    Attributes
    ----------
    permanent
        Nothing changes that by itself.
    refused
        The receiver accepted nothing that it could be sent in.
    """

    def __init__(self, message: str, *, permanent: bool = True, refused: bool = False) -> None:
        super().__init__(message)
        self.permanent = permanent
        self.refused = refused


@dataclass(frozen=True, slots=True)
class Loader:
    """Makes instances ready for one association.

    Attributes
    ----------
    next_id
        Gives a Message ID that is not in use on it.
    priority, originator
        As in `scu.store.send`.
    preferred
        Transfer syntaxes that come before the stored one, the best first.
    """

    retrieve: Retrieve
    channel: Channel
    contexts: Contexts
    next_id: Callable[[], int]
    priority: int = 0
    originator: tuple[str, int] | None = None
    preferred: Sequence[str] = ()

    def load(self, instance: StoredInstance) -> Loaded:
        """Make an instance ready; a small one is in memory afterwards.

        Raises
        ------
        Unfit
        """
        context = self._choose(instance)
        try:
            if context.transfer_syntax == instance.transfer_syntax_uid:
                outgoing = self.retrieve.ahead(instance)
                return self._encode(context, outgoing, instance.blob.digest)
            outgoing = transcoded(self.retrieve.outgoing(instance), context.transfer_syntax)
            return self._encode(context, outgoing)
        except (StorageError, CannotTranscode) as error:
            raise unfit(error) from error
        except Exception as error:
            # Whatever a strange data set brings about: it fails alone.
            _log.exception("instance.unfit", sop_instance_uid=instance.sop_instance_uid)
            raise unfit(error) from error

    def _choose(self, instance: StoredInstance) -> Context:
        stored = instance.transfer_syntax_uid
        for syntax in (*self.preferred, stored, *TARGETS):
            context = self.contexts.get((instance.sop_class_uid, syntax))
            if context is not None and possible(stored, syntax):
                return context
        raise Unfit("the receiver accepted no transfer syntax that it can be sent in", refused=True)

    def _encode(self, context: Context, outgoing: Outgoing, digest: str = "") -> Loaded:
        message_id = self.next_id()
        command = request_for(outgoing, message_id, priority=self.priority, originator=self.originator)
        pdus = None
        if outgoing.size <= AHEAD_MAX:
            pieces = list(outgoing.chunks())
            data = pieces[0] if len(pieces) == 1 else b"".join(pieces)
            digest = digest or hashlib.sha256(data).hexdigest()
            pdus = self.channel.encode(context, command, data)
        return Loaded(message_id, context, command, outgoing, digest, pdus)


def unfit(error: Exception) -> Unfit:
    """Return what an error on our side, or in the data set, says of an instance."""
    permanent = isinstance(error, CannotTranscode | Damaged | NotFound)
    return Unfit(in_words(error), permanent=permanent)


def in_words(error: Exception) -> str:
    """Return why an instance failed, for a log and an Error Comment."""
    return str(error) if isinstance(error, StorageError | CannotTranscode) else type(error).__name__
