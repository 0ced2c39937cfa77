"""Jobs: put in the queue in the caller's transaction, claimed by one worker at a time, never lost.

A worker holds a job by a lease that it renews; a worker that dies renews nothing, and its job returns to
the queue. On SQLite the caller's BEGIN IMMEDIATE lets one worker claim at a time, on PostgreSQL each
skips what another is about to take. A job can therefore begin twice, but its end is recorded once.
"""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from datetime import datetime
from functools import cache
from typing import Any

from sqlalchemy import (
    Connection,
    RowMapping,
    and_,
    case,
    delete,
    func,
    literal_column,
    or_,
    select,
    text,
    update,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import IntegrityError

from storage.engine import Busy
from storage.errors import Exists
from storage.records.jobs import OPEN, Job, JobState, NewJob, job
from storage.sql.prepared import Inserter

_DIED = "its worker died, or lost the database for longer than its lease"
# Written out, not bound: else SQLite cannot know that the partial indexes serve.
_QUEUED = job.c.state == literal_column("'queued'")
_RUNNING = job.c.state == literal_column("'running'")
_HELD = job.c.state == literal_column("'held'")
_ENDED = job.c.finished_at.is_not(None)
_IN_STATE = {
    JobState.QUEUED: (_QUEUED,),
    JobState.RUNNING: (_RUNNING,),
    JobState.HELD: (_HELD,),
    **{state: (_ENDED, job.c.state == state) for state in (JobState.DONE, JobState.DEAD, JobState.CANCELLED)},
}
_FINAL = (JobState.DONE, JobState.CANCELLED)
# What a step of priority is worth: an ordinary job waits for urgent ones half an hour at most.
_AGING = 36.0  # seconds


class JobsRepo:
    """Jobs, in one transaction.

    Parameters
    ----------
    ring
        Wakes the workers when the transaction commits.
    """

    def __init__(self, connection: Connection, ring: Callable[[], None]) -> None:
        self._connection = connection
        self._ring = ring

    def enqueue(self, new: NewJob, at: datetime) -> int | None:
        """Put a job in the queue, or keep it for a person; workers hear of it when the transaction commits.

        Returns
        -------
        int or None
            Its number; None when an open job has the same `dedupe`.
        """
        insert = postgresql.insert if self._on_postgresql else sqlite.insert
        taken = self._connection.execute(
            insert(job)
            .values(_row(new, at))
            .on_conflict_do_nothing(index_elements=[job.c.dedupe], index_where=text(OPEN))
            .returning(job.c.id)
        ).scalar_one_or_none()
        if taken is not None and not new.held:
            self._ring()
        return taken

    def add(self, news: Sequence[NewJob], at: datetime) -> int:
        """Put many jobs in the queue, or keep them for a person, as `enqueue` does; return how many."""
        rows = [_row(new, at) for new in news]
        rows.sort(key=lambda row: str(row["dedupe"]))  # the order of locks
        added = _inserter(self._connection.dialect.name).run(self._connection, rows)
        if any(state != JobState.HELD for _, state in added):
            self._ring()
        return len(added)

    def claim(self, worker: str, kinds: Collection[str], at: datetime, until: datetime) -> Job | None:
        """Take the job whose turn it is of those that are due; it is `worker`'s until `until`.

        That is the one with the smallest priority, but one that has waited for long goes before one that
        has just come.
        """
        due = [head for head in self._heads(kinds) if head[2] <= at]
        for kind, priority, _ in sorted(due, key=lambda head: head[2].timestamp() + head[1] * _AGING):
            taken = self._take(kind, priority, worker, at, until)
            if taken is not None:
                return taken
        return None

    def _heads(self, kinds: Collection[str]) -> Iterator[tuple[str, int, datetime]]:
        """Yield each kind and priority that waits, with its first job's moment: one look into the index each.

        A hundred thousand jobs of a kind that has no room, or for a node that is away, are read neither to
        find what is due nor when.
        """
        for kind in kinds:
            above = -(2**31)
            while True:
                head = self._connection.execute(
                    select(job.c.priority, job.c.run_after)
                    .where(_QUEUED, job.c.kind == kind, job.c.priority > above)
                    .order_by(job.c.priority, job.c.run_after)
                    .limit(1)
                ).one_or_none()
                if head is None:
                    break
                above = head.priority
                yield kind, head.priority, head.run_after

    def _take(self, kind: str, priority: int, worker: str, at: datetime, until: datetime) -> Job | None:
        first = (
            select(job.c.id)
            .where(_QUEUED, job.c.kind == kind, job.c.priority == priority, job.c.run_after <= at)
            .order_by(job.c.run_after, job.c.id)
            .limit(1)
            .with_for_update(skip_locked=True)  # says nothing on SQLite
        )
        return self._one(
            update(job)
            .where(job.c.id == first.scalar_subquery())
            .values(
                state=JobState.RUNNING,
                attempts=job.c.attempts + 1,
                worker=worker,
                lease_until=until,
                started_at=at,
                progress=0,
                total=0,
            )
        )

    def renew(self, worker: str, until: datetime) -> set[int]:
        """Keep all jobs of `worker` until `until`; return those that it still holds."""
        return set(
            self._connection.execute(
                update(job)
                .where(job.c.worker == worker, _RUNNING)
                .values(lease_until=until)
                .returning(job.c.id)
            ).scalars()
        )

    def progress(self, held: Job, done: int, total: int) -> bool:
        """Record how far the attempt `held` has come; False when the job is no longer its own."""
        return self._change(held, progress=done, total=total)

    def finish(self, held: Job, at: datetime) -> bool:
        """Record that the attempt `held` did its work; False when the job is no longer its own."""
        return self._end(held, state=JobState.DONE, finished_at=at, error="")

    def give_back(self, held: Job, at: datetime) -> bool:
        """Return a job to the queue that nothing is wrong with: its worker stops."""
        self._ring()
        return self._end(held, state=JobState.QUEUED, run_after=at)

    def fail(self, held: Job, error: str, at: datetime, again_at: datetime | None) -> JobState | None:
        """Record a failure: the job runs again at `again_at`, or is dead after the last one allowed.

        Parameters
        ----------
        again_at
            None: trying again cannot help.

        Returns
        -------
        JobState or None
            What became of it; None when the job is no longer its own.
        """
        failures = held.failures + 1
        if again_at is None or failures >= held.max_failures:
            dead = self._end(held, state=JobState.DEAD, failures=failures, finished_at=at, error=error)
            return JobState.DEAD if dead else None
        later = self._end(held, state=JobState.QUEUED, failures=failures, run_after=again_at, error=error)
        return JobState.QUEUED if later else None

    def expire(self, at: datetime) -> list[Job]:
        """Return the jobs of dead workers to the queue, or bury those that kill every worker."""
        last = job.c.failures + 1 >= job.c.max_failures
        rows = self._connection.execute(
            update(job)
            .where(_RUNNING, job.c.lease_until < at)
            .values(
                state=case((last, JobState.DEAD), else_=JobState.QUEUED),
                finished_at=case((last, at), else_=None),
                failures=job.c.failures + 1,
                run_after=at,
                lease_until=None,
                error=_DIED,
            )
            .returning(job)
        ).mappings()
        expired = [_job(row) for row in rows]
        if expired:
            self._ring()
        return expired

    def next_due(self, kinds: Collection[str]) -> datetime | None:
        """Return when the next of the queued jobs may begin; None when there is none."""
        return min((run_after for _, _, run_after in self._heads(kinds)), default=None)

    def retry(self, number: int, at: datetime) -> Job | None:
        """Queue a dead, cancelled or waiting job to run at once; None when there is none such.

        Raises
        ------
        Exists
            Another open job does the same work.
        """
        self._ring()
        states = (JobState.DEAD, JobState.CANCELLED, JobState.QUEUED)
        try:
            return self._one(
                update(job).where(job.c.id == number, job.c.state.in_(states)).values(_afresh(at))
            )
        except IntegrityError:
            raise Exists(f"job {number}: another open job does the same") from None

    def retry_all(self, kind: str, at: datetime) -> int:
        """Queue every dead job of `kind` (empty: of any) to run at once; return how many.

        Of those that would do the same work one is queued, and none when an open job does it.

        Raises
        ------
        Busy
            A job that does the same work was queued at this moment: try the whole transaction again.
        """
        self._ring()
        dead = [*_IN_STATE[JobState.DEAD], *([job.c.kind == kind] if kind else [])]
        newest = select(func.max(job.c.id)).where(*dead, job.c.dedupe != "").group_by(job.c.dedupe)
        taken = select(job.c.dedupe).where(text(OPEN)).correlate(None)
        again = or_(job.c.dedupe == "", and_(job.c.id.in_(newest), job.c.dedupe.not_in(taken)))
        try:
            return self._connection.execute(update(job).where(*dead, again).values(_afresh(at))).rowcount
        except IntegrityError:
            raise Busy("database: another job that does the same was queued") from None

    def release(self, number: int, at: datetime) -> Job | None:
        """Queue a job that was held, not before its own time; None when there is none such."""
        self._ring()
        return self._one(
            update(job)
            .where(job.c.id == number, _HELD)
            .values(
                state=JobState.QUEUED,
                run_after=case((job.c.run_after > at, job.c.run_after), else_=at),
                error="",
            )
        )

    def cancel(self, number: int, at: datetime) -> Job | None:
        """Take an open job out of the queue, or from its worker; None when there is none such."""
        states = (JobState.HELD, JobState.QUEUED, JobState.RUNNING)
        return self._one(
            update(job)
            .where(job.c.id == number, job.c.state.in_(states))
            .values(state=JobState.CANCELLED, finished_at=at, lease_until=None)
        )

    def get(self, number: int) -> Job | None:
        """Return the job with this number."""
        row = self._connection.execute(select(job).where(job.c.id == number)).mappings().one_or_none()
        return _job(row) if row else None

    def list(self, *, state: JobState | None = None, kind: str = "", limit: int = 100) -> Sequence[Job]:
        """Return the newest jobs first."""
        query = select(job).order_by(job.c.id.desc()).limit(limit)
        if state is not None:
            query = query.where(*_IN_STATE[state])
        if kind:
            query = query.where(job.c.kind == kind)
        return [_job(row) for row in self._connection.execute(query).mappings()]

    def counts(self) -> Mapping[JobState, int]:
        """Return how many jobs are in each state."""
        counts = dict.fromkeys(JobState, 0)
        for part in (_HELD, _QUEUED, _RUNNING, _ENDED):
            query = select(job.c.state, func.count()).where(part).group_by(job.c.state)
            for state, count in self._connection.execute(query):
                counts[JobState(state)] = count
        return counts

    def prune(self, before: datetime) -> int:
        """Remove jobs done or cancelled before `before`; dead ones wait for a person. Return how many."""
        old = delete(job).where(job.c.state.in_(_FINAL), job.c.finished_at < before)
        return self._connection.execute(old).rowcount

    def _end(self, held: Job, **values: Any) -> bool:
        return self._change(held, lease_until=None, **values)

    def _change(self, held: Job, **values: Any) -> bool:
        mine = update(job).where(job.c.id == held.id, _RUNNING, job.c.attempts == held.attempts)
        return self._connection.execute(mine.values(**values)).rowcount == 1

    def _one(self, change: Any) -> Job | None:
        row = self._connection.execute(change.returning(job)).mappings().one_or_none()
        return _job(row) if row else None

    @property
    def _on_postgresql(self) -> bool:
        return self._connection.dialect.name == "postgresql"


def _row(new: NewJob, at: datetime) -> dict[str, Any]:
    return {
        "kind": new.kind,
        "payload": dict(new.payload),
        "dedupe": new.dedupe,
        "state": (JobState.HELD if new.held else JobState.QUEUED).value,
        "error": new.held,
        "priority": new.priority,
        "run_after": new.run_after or at,
        "attempts": 0,
        "failures": 0,
        "max_failures": new.max_failures,
        "created_at": at,
    }


@cache
def _inserter(kind: str) -> Inserter:
    return Inserter(job, kind, skip=True, returning=("id", "state"))


def _afresh(at: datetime) -> dict[str, Any]:
    """Return what a job is when a person has it tried again."""
    return {"state": JobState.QUEUED, "run_after": at, "failures": 0, "finished_at": None}


def _job(row: RowMapping) -> Job:
    return Job(**{**row, "state": JobState(row["state"])})
