"""What came of a try to deliver: whom it concerns, whether another one can help, and it in words.

Pure. What follows from it is decided in `node.delivery.ending` and `node.delivery.breaker`.

Example
-------
>>> judge(StoreResult(0xA700), ["A9xx"]).words
'out of resources (0xA700)'
>>> matches(0xA912, "A9xx")
True
"""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from node.delivery.loading import Unfit, unfit
from scu.errors import NotAccepted, Rejected, ScuError
from scu.store import StoreResult
from scu.transcode import CannotTranscode
from scu.wire.negotiate import AssociationRejected
from storage.errors import StorageError

_UNKNOWN_AE = {(1, 1, 3), (1, 1, 7)}  # result, source and reason of A-ASSOCIATE-RJ (PS3.8 table 9-21)


class Whose(StrEnum):
    """Whom an outcome concerns."""

    ITEM = "item"  # this instance; the next one may fare better
    DESTINATION = "destination"  # everything that goes there


@dataclass(frozen=True, slots=True)
class Verdict:
    """An outcome, judged.

    Attributes
    ----------
    taken
        The destination has the instance.
    permanent
        Another try cannot help before somebody changes something.
    status
        DIMSE status of the answer; None when there was none.
    """

    whose: Whose
    words: str
    taken: bool = False
    permanent: bool = False
    status: int | None = None


def judge(
    outcome: StoreResult | Unfit | ScuError | StorageError | CannotTranscode, permanent: Iterable[str]
) -> Verdict:
    """Judge an outcome.

    Parameters
    ----------
    permanent
        Patterns of the failures of a C-STORE that are not worth another try; see `matches`.
    """
    if isinstance(outcome, StoreResult):
        return _of_answer(outcome, permanent)
    if isinstance(outcome, ScuError):
        return _of_error(outcome)
    reason = outcome if isinstance(outcome, Unfit) else unfit(outcome)
    return Verdict(Whose.ITEM, str(reason), permanent=reason.permanent)


def _of_answer(answer: StoreResult, permanent: Iterable[str]) -> Verdict:
    words = f"{answer.meaning.words} (0x{answer.status:04X})" if answer.status else ""
    if answer.comment:
        words = f"{words}: {answer.comment}" if words else answer.comment
    hopeless = not answer.stored and any(matches(answer.status, pattern) for pattern in permanent)
    return Verdict(Whose.ITEM, words, answer.stored, hopeless, answer.status)


def _of_error(error: ScuError) -> Verdict:
    words = f"{error}. {error.advice}" if error.advice else str(error)
    if isinstance(error, NotAccepted):
        return Verdict(Whose.ITEM, words, permanent=True)
    return Verdict(Whose.DESTINATION, words, permanent=is_unknown_ae(error))


def is_unknown_ae(error: Exception) -> bool:
    """Tell whether a node turned us away because it does not know an AE title, ours or its own."""
    cause = error.__cause__
    if not (isinstance(error, Rejected) and isinstance(cause, AssociationRejected)):
        return False
    return (cause.result, cause.source, cause.reason) in _UNKNOWN_AE


def matches(status: int, pattern: str) -> bool:
    """Tell whether a status is one of `pattern`: four hexadecimal digits, of which an x is any."""
    digits = f"{status:04x}"
    return len(pattern) == 4 and all(
        wanted in ("x", digit) for wanted, digit in zip(pattern.lower(), digits, strict=True)
    )
