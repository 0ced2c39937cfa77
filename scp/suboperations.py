"""The C-STORE sub-operations of one C-MOVE or C-GET: the count, and the responses that tell it.

PS3.4 C.4.2.1.6 to C.4.2.1.9 and C.4.3.1.5 to C.4.3.1.8; the two services count alike.
"""

import struct
from collections.abc import Iterable

from scp.session import Session
from scp.statuses import Status
from scu import transcode
from scu.store import StoreResult
from scu.wire.channel import Message
from scu.wire.command import COMPLETED, FAILED, REMAINING, WARNING, Command, response_to
from scu.wire.link import Buffer

_US_MAX = 0xFFFF


class Suboperations:
    """What has become of the instances of one retrieval.

    Attributes
    ----------
    remaining, completed, failed, warning
        Sub-operations (PS3.7 table 9.1-4); the last three have ended.
    failed_uids
        SOP Instance UIDs of those that failed.
    """

    def __init__(self, session: Session, message: Message, count: int) -> None:
        self._session = session
        self._message = message
        self._comment = ""
        self.remaining = count
        self.completed = self.failed = self.warning = 0
        self.failed_uids: list[str] = []

    def note(self, sop_instance_uid: str, result: StoreResult) -> None:
        """Count what the receiver answered."""
        if not result.stored:
            self.fail(sop_instance_uid, f"the receiver answered 0x{result.status:04X}", status=result.status)
            return
        self.remaining -= 1
        if result.warning:
            self.warning += 1
        else:
            self.completed += 1

    def fail(self, sop_instance_uid: str, reason: str, *, status: int | None = None) -> None:
        """Count an instance that was not sent, or not taken, and log why."""
        self.remaining -= 1
        self.failed += 1
        self.failed_uids.append(sop_instance_uid)
        self._comment = reason
        self._session.log.warning(
            "suboperation.failed", sop_instance_uid=sop_instance_uid, reason=reason, status=status
        )

    def fail_all(self, sop_instance_uids: Iterable[str], reason: str) -> None:
        """Count instances that cannot even be tried, in one line of the log."""
        uids = list(sop_instance_uids)
        self.remaining -= len(uids)
        self.failed += len(uids)
        self.failed_uids += uids
        self._comment = reason
        self._session.log.warning("suboperations.failed", count=len(uids), reason=reason)

    def cancelled(self) -> bool:
        """Tell whether the peer wants no more; does not wait."""
        return self._session.channel.cancelled(self._message.command.message_id)

    def pending(self) -> None:
        """Tell the peer how far it is."""
        self._session.channel.link.send(self.encode_pending())

    def encode_pending(self) -> list[Buffer]:
        """Return that response without sending it."""
        response = self._response(Status.PENDING, remaining=True)
        return self._session.channel.encode(self._message.context, response)

    def finish(self, *, cancelled: bool = False) -> None:
        """Send the final response, with the list of what failed."""
        status = Status.CANCEL if cancelled else self.status()
        comment = self._comment if status == Status.OUT_OF_RESOURCES_SUBOPERATIONS else ""
        response = self._response(status, remaining=cancelled, comment=comment)
        context = self._message.context
        identifier = failed_list(self.failed_uids, context.transfer_syntax) if self.failed_uids else None
        self._session.channel.send(context, response, identifier)
        self._session.log.info(
            "retrieval.ended",
            status=f"0x{status:04X}",
            completed=self.completed,
            failed=self.failed,
            warning=self.warning,
            remaining=self.remaining,
        )

    def status(self) -> Status:
        """Return the status of a retrieval that has come to its end (PS3.4 tables C.4-2 and C.4-3)."""
        if self.failed and not self.completed and not self.warning:
            return Status.OUT_OF_RESOURCES_SUBOPERATIONS
        return Status.SOME_SUBOPERATIONS_FAILED if self.failed or self.warning else Status.SUCCESS

    def _response(self, status: Status, *, remaining: bool, comment: str = "") -> Command:
        response = response_to(self._message.command, status, comment)
        if remaining:  # only while some may remain: PS3.4 C.4.2.1.6
            response.us(REMAINING, min(self.remaining, _US_MAX))
        for element, count in (
            (COMPLETED, self.completed),
            (FAILED, self.failed),
            (WARNING, self.warning),
        ):
            response.us(element, min(count, _US_MAX))
        return response


def failed_list(sop_instance_uids: Iterable[str], transfer_syntax: str) -> bytes:
    """Return an identifier of nothing but Failed SOP Instance UID List (0008,0058) (PS3.4 C.4.2.1.4.2)."""
    value = "\\".join(sop_instance_uids).encode("ascii", "replace")
    value += b"\0" * (len(value) % 2)
    element = struct.pack("<HHL", 0x0008, 0x0058, len(value)) + value
    return b"".join(transcode.transcode([element], transcode.IMPLICIT, transfer_syntax))
