"""A peer that asks, by hand: its keys go over the wire as they are, and the answers come back so."""

from scu.wire.command import (
    AFFECTED_SOP_CLASS_UID,
    MESSAGE_ID,
    PRIORITY,
    RESPONDED_TO,
    Command,
    CommandField,
)
from tests.support.caller import STUDY_FIND, call, context_of, echo

_LONGEST = 1 << 20


def find(port: int, keys: bytes, cancel_after: int = 0) -> tuple[list[bytes], Command]:
    """C-FIND in Study Root and Implicit VR; return the answers and the final response.

    Parameters
    ----------
    cancel_after
        Answers after which to send C-CANCEL.
    """
    found: list[bytes] = []
    with call(port, timeout=60) as channel:
        context = context_of(channel, STUDY_FIND)
        command = Command.of(CommandField.C_FIND_RQ).us(MESSAGE_ID, 5).us(PRIORITY, 0)
        channel.send(context, command.uid(AFFECTED_SOP_CLASS_UID, STUDY_FIND), keys)
        while (answer := channel.receive().command).status in (0xFF00, 0xFF01):
            found.append(channel.read_dataset(_LONGEST))
            if len(found) == cancel_after:
                channel.send(context, Command.of(CommandField.C_CANCEL_RQ).us(RESPONDED_TO, 5))
        assert echo(channel, 6) == 0
    return found, answer
