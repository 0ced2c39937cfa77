"""Jobs: put in the queue in the caller's transaction, claimed by one worker at a time, never lost.

A worker holds a job by a lease that it renews; a worker that dies renews nothing, and its job returns to
the queue. On SQLite the caller's BEGIN IMMEDIATE lets one worker claim at a time, on PostgreSQL each
skips what another is about to take. A job can therefore begin twice, but its end is recorded once.
"""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, RowMapping, case, delete, func, literal_column, select, text, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import IntegrityError

from storage.errors import Exists
from storage.records.jobs import OPEN, Job, JobState, NewJob, job

_DIED = "its worker died, or lost the database for longer than its lease"
# Written out, not bound: else SQLite cannot know that the partial indexes serve.
_QUEUED = job.c.state == literal_column("'queued'")
_RUNNING = job.c.state == literal_column("'running'")
_ENDED = job.c.finished_at.is_not(None)
_IN_STATE = {
    JobState.QUEUED: (_QUEUED,),
    JobState.RUNNING: (_RUNNING,),
    **{state: (_ENDED, job.c.state == state) for state in (JobState.DONE, JobState.DEAD, JobState.CANCELLED)},
}
_FINAL = (JobState.DONE, JobState.CANCELLED)


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
        """Put a job in the queue; workers hear of it when the transaction commits.

        Returns
        -------
        int or None
            Its number; None when an open job has the same `dedupe`.
        """
        insert = postgresql.insert if self._on_postgresql else sqlite.insert
        taken = self._connection.execute(
            insert(job)
            .values(
                kind=new.kind,
                payload=dict(new.payload),
                dedupe=new.dedupe,
                state=JobState.QUEUED,
                priority=new.priority,
                run_after=new.run_after or at,
                attempts=0,
                failures=0,
                max_failures=new.max_failures,
                created_at=at,
            )
            .on_conflict_do_nothing(index_elements=[job.c.dedupe], index_where=text(OPEN))
            .returning(job.c.id)
        ).scalar_one_or_none()
        if taken is not None:
            self._ring()
        return taken

    def claim(self, worker: str, kinds: Collection[str], at: datetime, until: datetime) -> Job | None:
        """Take the first job that is due, if there is one; it is `worker`'s until `until`."""
        for priority, run_after in self._heads(kinds):
            taken = self._take(priority, worker, kinds, at, until) if run_after <= at else None
            if taken is not None:
                return taken
        return None

    def _heads(self, kinds: Collection[str]) -> Iterator[tuple[int, datetime]]:
        """Yield each priority that waits, with the moment of its first job: one look into the index each.

        Thousands of jobs for a node that is away are read neither to find what is due nor when.
        """
        above = -(2**31)
        while True:
            head = self._connection.execute(
                select(job.c.priority, job.c.run_after)
                .where(_QUEUED, job.c.priority > above, job.c.kind.in_(kinds))
                .order_by(job.c.priority, job.c.run_after)
                .limit(1)
            ).one_or_none()
            if head is None:
                return
            above = head.priority
            yield head.priority, head.run_after

    def _take(
        self, priority: int, worker: str, kinds: Collection[str], at: datetime, until: datetime
    ) -> Job | None:
        first = (
            select(job.c.id)
            .where(_QUEUED, job.c.priority == priority, job.c.run_after <= at, job.c.kind.in_(kinds))
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
        return min((run_after for _, run_after in self._heads(kinds)), default=None)

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
                update(job)
                .where(job.c.id == number, job.c.state.in_(states))
                .values(state=JobState.QUEUED, run_after=at, failures=0, finished_at=None)
            )
        except IntegrityError:
            raise Exists(f"job {number}: another open job does the same") from None

    def cancel(self, number: int, at: datetime) -> Job | None:
        """Take an open job out of the queue, or from its worker; None when there is none such."""
        return self._one(
            update(job)
            .where(job.c.id == number, job.c.state.in_((JobState.QUEUED, JobState.RUNNING)))
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
        for part in (_QUEUED, _RUNNING, _ENDED):
            query = select(job.c.state, func.count()).where(part).group_by(job.c.state)
            for state, count in self._connection.execute(query):
                counts[JobState(state)] = count
        return counts

    def prune(self, before: datetime) -> int:
        """Remove jobs done or cancelled before `before`; dead ones wait for a person. Return how many."""
        old = delete(job).where(job.c.state.in_(_FINAL), job.c.finished_at < before)
        return self._connection.execute(old).rowcount

    def _end(self, held: Job, **values: Any) -> bool:
        ended = self._connection.execute(
            update(job)
            .where(job.c.id == held.id, _RUNNING, job.c.attempts == held.attempts)
            .values(lease_until=None, **values)
        )
        return ended.rowcount == 1

    def _one(self, change: Any) -> Job | None:
        row = self._connection.execute(change.returning(job)).mappings().one_or_none()
        return _job(row) if row else None

    @property
    def _on_postgresql(self) -> bool:
        return self._connection.dialect.name == "postgresql"


def _job(row: RowMapping) -> Job:
    return Job(**{**row, "state": JobState(row["state"])})
