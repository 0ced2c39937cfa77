"""An instance made ready to leave: its context chosen, read, proven, transcoded where it must be, in PDUs."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import structlog

from node.services.retrieve import AHEAD_MAX, Retrieve
from scu.store import Outgoing, request_for
from scu.transcode import TARGETS, CannotTranscode, possible, transcoded
from scu.wire.channel import Channel, Context
from scu.wire.command import Command
from scu.wire.link import Buffer
from storage.errors import StorageError
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
    """

    message_id: int
    context: Context
    command: Command
    outgoing: Outgoing
    pdus: list[Buffer] | None = None


class Unfit(Exception):
    """The instance cannot be sent to this receiver. The message says why."""


@dataclass(frozen=True, slots=True)
class Loader:
    """Makes instances ready for one association.

    Attributes
    ----------
    next_id
        Gives a Message ID that is not in use on it.
    priority, originator
        As in `scu.store.send`.
    """

    retrieve: Retrieve
    channel: Channel
    contexts: Contexts
    next_id: Callable[[], int]
    priority: int = 0
    originator: tuple[str, int] | None = None

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
            else:
                outgoing = transcoded(self.retrieve.outgoing(instance), context.transfer_syntax)
            return self._encode(context, outgoing)
        except (StorageError, CannotTranscode) as error:
            raise Unfit(in_words(error)) from error
        except Exception as error:
            # Whatever a strange data set brings about: it fails alone.
            _log.exception("instance.unfit", sop_instance_uid=instance.sop_instance_uid)
            raise Unfit(in_words(error)) from error

    def _choose(self, instance: StoredInstance) -> Context:
        stored = instance.transfer_syntax_uid
        for syntax in (stored, *TARGETS):
            context = self.contexts.get((instance.sop_class_uid, syntax))
            if context is not None and possible(stored, syntax):
                return context
        raise Unfit("the receiver accepted no transfer syntax that it can be sent in")

    def _encode(self, context: Context, outgoing: Outgoing) -> Loaded:
        message_id = self.next_id()
        command = request_for(outgoing, message_id, priority=self.priority, originator=self.originator)
        pdus = None
        if outgoing.size <= AHEAD_MAX:
            pieces = list(outgoing.chunks())
            data = pieces[0] if len(pieces) == 1 else b"".join(pieces)
            pdus = self.channel.encode(context, command, data)
        return Loaded(message_id, context, command, outgoing, pdus)


def in_words(error: Exception) -> str:
    """Return why an instance failed, for a log and an Error Comment."""
    return str(error) if isinstance(error, StorageError | CannotTranscode) else type(error).__name__
