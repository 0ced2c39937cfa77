"""What C-MOVE and C-GET tell while they go on and when they end (PS3.4 C.4.2.1.6, C.4.3.1.5)."""

from collections.abc import Callable
from dataclasses import dataclass

from scu import identifiers
from scu.association import Association
from scu.operation import category_of, failed, send_cancel
from scu.statuses import Category
from scu.wire.channel import Context
from scu.wire.command import COMPLETED, FAILED, REMAINING, WARNING, Command


@dataclass(frozen=True, slots=True)
class Progress:
    """Sub-operations: instances still to come, and what became of the others."""

    remaining: int
    completed: int
    failed: int
    warning: int


@dataclass(frozen=True, slots=True)
class Report:
    """How a retrieval ended.

    Attributes
    ----------
    status
        0x0000, 0xB000 (some instances failed) or 0xFE00 (cancelled).
    failed_uids
        SOP Instance UIDs that were not sent, as far as the other node names them.
    """

    status: int
    progress: Progress
    failed_uids: tuple[str, ...] = ()

    @property
    def complete(self) -> bool:
        """Whether all instances were sent."""
        return self.status == 0x0000 and not self.progress.failed


class Watch:
    """Follows the responses to one retrieval: reports progress, cancels when asked to, ends in a report.

    Parameters
    ----------
    progress
        Called with each count that the other node gives.
    cancel
        Asked at each response, and in C-GET at each instance, whether to stop.
    """

    def __init__(
        self,
        association: Association,
        context: Context,
        message_id: int,
        progress: Callable[[Progress], None] | None,
        cancel: Callable[[], bool] | None,
    ) -> None:
        self._association = association
        self._context = context
        self._message_id = message_id
        self._progress = progress
        self._cancel = cancel
        self._last = Progress(0, 0, 0, 0)

    def check_cancel(self) -> None:
        """Send C-CANCEL, once, when the user wants no more."""
        if self._cancel is not None and self._cancel():
            self._cancel = None
            send_cancel(self._association.channel, self._context, self._message_id)

    def follow(self, answer: Command) -> Report | None:
        """Take in one response. Returns the report when it is the last one.

        Raises
        ------
        Failed
            The other node could not do it.
        """
        self._last = _counts(answer, self._last)
        data = self._association.channel.read_dataset(identifiers.IDENTIFIER_MAX)
        category = category_of(answer)
        if self._progress is not None:
            self._progress(self._last)
        if category is Category.PENDING:
            self.check_cancel()
            return None
        if category is Category.FAILURE:
            raise failed(self._association.address, answer)
        uids = identifiers.failed_uids(data, self._context.transfer_syntax)
        return Report(answer.status, self._last, uids)


def _counts(answer: Command, last: Progress) -> Progress:
    # Counts are optional in most responses (PS3.7 9.1.4.1.5): what is not said has not changed.
    final = not 0xFF00 <= answer.status <= 0xFF01
    return Progress(
        remaining=answer.number(REMAINING, 0 if final else last.remaining),
        completed=answer.number(COMPLETED, last.completed),
        failed=answer.number(FAILED, last.failed),
        warning=answer.number(WARNING, last.warning),
    )
