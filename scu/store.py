"""C-STORE towards another node: one instance, streamed from where it is kept (PS3.4 B, PS3.7 9.1.1)."""

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass

from scu.statuses import Category, Meaning, meaning
from scu.wire.channel import Channel, Context
from scu.wire.command import (
    AFFECTED_SOP_CLASS_UID,
    AFFECTED_SOP_INSTANCE_UID,
    ERROR_COMMENT,
    MESSAGE_ID,
    MOVE_ORIGINATOR_AE,
    MOVE_ORIGINATOR_MESSAGE_ID,
    PRIORITY,
    Command,
    CommandField,
)
from scu.wire.link import Buffer


@dataclass(frozen=True, slots=True)
class Outgoing:
    """An instance to send: its data set, without preamble and File Meta Information.

    Attributes
    ----------
    size
        Bytes of the data set.
    chunks
        Opens the data set anew and yields its `size` bytes in pieces. A piece must keep its content until
        the iteration is over or closed: up to about 1 MiB of them wait for one write. What the iterator
        raises comes out of `send`; `Channel.torn` then says whether the association is still good.
    """

    sop_class_uid: str
    sop_instance_uid: str
    transfer_syntax_uid: str
    size: int
    chunks: Callable[[], Iterator[Buffer]]


@dataclass(frozen=True, slots=True)
class StoreResult:
    """What the receiver answered: Status (PS3.4 table B.2-1) and its Error Comment."""

    status: int
    comment: str = ""

    @property
    def meaning(self) -> Meaning:
        """What that says, and whether sending again can help."""
        return meaning(CommandField.C_STORE_RSP, self.status)

    @property
    def stored(self) -> bool:
        """Whether the receiver has the instance: success, or a warning."""
        return self.meaning.category in (Category.SUCCESS, Category.WARNING)

    @property
    def warning(self) -> bool:
        """Whether the receiver has it, with a reservation."""
        return self.meaning.category is Category.WARNING


def send(
    channel: Channel,
    context: Context,
    outgoing: Outgoing,
    message_id: int,
    *,
    priority: int = 0,
    originator: tuple[str, int] | None = None,
) -> StoreResult:
    """Send one instance and wait for the answer to it.

    Who has something to do while the other node works sends `request_for` and the data set by the channel,
    and then calls `wait_for_result`.

    Parameters
    ----------
    context
        Accepted presentation context; its transfer syntax must be the one of `outgoing`.
    message_id
        1 to 65535, not in use on this association.
    priority
        0 medium, 1 high, 2 low (PS3.7 9.1.1.1.4).
    originator
        AE title and Message ID of the C-MOVE that this is a part of (PS3.7 9.1.1.1.5).

    Raises
    ------
    WireError
        The association broke.
    """
    command = request_for(outgoing, message_id, priority=priority, originator=originator)
    chunks = outgoing.chunks()
    try:
        channel.send_streamed(context, command, chunks, outgoing.size)
    finally:
        close = getattr(chunks, "close", None)  # a generator holds a file open until then
        if close is not None:
            close()
    return wait_for_result(channel, message_id)


def request_for(
    outgoing: Outgoing, message_id: int, *, priority: int = 0, originator: tuple[str, int] | None = None
) -> Command:
    """Return the C-STORE-RQ; the parameters are those of `send`."""
    command = Command.of(CommandField.C_STORE_RQ).us(MESSAGE_ID, message_id).us(PRIORITY, priority)
    command.uid(AFFECTED_SOP_CLASS_UID, outgoing.sop_class_uid)
    command.uid(AFFECTED_SOP_INSTANCE_UID, outgoing.sop_instance_uid)
    if originator is not None:
        command.text(MOVE_ORIGINATOR_AE, originator[0]).us(MOVE_ORIGINATOR_MESSAGE_ID, originator[1])
    return command


def wait_for_result(channel: Channel, message_id: int) -> StoreResult:
    """Wait for the answer to the C-STORE-RQ of that number, however it was sent."""
    return wait_for_any(channel, (message_id,))[1]


def wait_for_any(channel: Channel, message_ids: Collection[int]) -> tuple[int, StoreResult]:
    """Wait for the answer to one of several C-STORE-RQs that are under way; return which, and it."""
    answer = channel.answer_to_any(CommandField.C_STORE_RSP, message_ids).command
    return answer.responded_to, StoreResult(answer.status, answer.string(ERROR_COMMENT))
