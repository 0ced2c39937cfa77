"""What is still to be done with an instance, so that nobody takes it away from under it."""

from collections.abc import Sequence

from sqlalchemy import ColumnElement, Connection, and_, literal_column, or_, select, text

from storage.records.arrival import Place
from storage.records.jobs import OPEN, Job, JobState
from storage.records.tables import job

_KINDS = ("deidentify", "infer")
# Written out, not bound: else SQLite cannot know that the partial index serves.
_DEAD = and_(job.c.state == literal_column("'dead'"), job.c.finished_at.is_not(None))


class PendingRepo:
    """Open ends, in one transaction."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def jobs_of(self, place: Place) -> Sequence[Job]:
        """Return the jobs that read an instance and are not done: open, or dead.

        They are about it, its series or its study. `node.rulings.orders` has their `dedupe` begin with their
        kind.
        """
        found: list[Job] = []
        for kind in _KINDS:
            named = and_(job.c.dedupe >= f"{kind}:", job.c.dedupe < f"{kind};")
            for state in (and_(text(OPEN), named), and_(_DEAD, job.c.kind == kind)):
                query = select(job).where(state, _about(place)).order_by(job.c.id)
                found += [
                    Job(**{**row, "state": JobState(row["state"])})
                    for row in self._connection.execute(query).mappings()
                ]
        return found


def _about(place: Place) -> ColumnElement[bool]:
    rows = {"instance": place.instance_row, "series": place.series_row, "study": place.study_row}
    level, row = job.c.payload["level"].as_string(), job.c.payload["row"].as_integer()
    return or_(*(and_(level == name, row == number) for name, number in rows.items()))
