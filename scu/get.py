"""C-GET: have another node send to us, over the same association (PS3.4 C.4.3, PS3.7 9.1.3)."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from pydicom.dataset import Dataset

from scu import identifiers
from scu.association import Association
from scu.operation import request
from scu.retrieval import Progress, Report, Watch
from scu.wire.channel import Context, Message
from scu.wire.command import CommandField, response_to
from scu.wire.errors import ProtocolError

PATIENT_ROOT = "1.2.840.10008.5.1.4.1.2.1.3"
STUDY_ROOT = "1.2.840.10008.5.1.4.1.2.2.3"


@dataclass(frozen=True, slots=True)
class Incoming:
    """An instance that is being sent to us, as its command set names it."""

    sop_class_uid: str
    sop_instance_uid: str
    transfer_syntax_uid: str


Receive = Callable[[Incoming, Context, Iterator[list[memoryview]]], int]
"""Takes an instance: what it is, its context, and its data set as it comes. Returns the status to answer.

The fragments are valid until the next ones are asked for.
"""


def roles(sop_classes: Iterable[str]) -> dict[str, tuple[bool, bool]]:
    """Return the roles to propose, for instances of `sop_classes` to come to us (PS3.4 C.5.3)."""
    return dict.fromkeys(sop_classes, (False, True))


def get(
    association: Association,
    model: str,
    identifier: Dataset,
    receive: Receive,
    *,
    progress: Callable[[Progress], None] | None = None,
    cancel: Callable[[], bool] | None = None,
) -> Report:
    """Ask for instances, hand each to `receive`, and return when the other node says that it was the last.

    Parameters
    ----------
    association
        Opened with `contexts.for_retrieving` and `roles`.
    model
        SOP class of the retrieval: `PATIENT_ROOT`, `STUDY_ROOT`.
    identifier
        Query/Retrieve Level and the unique keys of what is wanted.
    progress
        Called with each count that the other node gives.
    cancel
        Asked at each instance whether to stop.

    Raises
    ------
    NotAccepted, Failed, PeerFault, TimedOut
    """
    context = association.need(model)
    channel = association.channel
    message_id = association.next_id()
    data = identifiers.encode(identifier, context.transfer_syntax)
    watch = Watch(association, context, message_id, progress, cancel)
    with association.explaining("C-GET"):
        channel.send(context, request(CommandField.C_GET_RQ, message_id, model, 0), data)
        while True:
            message = channel.receive()
            command = message.command
            if command.field == CommandField.C_STORE_RQ:
                _take(association, message, receive)
                watch.check_cancel()
                continue
            if command.field != CommandField.C_GET_RSP or command.responded_to != message_id:
                raise ProtocolError(f"0x{command.field:04X} came within a C-GET", reason=2)
            report = watch.follow(command)
            if report is not None:
                return report


def _take(association: Association, message: Message, receive: Receive) -> None:
    channel, command, context = association.channel, message.command, message.context
    incoming = Incoming(
        command.affected_sop_class_uid, command.affected_sop_instance_uid, context.transfer_syntax
    )
    status = receive(incoming, context, channel.dataset())
    channel.skip_dataset()  # what it has left unread
    channel.send(context, response_to(command, status))
