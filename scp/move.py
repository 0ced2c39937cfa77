"""C-MOVE: instances to another node that an administrator has named (PS3.4 C.4.2)."""

from collections import deque
from collections.abc import Iterator, Sequence

from node.delivery.loading import Loader
from node.services.calling import associate
from scp import retrieval
from scp.delivery import Delivery, Lost
from scp.retrieval import Refused
from scp.session import Session
from scp.statuses import Status
from scp.suboperations import Suboperations
from scu.association import Association
from scu.contexts import Proposals, for_sending
from scu.errors import CannotConnect, NotAccepted, Rejected, ScuError, TimedOut
from scu.wire.channel import Message
from scu.wire.command import MOVE_DESTINATION, PRIORITY
from storage.records.network import Peer
from storage.records.objects import StoredInstance

WINDOW = 8
"""C-STORE sub-operations that are under way at once, where the destination agrees (PS3.7 D.3.3.3)."""

_WORDS: tuple[tuple[type[ScuError], str], ...] = (
    (CannotConnect, "the destination cannot be reached"),
    (Rejected, "the destination rejected the association"),
    (NotAccepted, "the destination accepted no presentation context"),
    (TimedOut, "the destination did not answer in time"),
)


def serve(session: Session, message: Message) -> None:
    """Send what is asked for to its destination, count it, and say how it went."""
    try:
        asked = retrieval.read_identifier(session, message)
        peer = _destination(session, message)
        instances = retrieval.find(session, asked)
    except Refused as refused:
        retrieval.refuse(session, message, refused)
        return
    counted = Suboperations(session, message, len(instances))
    carrier = _Carrier(session, message, peer, counted)
    try:
        counted.finish(cancelled=carrier.send_all(instances))
        carrier.release()
    finally:
        carrier.abort()  # whatever is still open


def _destination(session: Session, message: Message) -> Peer:
    """Return whom Move Destination (0000,0600) names: a peer, never an address that the caller chose (T15).

    Raises
    ------
    Refused
    """
    ae_title = message.command.string(MOVE_DESTINATION)
    peers = session.node.peers.by_ae(ae_title)
    if not peers:
        session.log.warning("move.destination_unknown", destination=ae_title[:16])
        raise Refused(Status.MOVE_DESTINATION_UNKNOWN, "the move destination is not known here")
    return peers[0]


class _Carrier:
    """Associations with one destination: one at a time, and only as many as it takes."""

    def __init__(self, session: Session, message: Message, peer: Peer, counted: Suboperations) -> None:
        self._session = session
        self._message = message
        self._peer = peer
        self._counted = counted
        self._association: Association | None = None

    def send_all(self, instances: Sequence[StoredInstance]) -> bool:
        """Send everything; return whether the peer cancelled."""
        if instances:
            self._counted.pending()
        for proposals, batch in _batches(instances):
            self.release()
            if self._send(proposals, deque(batch)):
                return True
        return False

    def _send(self, proposals: Proposals, left: deque[StoredInstance]) -> bool:
        """Send what one association can carry; another follows one that broke, if that had come anywhere."""
        while left:
            try:
                self._association = associate(self._peer, self._session.config, proposals, window=WINDOW)
            except ScuError as error:
                self._session.log.warning("move.no_association", error=str(error))
                self._give_up(left, _words(error))
                return False
            delivery = self._delivery(self._association, left)
            try:
                return delivery.run()
            except Lost as lost:
                self._session.log.warning("move.association_lost", error=str(lost.__cause__))
                self.abort()
                self._counted.pending()
                if left and not delivery.answered:
                    self._give_up(left, "the destination ends associations without answering")
        return False

    def _give_up(self, left: deque[StoredInstance], reason: str) -> None:
        self._counted.fail_all([instance.sop_instance_uid for instance in left], reason)
        left.clear()

    def _delivery(self, association: Association, left: deque[StoredInstance]) -> Delivery:
        command = self._message.command
        loader = Loader(
            self._session.node.retrieve,
            association.channel,
            {
                (context.abstract_syntax, context.transfer_syntax): context
                for context in association.channel.contexts.values()
            },
            next_id=association.next_id,
            priority=command.number(PRIORITY),
            originator=(self._session.request.calling_ae, command.message_id),
        )
        return Delivery(self._counted, association.channel, loader, left)

    def release(self) -> None:
        """End the open association in good order."""
        association, self._association = self._association, None
        if association is not None:
            association.release()

    def abort(self) -> None:
        """End the open association at once."""
        association, self._association = self._association, None
        if association is not None:
            association.abort()


def _words(error: ScuError) -> str:
    """Return what the peer that asked is told: not where the destination is."""
    return next((words for kind, words in _WORDS if isinstance(error, kind)), "the destination failed")


def _batches(instances: Sequence[StoredInstance]) -> Iterator[tuple[Proposals, list[StoredInstance]]]:
    """Yield what each association proposes and carries; one is enough for up to some 40 SOP classes."""
    kinds = dict.fromkeys((each.sop_class_uid, each.transfer_syntax_uid) for each in instances)
    for proposals in for_sending(kinds):
        classes = {sop_class for sop_class, _ in proposals}
        yield proposals, [each for each in instances if each.sop_class_uid in classes]
