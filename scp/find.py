"""C-FIND: keys to a query, answers to responses, several of them to one write (PS3.4 C.4.1)."""

from contextlib import closing

from node.services.query import BadQuery, Found
from scp.answers import answers_to
from scp.contexts import PATIENT_ROOT
from scp.identifier import IDENTIFIER_MAX, Identifier, decode
from scp.session import Session
from scp.statuses import Status
from scu.wire.channel import Message
from scu.wire.command import OFFENDING_ELEMENT, response_to
from storage.errors import StorageError


def serve(session: Session, message: Message) -> None:
    """Answer a query: a pending response for each match, then how it ended (PS3.4 table C.4-1)."""
    if not session.may_query:
        session.log.warning("query.not_authorized", known=session.peer is not None)
        session.channel.skip_dataset()
        session.reply(message, Status.NOT_AUTHORIZED, "this caller may not query here")
        return
    try:
        data = session.channel.read_dataset(IDENTIFIER_MAX)
        identifier = decode(data, message.context.transfer_syntax)
        with closing(_find(session, message, identifier)) as found:
            status, sent = _send(session, message, identifier, found)
    except BadQuery as error:
        refuse(session, message, error)
    except StorageError as error:
        session.log.error("find.failed", error=type(error).__name__)
        session.reply(message, Status.UNABLE_TO_PROCESS, "the archive does not answer")
    else:
        session.log.info(
            "find.answered", query_level=str(identifier.level), answers=sent, status=f"0x{status:04X}"
        )
        full = f"only the first {sent} matches are given; ask more narrowly"
        session.reply(message, status, full if status is Status.OUT_OF_RESOURCES else "")


def refuse(session: Session, message: Message, error: BadQuery) -> None:
    """Answer that the identifier is at fault, and which attribute of it (PS3.7 C.4.2)."""
    response = response_to(message.command, Status.IDENTIFIER_MISMATCH, error.reason)
    if error.tag:
        response.tags(OFFENDING_ELEMENT, [error.tag])
    session.log.warning("query.refused", tag=f"{error.tag:08X}", reason=error.reason)
    session.channel.send(message.context, response)


def _find(session: Session, message: Message, identifier: Identifier) -> Found:
    sop_class, ceiling = message.context.abstract_syntax, session.config.max_answers
    extended = session.request.extended.get(sop_class, b"")
    return session.node.query.find(
        identifier.level,
        identifier.keys,
        [each.keyword for each in identifier.wanted if each.keyword],
        patient_root=sop_class in PATIENT_ROOT,
        limit=ceiling + 1 if ceiling else None,
        combined=extended[1:2] != b"\0",  # PS3.4 C.5.1.1.1: date and time each on its own, if so asked
    )


def _send(session: Session, message: Message, identifier: Identifier, found: Found) -> tuple[Status, int]:
    """Send the answers up to the ceiling; return the final status and how many were sent."""
    channel, context, ceiling = session.channel, message.context, session.config.max_answers
    answers = answers_to(identifier, context.transfer_syntax, session.config.ae_title)
    pending = Status.PENDING_SOME_KEYS_NOT_SUPPORTED if identifier.unmatched else Status.PENDING
    response = response_to(message.command, pending)
    sent = 0
    for batch in found:  # each is one write; between two writes a cancel is looked for
        given = batch[: ceiling - sent] if ceiling else batch
        datasets = [answers.encode(answer) for answer in given]
        if channel.cancelled(message.command.message_id):  # PS3.4 C.4.1.3.2
            return Status.CANCEL, sent
        if datasets:
            channel.write(channel.encode_all(context, response, datasets))
            sent += len(datasets)
        if len(given) < len(batch):
            return Status.OUT_OF_RESOURCES, sent
    return (Status.CANCEL if channel.cancelled(message.command.message_id) else Status.SUCCESS), sent
