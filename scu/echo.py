"""C-ECHO: is there somebody who speaks DICOM and knows us (PS3.4 A, PS3.7 9.1.5)."""

from scu.address import Address
from scu.association import Association
from scu.contexts import VERIFICATION, for_query
from scu.operation import failed, request
from scu.wire.command import CommandField


def echo(association: Association) -> None:
    """Ask once, and return when the answer is success.

    Raises
    ------
    NotAccepted, Failed, PeerFault, TimedOut
    """
    with association.explaining("C-ECHO"):
        context = association.need(VERIFICATION)
        message_id = association.next_id()
        association.channel.send(context, request(CommandField.C_ECHO_RQ, message_id, VERIFICATION))
        answer = association.channel.answer(CommandField.C_ECHO_RSP, message_id).command
    if answer.status != 0x0000:
        raise failed(association.address, answer)


def verify(
    address: Address, calling_ae: str, *, connect_timeout: float = 10.0, response_timeout: float = 10.0
) -> str:
    """Open an association for one C-ECHO. Returns the implementation version name of the other node.

    Raises
    ------
    ScuError
    """
    with Association.open(
        address,
        calling_ae,
        for_query(VERIFICATION),
        connect_timeout=connect_timeout,
        response_timeout=response_timeout,
    ) as association:
        echo(association)
        return association.answer.implementation
