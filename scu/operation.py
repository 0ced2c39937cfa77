"""What queries and retrievals have in common: requests, cancelling, and the error for a failure."""

from scu.address import Address
from scu.errors import Failed
from scu.statuses import Category, meaning
from scu.wire.channel import Channel, Context
from scu.wire.command import (
    AFFECTED_SOP_CLASS_UID,
    ERROR_COMMENT,
    MESSAGE_ID,
    PRIORITY,
    RESPONDED_TO,
    Command,
    CommandField,
)


def request(field: CommandField, message_id: int, sop_class: str, priority: int | None = None) -> Command:
    """Begin the request `field` about `sop_class`."""
    command = Command.of(field).us(MESSAGE_ID, message_id).uid(AFFECTED_SOP_CLASS_UID, sop_class)
    return command if priority is None else command.us(PRIORITY, priority)


def send_cancel(channel: Channel, context: Context, message_id: int) -> None:
    """Ask for the end of the operation that `message_id` began (PS3.7 9.3.2.3)."""
    channel.send(context, Command.of(CommandField.C_CANCEL_RQ).us(RESPONDED_TO, message_id))


def category_of(answer: Command) -> Category:
    """Return what kind of status `answer` has."""
    return meaning(CommandField(answer.field), answer.status).category


def failed(address: Address, answer: Command) -> Failed:
    """Return the error for a response that is not success."""
    known = meaning(CommandField(answer.field), answer.status)
    comment = answer.string(ERROR_COMMENT)
    service = CommandField(answer.field).name.removesuffix("_RSP").replace("_", "-")
    return Failed(
        f"{address} answered {service}: {known.words} (0x{answer.status:04X})"
        + (f": {comment}" if comment else ""),
        status=answer.status,
        retry=known.retry,
        advice=_ADVICE.get(answer.status, ""),
    )


_ADVICE = {
    0x0122: "Its configuration does not include this service.",
    0x0124: "Have this node's AE title and address allowed there.",
    0xA801: "Have the AE title of the destination, with its address and port, added there.",
}
