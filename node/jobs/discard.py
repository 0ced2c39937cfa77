"""Discard: remove an instance from the archive when all else that is to be done with it is done.

Payload: row of the instance, reason, rules that want it, and perhaps unless (a label that keeps it).

It waits for the study to settle, for deliveries and for jobs. What a person has to look at (dead, held) keeps
the instance, and the job says so; so does a conflict. What a person uploaded is never discarded.
"""

from collections.abc import Iterator
from datetime import timedelta

import structlog

from node.core import clock
from node.jobs.task import Hopeless, Later, Task
from storage.engine import Busy
from storage.errors import StorageError
from storage.records.arrival import BlobRef, Way
from storage.records.deliveries import DeliveryState
from storage.records.jobs import JobState
from storage.records.subjects import Subject
from storage.records.trail import AuditEntry, Event
from storage.transaction import Transaction

_FIRST, _LONGEST = timedelta(seconds=5), timedelta(hours=1)  # between two looks at what is open
_FOR_A_PERSON = frozenset({DeliveryState.DEAD, DeliveryState.HELD})
_ENDED = frozenset({DeliveryState.DELIVERED, DeliveryState.DIVERTED, DeliveryState.CANCELLED})

_log = structlog.get_logger()


def run(task: Task) -> None:
    """Remove the instance, wait, or say why it stays."""
    payload = task.job.payload
    row, unless = payload["row"], payload.get("unless", "")
    with task.node.archive.begin() as tx:
        subject = tx.subjects.instance(row)
        if subject is None or (unless and unless in tx.labels.of(subject.place)):
            _log.info("discard.nothing", job=task.job.id, row=row)
            return
        _look(task, tx, subject)  # mostly it has to wait, and nobody for it
        try:
            tx.discards.lock(row)
        except Busy:
            raise Later("something else is being done with it", _FIRST) from None
        _look(task, tx, subject)
        blob = _discard(task, tx, subject)
        tx.commit()
    _log.info("instance.discarded", job=task.job.id, sop_instance_uid=subject.sop_instance_uid)
    _delete(task, blob.key)


def _look(task: Task, tx: Transaction, subject: Subject) -> None:
    """Return when nothing is open; raise `Later` while something is, `Hopeless` when it may not go."""
    uid = subject.sop_instance_uid
    if any(each.origin.way is Way.UPLOAD for each in tx.inquiry.arrivals_of(subject.place.instance_row)):
        raise Hopeless(f"instance {uid} stays: a person uploaded it")
    stays: list[str] = []
    waits: list[str] = []
    for looked_at, words in _open_ends(tx, subject):
        (stays if looked_at else waits).append(words)
    if stays:
        raise Hopeless(
            f"instance {uid} stays: {'; '.join(stays)}. When that is settled, "
            f"isocentre jobs retry {task.job.id} discards it"
        )
    if waits:
        age = clock.now() - task.job.created_at
        raise Later("; ".join(waits), min(max(age / 4, _FIRST), _LONGEST))


def _open_ends(tx: Transaction, subject: Subject) -> Iterator[tuple[bool, str]]:
    """Yield what is still to be done, and whether it is a person who has to do it."""
    # Before the rest: what is decided when it settles is there as soon as it has settled.
    if tx.settling.get(subject.place.study_row) is not None:
        yield False, "its study has not settled"
    for delivery in tx.ledger.of_instance(subject.place.instance_row):
        if delivery.state not in _ENDED:
            yield (
                delivery.state in _FOR_A_PERSON,
                f"its delivery to {delivery.destination} is {delivery.state}",
            )
    for job in tx.pending.jobs_of(subject.place):
        yield job.state in (JobState.DEAD, JobState.HELD), f"job {job.id} ({job.kind}) is {job.state}"


def _discard(task: Task, tx: Transaction, subject: Subject) -> BlobRef:
    """Remove the record, and say in audit and events who wanted it; return the key of the blob."""
    payload, now, uid = task.job.payload, clock.now(), subject.sop_instance_uid
    author = ", ".join(payload.get("rules", ())) or "rules"
    try:
        blob = tx.discards.discard(subject.place.instance_row, payload["reason"], author, now)
    except Busy:  # its study is to go too, and something comes into that
        raise Later("something else is being done with it", _FIRST) from None
    if blob is None:
        raise Hopeless(
            f"instance {uid} stays: another content is kept under its UID, or a conflict is not resolved"
        )
    detail = {"reason": payload["reason"], "rules": list(payload.get("rules", ())), "job": task.job.id}
    tx.audit.add(AuditEntry(now, author, "instance.discarded", uid, detail=detail))
    tx.events.add(
        Event(
            at=now,
            kind="instance.discarded",
            study_instance_uid=subject.study_instance_uid,
            series_instance_uid=subject.series_instance_uid,
            sop_instance_uid=uid,
            detail=detail,
        )
    )
    return blob


def _delete(task: Task, key: str) -> None:
    """Delete the bytes, unless another record refers to them; what is left behind the sweep finds."""
    try:
        with task.node.archive.read() as tx:
            if tx.instances.by_blob_keys([key]):
                return
        task.node.blobs.delete(key)
    except StorageError as error:
        _log.warning("discard.blob_left", job=task.job.id, blob=key, error=str(error))
