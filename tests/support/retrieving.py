"""A peer that retrieves, by hand: what it asks, and everything that it is answered."""

import struct
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace

from pydicom.dataset import Dataset

from scu.wire.channel import Channel, Context, Message
from scu.wire.command import (
    AFFECTED_SOP_CLASS_UID,
    COMPLETED,
    FAILED,
    MESSAGE_ID,
    MOVE_DESTINATION,
    PRIORITY,
    REMAINING,
    RESPONDED_TO,
    WARNING,
    Command,
    CommandField,
    response_to,
)
from scu.wire.negotiate import Request
from tests.support.caller import Proposals, call, context_of, request, store
from tests.support.samples import CT_CLASS, EXPLICIT, IMPLICIT, encode

STUDY_MOVE = "1.2.840.10008.5.1.4.1.2.2.2"
STUDY_GET = "1.2.840.10008.5.1.4.1.2.2.3"
PATIENT_MOVE = "1.2.840.10008.5.1.4.1.2.1.2"
PATIENT_GET = "1.2.840.10008.5.1.4.1.2.1.3"


def fill(port: int, datasets: Iterable[Dataset], transfer_syntax: str = EXPLICIT) -> None:
    """Store these in a running node."""
    listed = list(datasets)
    classes = dict.fromkeys(str(dataset.SOPClassUID) for dataset in listed)
    with call(port, request([(sop_class, (transfer_syntax,)) for sop_class in classes])) as channel:
        for dataset in listed:
            data = encode(dataset, transfer_syntax)
            assert store(channel, data, dataset.SOPInstanceUID, dataset.SOPClassUID) == (0, "")
        channel.release()


def identifier(level: str = "", **keys: str) -> bytes:
    """An identifier in Implicit VR Little Endian; no level leaves it out."""
    dataset = Dataset()
    if level:
        dataset.QueryRetrieveLevel = level
    for keyword, value in keys.items():
        setattr(dataset, keyword, value.split("\\"))
    return encode(dataset, IMPLICIT)


def receiver(
    proposals: Proposals = ((CT_CLASS, (EXPLICIT,)),), model: str = STUDY_GET, **changes: object
) -> Request:
    """A request to associate for C-GET, as SCP of the storage classes proposed."""
    roles = {sop_class: (False, True) for sop_class, _ in proposals}
    asked = request([(model, (IMPLICIT,)), *proposals])
    return replace(asked, **{"roles": roles, **changes})


@dataclass
class Counts:
    """What one response said."""

    status: int
    remaining: int | None
    completed: int
    failed: int
    warning: int
    comment: str = ""
    failed_uids: list[str] = field(default_factory=list)
    tags: bytes = b""

    @property
    def numbers(self) -> tuple[int | None, int, int, int]:
        """Remaining, completed, failed, warning."""
        return self.remaining, self.completed, self.failed, self.warning


@dataclass
class Retrieved:
    """Everything that came: responses in order, and for C-GET the instances by UID."""

    pending: list[Counts] = field(default_factory=list)
    instances: dict[str, tuple[str, bytes]] = field(default_factory=dict)
    stores: list[Command] = field(default_factory=list)
    final: Counts | None = None

    @property
    def end(self) -> Counts:
        """The final response."""
        assert self.final is not None
        return self.final


Answer = Callable[[int, Message], int]
"""Number of the C-STORE and its message, to the status it is answered with."""


def ask(
    channel: Channel,
    model: str,
    keys: bytes,
    *,
    destination: str = "",
    message_id: int = 7,
    answer: Answer = lambda number, message: 0,
    cancel_after: int = -1,
) -> Retrieved:
    """Send a C-GET, or a C-MOVE where there is a `destination`, and follow it to its end.

    Parameters
    ----------
    cancel_after
        Pending responses after which to send C-CANCEL.
    """
    context = context_of(channel, model)
    field_ = CommandField.C_MOVE_RQ if destination else CommandField.C_GET_RQ
    command = Command.of(field_).us(MESSAGE_ID, message_id).us(PRIORITY, 2).uid(AFFECTED_SOP_CLASS_UID, model)
    if destination:
        command.text(MOVE_DESTINATION, destination)
    channel.send(context, command, keys)
    if cancel_after == 0:
        cancel(channel, context, message_id)
    result = Retrieved()
    while result.final is None:
        message = channel.receive()
        data = b"".join(bytes(part) for parts in channel.dataset() for part in parts)
        if message.command.field == CommandField.C_STORE_RQ:
            uid = message.command.affected_sop_instance_uid
            result.instances[uid] = (message.context.transfer_syntax, data)
            result.stores.append(message.command)
            status = answer(len(result.stores), message)
            channel.send(message.context, response_to(message.command, status))
            continue
        counts = _counts(message.command, data)
        if counts.status != 0xFF00:
            result.final = counts
            break
        result.pending.append(counts)
        if len(result.pending) == cancel_after:
            cancel(channel, context, message_id)
    return result


def cancel(channel: Channel, context: Context, message_id: int) -> None:
    """Send a C-CANCEL-RQ."""
    channel.send(context, Command.of(CommandField.C_CANCEL_RQ).us(RESPONDED_TO, message_id))


def _counts(command: Command, data: bytes) -> Counts:
    uids: list[str] = []
    if data:
        assert data[:4] == b"\x08\x00\x58\x00"
        assert struct.unpack("<L", data[4:8]) == (len(data) - 8,)
        uids = data[8:].decode().strip("\0").split("\\")
    return Counts(
        command.status,
        command.number(REMAINING) if REMAINING in command.elements else None,
        command.number(COMPLETED),
        command.number(FAILED),
        command.number(WARNING),
        command.string(0x0902),
        uids,
        command.elements.get(0x0901, b""),
    )


def uids(datasets: Sequence[Dataset]) -> list[str]:
    """Their SOP Instance UIDs."""
    return [str(dataset.SOPInstanceUID) for dataset in datasets]
