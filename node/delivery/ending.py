"""How an attempt at a parcel ends: what is recorded of it, and when it is tried again.

Pure: the moment is given, and the dice are thrown elsewhere.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from node.config.sections import DeliverySection
from node.delivery.backoff import Backoff
from node.delivery.statuses import Verdict
from storage.records.deliveries import DeliveryState, Parcel, Result


@dataclass(frozen=True, slots=True)
class Terms:
    """For how long, and how often, something is tried again.

    Attributes
    ----------
    patience
        Seconds that a refusal is waited for altogether, not counting those in which the destination was
        down, paused or outside its window.
    """

    backoff: Backoff
    patience: float

    @classmethod
    def of(cls, config: DeliverySection) -> "Terms":
        """Return them as they are configured."""
        return cls(Backoff(config.backoff_first, config.backoff_ceiling), config.max_age_hours * 3600)


def answered(
    parcel: Parcel,
    verdict: Verdict,
    at: datetime,
    terms: Terms,
    dice: float,
    *,
    transfer_syntax_uid: str = "",
    digest: str = "",
) -> Result:
    """Return the end of an attempt whose outcome concerns the instance alone.

    Parameters
    ----------
    dice
        As in `Backoff.delay`.
    transfer_syntax_uid, digest
        Of what was sent; empty when nothing was.
    """
    state, words, due = DeliveryState.DELIVERED, verdict.words, None
    if not verdict.taken:
        failures = parcel.failures + 1
        state = DeliveryState.DEAD
        if not verdict.permanent and terms.backoff.total(failures) <= terms.patience:
            state, due = DeliveryState.WAITING, at + timedelta(seconds=terms.backoff.delay(failures, dice))
        elif not verdict.permanent:
            words = _given_up(words, failures)
    return Result(
        parcel,
        state,
        at,
        status=verdict.status,
        words=words,
        transfer_syntax_uid=transfer_syntax_uid,
        digest=digest,
        due=due,
        failed=not verdict.taken,
    )


def broken(
    parcel: Parcel, words: str, at: datetime, terms: Terms, dice: float, *, breaks: int, culprit: bool
) -> Result:
    """Return the end of an attempt during which the association broke. It may have been delivered.

    The first time it keeps its place in the queue, so that the order is kept; after that it steps aside.

    Parameters
    ----------
    breaks
        Associations that broke during it, this one included; or all its failures, where they are more.
    culprit
        It is to blame; see `Suspects`.
    """
    if culprit:
        words = f"{words.rstrip('.')}; given up: it has broken {breaks} associations"
        return Result(parcel, DeliveryState.DEAD, at, words=words, failed=True)
    if terms.backoff.total(breaks) > terms.patience:
        return Result(parcel, DeliveryState.DEAD, at, words=_given_up(words, breaks), failed=True)
    if breaks <= 1:
        return Result(parcel, DeliveryState.QUEUED, at, words=words, failed=True)
    due = at + timedelta(seconds=terms.backoff.delay(breaks - 1, dice))
    return Result(parcel, DeliveryState.WAITING, at, words=words, due=due, failed=True)


def dropped(parcel: Parcel, words: str, at: datetime) -> Result:
    """Return the end of one that cannot be sent because its destination will have none."""
    return Result(parcel, DeliveryState.DEAD, at, words=words, failed=True)


def given_back(parcel: Parcel, at: datetime) -> Result:
    """Return the end of one that was taken from the queue and not sent."""
    return Result(parcel, DeliveryState.QUEUED, at)


def _given_up(words: str, failures: int) -> str:
    return f"{words.rstrip('.')}; given up after {failures} failure{'s' * (failures > 1)}"
