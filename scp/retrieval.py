"""What C-MOVE and C-GET have in common before the first instance leaves: who asks, and for what."""

from node.services.query import QUERY_RETRIEVE_LEVEL, BadQuery
from scp.contexts import PATIENT_ROOT
from scp.identifier import IDENTIFIER_MAX, Identifier, decode
from scp.session import Session
from scp.statuses import Status
from scu.wire.channel import Message
from scu.wire.command import OFFENDING_ELEMENT, response_to
from storage.errors import StorageError
from storage.records.attributes import Level
from storage.records.objects import StoredInstance


class Refused(Exception):
    """A retrieval that does not begin.

    Attributes
    ----------
    status, comment
        Of its only response.
    tag
        The attribute of the identifier that is to blame, 0 for none.
    """

    def __init__(self, status: Status, comment: str, tag: int = 0) -> None:
        super().__init__(comment)
        self.status = status
        self.comment = comment
        self.tag = tag


def read_identifier(session: Session, message: Message) -> Identifier:
    """Read what is asked for, to its end in any case.

    Raises
    ------
    Refused
        The caller may not ask, or what it asks cannot be understood.
    """
    if not session.may_query:
        session.channel.skip_dataset()
        raise Refused(Status.NOT_AUTHORIZED, "this caller may not retrieve here")
    data = session.channel.read_dataset(IDENTIFIER_MAX)
    try:
        asked = decode(data, message.context.transfer_syntax)
    except BadQuery as error:
        raise Refused(Status.IDENTIFIER_MISMATCH, error.reason, error.tag) from error
    if asked.level is Level.PATIENT and message.context.abstract_syntax not in PATIENT_ROOT:
        # PS3.4 C.6.2.1: the Study Root model begins at the study
        raise Refused(
            Status.IDENTIFIER_MISMATCH, "the Study Root model has no level PATIENT", QUERY_RETRIEVE_LEVEL
        )
    return asked


def find(session: Session, asked: Identifier) -> list[StoredInstance]:
    """Return the instances that are meant.

    Raises
    ------
    Refused
        Keys are missing, or the archive does not answer.
    """
    try:
        return session.node.retrieve.matching(asked.level, asked.keys)
    except BadQuery as error:
        raise Refused(Status.IDENTIFIER_MISMATCH, error.reason, error.tag) from error
    except StorageError as error:
        session.log.error("retrieval.unavailable", error=str(error))
        raise Refused(Status.OUT_OF_RESOURCES_MATCHES, "the archive does not answer") from error


def refuse(session: Session, message: Message, refused: Refused) -> None:
    """Send the only response of a retrieval that does not begin (PS3.4 tables C.4-2 and C.4-3)."""
    session.log.warning("retrieval.refused", status=f"0x{refused.status:04X}", reason=refused.comment)
    response = response_to(message.command, refused.status, refused.comment)
    if refused.tag:
        response.tags(OFFENDING_ELEMENT, [refused.tag])
    session.channel.send(message.context, response)
