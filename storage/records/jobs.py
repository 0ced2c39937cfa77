"""The tables of work to do: jobs, and the bookmarks of work that goes on where it stopped.

queued -> running -> done
  ^  ^       |-----> queued, later: it failed, or its worker died or stopped
  |  |       |-----> dead: failed too often, or hopeless
  |  '----- dead, cancelled: retried by a person
queued, running, held -> cancelled: by a person
held -> queued: a rule wants a person to look first, and one did
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import Column, Integer, Table, UniqueConstraint

from storage.records.schema import METADATA, Moment, Tree, identifier, partial_index, words

OPEN = "state IN ('queued', 'running', 'held') AND dedupe <> ''"


job = Table(
    "job",
    METADATA,
    identifier(),
    words("kind"),
    Column("payload", Tree, nullable=False),
    words("dedupe"),
    words("state"),
    Column("priority", Integer, nullable=False),
    Column("run_after", Moment, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("failures", Integer, nullable=False),
    Column("max_failures", Integer, nullable=False),
    words("worker"),
    Column("lease_until", Moment, nullable=True),
    Column("created_at", Moment, nullable=False),
    Column("started_at", Moment, nullable=True),
    Column("finished_at", Moment, nullable=True),
    words("error"),
    Column("progress", Integer, nullable=False, default=0, server_default="0"),
    Column("total", Integer, nullable=False, default=0, server_default="0"),
    partial_index("ix_job_due", "kind", "priority", "run_after", "id", where="state = 'queued'"),
    partial_index("ix_job_leased", "lease_until", where="state = 'running'"),
    partial_index("uq_job_open", "dedupe", where=OPEN, unique=True),
    partial_index("ix_job_ended", "state", "finished_at", where="finished_at IS NOT NULL"),
    partial_index("ix_job_held", "id", where="state = 'held'"),
    partial_index("ix_job_about", "dedupe", where="dedupe <> ''"),
)

bookmark = Table(
    "bookmark",
    METADATA,
    identifier(),
    words("name"),
    Column("place", Tree, nullable=False),
    Column("updated_at", Moment, nullable=False),
    UniqueConstraint("name"),
)


def about(kind: str, level: str, row: int) -> str:
    """Return what `NewJob.dedupe` begins with of a job about an instance, series or study."""
    return f"{kind}:{level}:{row}:"


class JobState(StrEnum):
    """Where a job stands."""

    HELD = "held"
    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    DEAD = "dead"
    CANCELLED = "cancelled"


class Priority:
    """Which of two jobs that are due goes first: the one with the smaller number."""

    URGENT = 0
    ORDINARY = 50
    HOUSEKEEPING = 90


@dataclass(frozen=True, slots=True)
class NewJob:
    """Work to be done once.

    Attributes
    ----------
    kind
        Name of its module in `node.jobs`.
    payload
        What that needs to know. No patient data: jobs are shown to people who may not see it.
    dedupe
        While a job with this text is held, queued or running, another one is not taken; empty: always taken.
        It begins with `about` when the job is about an instance, series or study.
    run_after
        Not before this moment; None: at once.
    max_failures
        After so many failures it is dead.
    held
        Why it waits for a person; empty: it does not.
    """

    kind: str
    payload: Mapping[str, Any] = field(default_factory=dict)
    dedupe: str = ""
    priority: int = Priority.ORDINARY
    run_after: datetime | None = None
    max_failures: int = 10
    held: str = ""


@dataclass(frozen=True, slots=True)
class Job:
    """A job as it stands in the table.

    Attributes
    ----------
    attempts
        Times that a worker began it. Together with `id` this names one attempt: who holds an older one
        can no longer change the job.
    failures
        Attempts that failed since it was enqueued, or since a person retried it.
    worker
        Who runs it, or ran it last.
    lease_until
        When it returns to the queue unless its worker is heard of, while running.
    error
        Why the last attempt failed, or why it is held.
    progress, total
        How many parts of it are done, and how many there are; 0 and 0 when it does not say.
    """

    id: int
    kind: str
    payload: Mapping[str, Any]
    dedupe: str
    state: JobState
    priority: int
    run_after: datetime
    attempts: int
    failures: int
    max_failures: int
    worker: str
    lease_until: datetime | None
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    error: str
    progress: int = 0
    total: int = 0
