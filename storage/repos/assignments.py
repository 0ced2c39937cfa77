"""To whom studies are given to read."""

from functools import cache
from typing import Any

from sqlalchemy import Connection, select

from storage.records.rulings import Assignment
from storage.records.tables import assignment
from storage.sql.prepared import Inserter

_FIELDS = ("centre", "reader", "urgency")


class AssignmentsRepo:
    """The table of assignments, which only ever grows, in one transaction."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def add(self, *assignments: Assignment) -> None:
        """Give studies to somebody to read; what an assignment leaves empty stays as it was."""
        rows = [
            {
                "study_row": each.study_row,
                "centre": each.centre,
                "reader": each.reader,
                "urgency": each.urgency,
                "author": each.author,
                "at": each.at,
            }
            for each in assignments
        ]
        _insert(self._connection.dialect.name).run(self._connection, rows)

    def of(self, study_row: int) -> Assignment | None:
        """Return what counts for a study: each field's newest value, the newest moment and author."""
        newest: Assignment | None = None
        fields: dict[str, str] = {}
        for each in reversed(self.history(study_row)):
            newest = newest or each
            for name in _FIELDS:
                fields[name] = fields.get(name) or getattr(each, name)
        return newest and Assignment(study_row, newest.at, author=newest.author, **fields)

    def history(self, study_row: int) -> list[Assignment]:
        """Return all assignments of a study, the first first."""
        query = select(assignment).where(assignment.c.study_row == study_row).order_by(assignment.c.id)
        return [_assignment(row) for row in self._connection.execute(query)]


def _assignment(row: Any) -> Assignment:
    return Assignment(row.study_row, row.at, row.centre, row.reader, row.urgency, row.author)


@cache
def _insert(kind: str) -> Inserter:
    return Inserter(assignment, kind)
