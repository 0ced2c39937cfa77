"""C-ECHO: the peer asks whether we are there (PS3.7 9.1.5)."""

from scp.session import Session
from scp.statuses import Status
from scu.wire.channel import Message


def serve(session: Session, message: Message) -> None:
    """Answer 0x0000."""
    session.reply(message, Status.SUCCESS)
