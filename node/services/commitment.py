"""Storage commitment: destinations are asked whether they answer for what they took (PS3.4 J).

What a destination does not keep is delivered again, once. Reports come over the association of the request or
over one that the destination opens, days later perhaps; both end in `take`.
"""

import uuid
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog

from node.core import clock
from scu.commitment import NO_SUCH_INSTANCE, PROCESSING_FAILURE, SUCCESS, Reference, Report, reason
from storage.archive import Archive
from storage.errors import StorageError
from storage.records.commitments import Verdict
from storage.records.deliveries import DeliveryState
from storage.records.jobs import NewJob, Priority
from storage.records.trail import Event
from storage.transaction import Transaction

MOST = 500
"""Instances of one request."""

_GATHER = 30  # seconds of deliveries that are asked for together
_LOOK = 3600  # and those within which requests without an answer are looked at together

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Request:
    """A request that is recorded and can be sent."""

    transaction_uid: str
    references: tuple[Reference, ...]


def asking(destination: str, at: datetime, gather: int = _GATHER) -> NewJob:
    """Return the job that asks `destination` for commitment of what it has taken by `at`.

    There is one for all that is delivered within `gather` seconds, and it runs after them: so none is missed
    because the job was already at work.
    """
    end = (int(at.timestamp()) // gather + 1) * gather
    return NewJob(
        "commit",
        {"destination": destination},
        dedupe=f"commit {destination} {gather} {end}",
        priority=Priority.HOUSEKEEPING,
        run_after=datetime.fromtimestamp(end, at.tzinfo) + timedelta(seconds=1),
    )


def begin(archive: Archive, destination: str) -> Request | None:
    """Record that `destination` is about to be asked for what is due, `MOST` at most; None: nothing is.

    It is recorded first, so that an answer which overtakes everything finds its request.
    """
    now = clock.now()
    request_uid = f"2.25.{uuid.uuid4().int}"  # PS3.5 B.2
    with archive.begin() as tx:
        due = tx.commitments.due(destination, MOST)
        if not due:
            return None
        tx.commitments.ask(request_uid, destination, [each.delivery for each in due], now)
        tx.commit()
    return Request(request_uid, tuple(Reference(each.sop_class_uid, each.sop_instance_uid) for each in due))


def withdraw(archive: Archive, request: Request) -> None:
    """Have what `request` is about asked for again: it may not have been received."""
    with archive.begin() as tx:
        tx.commitments.withdraw(request.transaction_uid)
        tx.commit()


def take(archive: Archive, report: Report, reporter: str) -> int:
    """Record a report and return the status of the answer.

    It need not come from the destination itself, because archives have several titles; who knows the
    Transaction UID was told it by the destination.

    Parameters
    ----------
    reporter
        Name of the peer that it comes from.
    """
    now = clock.now()
    try:
        with archive.begin() as tx:
            verdict = tx.commitments.answer(report.transaction_uid, report.committed, report.failed, now)
            if verdict is not None:
                _send_again(tx, verdict, now)
                tx.commit()
    except StorageError as error:
        _log.error("commitment.not_recorded", peer=reporter, error=str(error))
        return PROCESSING_FAILURE
    if verdict is None:
        _log.warning("commitment.unknown", peer=reporter, transaction_uid=report.transaction_uid[:64])
        return NO_SUCH_INSTANCE
    tell = _log.warning if verdict.uncommitted or verdict.unnamed else _log.info
    tell(
        "commitment.answered",
        peer=reporter,
        destination=verdict.destination,
        transaction_uid=report.transaction_uid,
        committed=verdict.committed,
        uncommitted=len(verdict.uncommitted),
        unnamed=verdict.unnamed,
    )
    return SUCCESS


def _send_again(tx: Transaction, verdict: Verdict, now: datetime) -> None:
    by_reason: dict[int, list[int]] = {}
    for each in verdict.uncommitted:
        by_reason.setdefault(each.reason, []).append(each.delivery)
    became: dict[int, DeliveryState] = {}
    for code in sorted(by_reason):
        words = f"{verdict.destination} does not commit itself to keep it: {reason(code)}"
        became |= tx.commitments.send_again(by_reason[code], words, now)
    for each in verdict.uncommitted:
        detail = {
            "destination": verdict.destination,
            "reason": each.reason,
            "words": reason(each.reason),
            "state": str(became.get(each.delivery, "")),
        }
        uids = (each.study_instance_uid, each.series_instance_uid, each.sop_instance_uid)
        tx.events.add(Event(now, "delivery.uncommitted", *uids, detail))


def give_up(archive: Archive, destination: str, words: str) -> None:
    """Record that `destination` cannot be asked for what is due, and why."""
    now = clock.now()
    with archive.begin() as tx:
        count = tx.commitments.give_up(destination)
        if not count:
            return
        detail = {"destination": destination, "instances": count, "words": words}
        tx.events.add(Event(now, "commitment.refused", detail=detail))
        tx.commit()
    _log.warning("commitment.refused", destination=destination, instances=count, why=words)


def expire(archive: Archive, destination: str, hours: float) -> None:
    """Count requests as unanswered that are older than `hours`; an answer to them still counts."""
    now = clock.now()
    with archive.begin() as tx:
        count = tx.commitments.overdue(destination, now - timedelta(hours=hours), now)
        if count:
            words = f"{destination} did not say within {hours:g} hours whether it keeps them"
            detail = {"destination": destination, "instances": count, "words": words}
            tx.events.add(Event(now, "commitment.unanswered", detail=detail))
        tx.commit()
    if count:
        _log.warning("commitment.unanswered", destination=destination, instances=count, hours=hours)


def follow(archive: Archive, destination: str, hours: float, *, more: bool) -> None:
    """Enqueue what comes next: the look at requests without an answer, and with `more` another asking.

    That is for what was delivered while a job was at work, in whose place no other was taken.
    """
    now = clock.now()
    with archive.begin() as tx:
        if more:
            tx.jobs.enqueue(asking(destination, now), now)
        since = tx.commitments.open_since(destination)
        if since is not None:
            tx.jobs.enqueue(asking(destination, since + timedelta(hours=hours), _LOOK), now)
        tx.commit()
