"""Storage commitment: does a node that took instances answer for keeping them (PS3.4 J, Push Model).

The answer to N-ACTION is a receipt only. The verdict comes as N-EVENT-REPORT: over the same association, at
once or after a while, or over one that the other node opens (see `serve`, which is for both).

Example
-------
>>> with Association.open(address, "ISOCENTRE", for_query(COMMITMENT)) as association:  # doctest: +SKIP
...     requests = Requests(association, record)
...     requests.ask("2.25.1234", [Reference("1.2.840.10008.5.1.4.1.1.2", "1.2.3")])
...     requests.wait(10.0)
"""

import contextlib
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from pydicom.dataset import Dataset

from scu import identifiers
from scu.association import Association
from scu.operation import category_of, failed
from scu.statuses import Category
from scu.wire.channel import Channel, Message
from scu.wire.command import (
    ACTION_TYPE_ID,
    MESSAGE_ID,
    REQUESTED_SOP_CLASS_UID,
    REQUESTED_SOP_INSTANCE_UID,
    Command,
    CommandField,
    response_to,
)
from scu.wire.errors import ProtocolError, ReleaseRequested, WireError

COMMITMENT = "1.2.840.10008.1.20.1"
"""Storage Commitment Push Model SOP class."""
INSTANCE = "1.2.840.10008.1.20.1.1"
"""Its one instance, which has this UID everywhere (PS3.4 J.3.5)."""

REQUEST = 1
"""Action Type ID of a request (PS3.4 table J.3-1)."""
ALL, NOT_ALL = 1, 2
"""Event Type IDs: everything is committed; failures exist (PS3.4 table J.3-3)."""

SUCCESS, PROCESSING_FAILURE = 0x0000, 0x0110
NO_SUCH_INSTANCE, NO_SUCH_EVENT, INVALID_VALUE = 0x0112, 0x0113, 0x0115
"""Statuses of the answer to a report (PS3.7 10.1.1.1.8)."""

REPORT_MAX = 4 * 1024 * 1024
"""Bytes of the longest report taken."""

_REASONS = {  # PS3.3 C.14.1.1
    0x0110: "it failed to process it",
    0x0112: "it does not have the instance",
    0x0119: "it has the instance as one of another SOP class",
    0x0122: "it does not commit itself to this SOP class",
    0x0131: "it takes the request for one that it had before",
    0x0213: "its resources are limited",
}
_MISSING = 0x0000  # no Failure Reason, which must be there
_LINGER = 1.0  # seconds for the other node to close first
_LOOK = 0.5  # seconds between two looks at whether to go on waiting


@dataclass(frozen=True, slots=True)
class Reference:
    """An instance that the other node is to answer for."""

    sop_class_uid: str
    sop_instance_uid: str


@dataclass(frozen=True, slots=True)
class Report:
    """What the other node says.

    Attributes
    ----------
    committed
        SOP Instance UIDs that it keeps; None: all that were asked for, and it names none.
    failed
        SOP Instance UID to Failure Reason (0008,1197), 0 where it gives none.
    """

    transaction_uid: str
    committed: frozenset[str] | None
    failed: Mapping[str, int]


Taken = Callable[[Report], int]
"""Records a report and returns the status of the answer."""


class BadReport(Exception):
    """It cannot be read; `status` is for the answer."""

    def __init__(self, status: int, words: str) -> None:
        super().__init__(words)
        self.status = status


def reason(code: int) -> str:
    """Return a Failure Reason in words."""
    if code == _MISSING:
        return "it gives no reason"
    return f"{_REASONS.get(code, 'for a reason that is not in the Standard')} (0x{code:04X})"


class Requests:
    """Requests over one association, one after the other, and the reports that come on it.

    Parameters
    ----------
    taken
        Called with each report before it is answered.

    Raises
    ------
    NotAccepted
        The other node does not offer storage commitment.
    """

    def __init__(self, association: Association, taken: Taken) -> None:
        self._association = association
        self._context = association.need(COMMITMENT)
        self._taken = taken
        self._open: set[str] = set()

    def ask(self, transaction_uid: str, references: Sequence[Reference]) -> None:
        """Request commitment, and return when the other node has received the request.

        Parameters
        ----------
        transaction_uid
            Never used before; the report will name it.

        Raises
        ------
        Failed, PeerFault, TimedOut
            After the latter two it is not known whether it was received.
        """
        channel, message_id = self._association.channel, self._association.next_id()
        command = Command.of(CommandField.N_ACTION_RQ).us(MESSAGE_ID, message_id).us(ACTION_TYPE_ID, REQUEST)
        command.uid(REQUESTED_SOP_CLASS_UID, COMMITMENT).uid(REQUESTED_SOP_INSTANCE_UID, INSTANCE)
        data = identifiers.encode(_action(transaction_uid, references), self._context.transfer_syntax)
        self._open.add(transaction_uid)
        with self._association.explaining("N-ACTION"):
            channel.send(self._context, command, data)
            answer = self._receipt(message_id)
        if category_of(answer) not in (Category.SUCCESS, Category.WARNING):
            self._open.discard(transaction_uid)
            raise failed(self._association.address, answer)

    def wait(self, seconds: float, check: Callable[[], None] = lambda: None) -> bool:
        """Wait for the reports that are due; return whether all have come.

        The other node may end the association meanwhile: it can report over another one.

        Parameters
        ----------
        check
            Called twice a second; what it raises ends the waiting.
        """
        channel, deadline = self._association.channel, time.monotonic() + seconds
        try:
            while self._open:
                check()
                left = deadline - time.monotonic()
                if left <= 0:
                    return False
                if channel.comes(min(left, _LOOK)):
                    self._report(channel.receive())
        except ReleaseRequested:
            with contextlib.suppress(WireError):
                channel.answer_release()
                channel.link.linger(_LINGER)
            channel.link.close()
        except WireError:
            self._association.abort()
        return not self._open

    def _receipt(self, message_id: int) -> Command:
        channel = self._association.channel
        while True:
            message = channel.receive()
            command = message.command
            if command.field == CommandField.N_ACTION_RSP and command.responded_to == message_id:
                channel.skip_dataset()
                return command
            self._report(message)  # it may come first: nothing orders the two

    def _report(self, message: Message) -> None:
        if message.command.field != CommandField.N_EVENT_REPORT_RQ:
            field = message.command.field
            raise ProtocolError(f"command 0x{field:04X} came where a report may come", reason=2)
        report = serve(self._association.channel, message, self._taken)
        if report is not None:
            self._open.discard(report.transaction_uid)


def _action(transaction_uid: str, references: Sequence[Reference]) -> Dataset:
    """Return the Action Information (PS3.4 table J.3-2)."""
    action = Dataset()
    action.TransactionUID = transaction_uid
    items = []
    for reference in references:
        item = Dataset()
        item.ReferencedSOPClassUID = reference.sop_class_uid
        item.ReferencedSOPInstanceUID = reference.sop_instance_uid
        items.append(item)
    action.ReferencedSOPSequence = items
    return action


def serve(channel: Channel, message: Message, taken: Taken) -> Report | None:
    """Answer one N-EVENT-REPORT-RQ, after `taken` has recorded what it says.

    Returns
    -------
    Report or None
        None when it could not be read, and was answered with why.

    Raises
    ------
    WireError
    """
    data = channel.read_dataset(REPORT_MAX)
    try:
        report = parse(message.command.event_type_id, data, message.context.transfer_syntax)
    except BadReport as error:
        channel.send(message.context, response_to(message.command, error.status, str(error)))
        return None
    status = taken(report)
    words = "no such transaction here" if status == NO_SUCH_INSTANCE else ""
    channel.send(message.context, response_to(message.command, status, words))
    return report


def parse(event_type: int, data: bytes, transfer_syntax: str) -> Report:
    """Read the Event Information (PS3.4 table J.3-4).

    Where a report of failures names an instance as committed and as failed, it has failed. The Event Type ID
    tells nothing that the lists do not, but for a report of success that has none.

    Raises
    ------
    BadReport
    """
    if event_type not in (ALL, NOT_ALL):
        raise BadReport(NO_SUCH_EVENT, "event types are 1 and 2")
    try:
        event = identifiers.decode(data, transfer_syntax)
        transaction_uid = str(event.get("TransactionUID") or "")
        failures = _named(event, "FailedSOPSequence")
        successes = _named(event, "ReferencedSOPSequence")
        named = "ReferencedSOPSequence" in event
    except Exception as error:  # pydicom raises whatever its parts do
        raise BadReport(INVALID_VALUE, f"the report cannot be read: {type(error).__name__}") from error
    if not transaction_uid:
        raise BadReport(INVALID_VALUE, "a report needs a Transaction UID")
    everything = event_type == ALL and not named and not failures
    committed = None if everything else frozenset(successes.keys() - failures.keys())
    return Report(transaction_uid, committed, failures)


def _named(event: Dataset, keyword: str) -> dict[str, int]:
    """Return SOP Instance UID to Failure Reason of each item; items without a UID name nothing."""
    found = {}
    for item in event.get(keyword) or ():
        uid = str(item.get("ReferencedSOPInstanceUID") or "")
        if uid:
            found[uid] = int(item.get("FailureReason") or _MISSING)
    return found
