"""C-STORE: bytes and origin to the one way in, its outcome to a status (PS3.4 B.2.3)."""

from node.services.ingest import Claim, Outcome, Refusal
from scp.session import Session
from scp.statuses import Status
from scu.wire.channel import Message
from scu.wire.errors import WireError

_STATUS = {
    None: Status.SUCCESS,
    Refusal.OUT_OF_SPACE: Status.OUT_OF_RESOURCES,
    Refusal.TOO_LARGE: Status.OUT_OF_RESOURCES,
    Refusal.MISMATCH: Status.DATA_SET_MISMATCH,
    Refusal.CANNOT_UNDERSTAND: Status.CANNOT_UNDERSTAND,
    Refusal.FAILURE: Status.PROCESSING_FAILURE,
}


def serve(session: Session, message: Message) -> None:
    """Keep one instance; 0x0000 is sent only once it is durable. The index may lag (`scp.dispatch`)."""
    command, context = message.command, message.context
    if not session.may_store:
        session.log.warning("store.not_authorized", known=session.peer is not None)
        session.channel.skip_dataset()
        session.reply(message, Status.NOT_AUTHORIZED, "this caller may not store here")
        return
    claim = Claim(command.affected_sop_class_uid, command.affected_sop_instance_uid, context.transfer_syntax)
    reception = session.node.ingest.receive(claim, session.origin)
    try:
        for fragments in session.channel.dataset():
            reception.write(fragments)
    except WireError:
        reception.abandon()
        raise
    outcome = reception.finish()
    if outcome.refusal is not None:
        _log(session, outcome, claim)
    session.reply(message, _STATUS[outcome.refusal], outcome.reason if outcome.refusal else "")


def _log(session: Session, outcome: Outcome, claim: Claim) -> None:
    session.log.warning(
        "store.refused",
        refusal=str(outcome.refusal),
        reason=outcome.reason,
        sop_class_uid=claim.sop_class_uid[:64],
        sop_instance_uid=claim.sop_instance_uid[:64],
        transfer_syntax_uid=claim.transfer_syntax_uid,
    )
