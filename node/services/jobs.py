"""Jobs as an administrator handles them: look, retry, release, cancel."""

from collections.abc import Sequence

from node.core import clock
from node.core.errors import UserError
from node.root import Node
from storage.errors import Exists
from storage.records.jobs import Job, JobState
from storage.records.trail import AuditEntry
from storage.transaction import Transaction


def list_(node: Node, state: JobState | None = None, kind: str = "", limit: int = 50) -> Sequence[Job]:
    """Return jobs, the newest first."""
    with node.archive.read() as tx:
        return tx.jobs.list(state=state, kind=kind, limit=limit)


def get(node: Node, number: int) -> Job:
    """Return a job.

    Raises
    ------
    UserError
        There is none of that number.
    """
    with node.archive.read() as tx:
        job = tx.jobs.get(number)
    if job is None:
        raise UserError(f"job {number}: there is none; isocentre jobs list shows them")
    return job


def retry(node: Node, number: int, author: str) -> Job:
    """Queue a dead, cancelled or waiting job to run at once.

    Raises
    ------
    UserError
        There is none of that number, it runs or is done, or another open job does the same.
    """
    try:
        with node.archive.begin() as tx:
            job = tx.jobs.retry(number, clock.now())
            _audit(tx, author, "job.retry", job)
            tx.commit()
    except Exists:
        raise UserError(f"job {number}: another job that is queued or running does the same") from None
    if job is None:
        raise UserError(f"job {number}: it is {get(node, number).state.value}, so it cannot be retried")
    return job


def retry_all(node: Node, author: str, kind: str = "") -> int:
    """Queue all dead jobs, or those of a kind, to run at once; return how many."""
    with node.archive.begin() as tx:
        again = tx.jobs.retry_all(kind, clock.now())
        detail = {"count": again, "kind": kind}
        tx.audit.add(AuditEntry(clock.now(), author, "job.retry", "jobs", detail=detail))
        tx.commit()
    return again


def release(node: Node, number: int, author: str) -> Job:
    """Queue a job that was held for a person.

    Raises
    ------
    UserError
        There is none of that number, or it is not held.
    """
    with node.archive.begin() as tx:
        job = tx.jobs.release(number, clock.now())
        _audit(tx, author, "job.release", job)
        tx.commit()
    if job is None:
        raise UserError(f"job {number}: it is {get(node, number).state.value}, not held")
    return job


def cancel(node: Node, number: int, author: str) -> Job:
    """Take a job out of the queue, or from the worker that runs it.

    Raises
    ------
    UserError
        There is none of that number, or it has ended.
    """
    with node.archive.begin() as tx:
        job = tx.jobs.cancel(number, clock.now())
        _audit(tx, author, "job.cancel", job)
        tx.commit()
    if job is None:
        raise UserError(f"job {number}: it is {get(node, number).state.value}, so it cannot be cancelled")
    return job


def _audit(tx: Transaction, author: str, action: str, job: Job | None) -> None:
    """Say who did what to a job; when there was none such, nothing was done."""
    if job is not None:
        tx.audit.add(AuditEntry(clock.now(), author, action, f"job {job.id}", detail={"kind": job.kind}))
