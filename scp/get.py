"""C-GET: instances to the peer that asks, over its own association (PS3.4 C.4.3)."""

from collections import deque
from itertools import count

from node.delivery.loading import Contexts, Loader
from scp import retrieval
from scp.delivery import Delivery, Lost
from scp.retrieval import Refused
from scp.session import Session
from scp.suboperations import Suboperations
from scu.wire.channel import Message
from scu.wire.command import PRIORITY
from scu.wire.errors import LinkClosed, WireError


def serve(session: Session, message: Message) -> None:
    """Send what is asked for, count it, and say how it went."""
    try:
        instances = retrieval.find(session, retrieval.read_identifier(session, message))
    except Refused as refused:
        retrieval.refuse(session, message, refused)
        return
    counted = Suboperations(session, message, len(instances))
    identifiers = count(message.command.message_id)
    loader = Loader(
        session.node.retrieve,
        session.channel,
        _usable(session),
        next_id=lambda: next(identifiers) % 0xFFFF + 1,
        priority=message.command.number(PRIORITY),
    )
    delivery = Delivery(counted, session.channel, loader, deque(instances), to_asker=True)
    try:
        cancelled = delivery.run()
    except Lost as lost:
        if isinstance(lost.__cause__, WireError):
            raise lost.__cause__ from None
        raise LinkClosed("an instance that is damaged broke off half-way") from lost
    counted.finish(cancelled=cancelled)


def _usable(session: Session) -> Contexts:
    """Return the contexts in which the peer takes instances: those for which it is SCP (PS3.7 D.3.3.4)."""
    return {
        (context.abstract_syntax, context.transfer_syntax): context
        for context in session.channel.contexts.values()
        if session.roles.get(context.abstract_syntax, (True, False))[1]
    }
