"""What C-MOVE and C-GET have in common before the first instance leaves: who asks, and for what."""

from node.services.query import BadQuery
from scp import identifier
from scp.contexts import PATIENT_ROOT
from scp.session import Session
from scp.statuses import Status
from scu.wire.channel import Message
from storage.errors import StorageError
from storage.records.attributes import Level
from storage.records.objects import StoredInstance

IDENTIFIER_MAX = 4 << 20
"""Bytes of the longest identifier: a list of some 60,000 UIDs."""


class Refused(Exception):
    """A retrieval that does not begin.

    Attributes
    ----------
    status, comment
        Of its only response.
    """

    def __init__(self, status: Status, comment: str) -> None:
        super().__init__(comment)
        self.status = status
        self.comment = comment


def read_identifier(session: Session, message: Message) -> identifier.Identifier:
    """Read what is asked for, to its end in any case.

    Raises
    ------
    Refused
        The caller may not ask, or what it asks cannot be understood.
    """
    data = session.channel.read_dataset(IDENTIFIER_MAX)
    if not session.may_query:
        raise Refused(Status.NOT_AUTHORIZED, "this caller may not retrieve here")
    try:
        asked = identifier.decode(data, message.context.transfer_syntax)
    except BadQuery as error:
        raise Refused(Status.IDENTIFIER_MISMATCH, error.reason) from error
    if asked.level is Level.PATIENT and message.context.abstract_syntax not in PATIENT_ROOT:
        # PS3.4 C.6.2.1: the Study Root model begins at the study
        raise Refused(Status.IDENTIFIER_MISMATCH, "the Study Root model has no level PATIENT")
    return asked


def find(session: Session, asked: identifier.Identifier) -> list[StoredInstance]:
    """Return the instances that are meant.

    Raises
    ------
    Refused
        Keys are missing, or the archive does not answer.
    """
    try:
        return session.node.retrieve.matching(asked.level, asked.keys)
    except BadQuery as error:
        raise Refused(Status.IDENTIFIER_MISMATCH, error.reason) from error
    except StorageError as error:
        session.log.error("retrieval.unavailable", error=str(error))
        raise Refused(Status.OUT_OF_RESOURCES_MATCHES, "the archive does not answer") from error
