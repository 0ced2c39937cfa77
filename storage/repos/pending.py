"""What is still to be done with an instance, so that nobody takes it away from under it."""

from collections.abc import Sequence

from sqlalchemy import Connection, and_, literal_column, or_, text

from storage.records.arrival import Place
from storage.records.jobs import OPEN, Job, JobState
from storage.records.tables import job
from storage.repos.about import jobs_about

_KINDS = ("deidentify", "infer")
_DEAD = and_(job.c.state == literal_column("'dead'"), job.c.finished_at.is_not(None))
_NOT_DONE = or_(text(OPEN), _DEAD)


class PendingRepo:
    """Open ends, in one transaction."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def jobs_of(self, place: Place) -> Sequence[Job]:
        """Return the jobs that read an instance and are not done: open, or dead.

        They are about it, its series or its study.
        """
        things = [("instance", place.instance_row), ("series", place.series_row), ("study", place.study_row)]
        rows = jobs_about(self._connection, _KINDS, things, _NOT_DONE)
        found = [Job(**{**row, "state": JobState(row["state"])}) for row in rows]
        return sorted(found, key=lambda each: each.id)
