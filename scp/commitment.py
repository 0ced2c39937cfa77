"""N-EVENT-REPORT: a peer says over an association of its own what it keeps (PS3.4 J.3.3, PS3.7 10.1.1).

The peer is SCP of the class then, though it is the one that calls: it proposes that role (PS3.7 D.3.3.4). One
that forgets to is served all the same.
"""

from node.services.commitment import take
from scp.session import Session
from scp.statuses import Status
from scu import commitment
from scu.wire.channel import Message


def serve(session: Session, message: Message) -> None:
    """Record a report, and answer once it is durable."""
    peer = session.peer
    if peer is None:
        session.log.warning("commitment.not_authorized")
        session.channel.skip_dataset()
        session.reply(message, Status.NOT_AUTHORIZED, "only known nodes may report here")
        return
    archive = session.node.archive
    commitment.serve(session.channel, message, lambda report: take(archive, report, peer.name))
