"""Studies that have grown since they last settled, and when each is to be looked at."""

from collections.abc import Sequence
from datetime import datetime
from functools import cache
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    and_,
    bindparam,
    case,
    delete,
    func,
    literal_column,
    select,
    update,
)
from sqlalchemy.dialects import postgresql, sqlite

from storage.records.rulings import Settling
from storage.records.tables import settling
from storage.sql.prepared import Prepared, Writes

_SELECT = select(
    settling.c.study_row, settling.c.opened_at, settling.c.last_at, settling.c.due, settling.c.growth
)


class SettlingRepo:
    """The table of studies that settle, in one transaction."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def note(self, rows: Sequence[tuple[int, datetime, datetime]]) -> None:
        """Let studies settle, or settle anew.

        Parameters
        ----------
        rows
            Of each study its row, when something came, and when to look at it.
        """
        writes = Writes(self._connection)
        statement = _note(self._connection.dialect.name)
        for study_row, at, due in sorted(rows):  # the order of locks
            statement.later(writes, {"study_row": study_row, "opened_at": at, "last_at": at, "due": due})
        writes.send()

    def due(self, at: datetime, limit: int) -> list[Settling]:
        """Return up to `limit` studies that are to be looked at by `at`, the one due first first."""
        query = _SELECT.where(settling.c.due <= at).order_by(settling.c.due, settling.c.id).limit(limit)
        return [Settling(*row) for row in self._connection.execute(query)]

    def next_due(self) -> datetime | None:
        """Return when the next is to be looked at; None when none is."""
        first: datetime | None = self._connection.execute(select(func.min(settling.c.due))).scalar_one()
        return first

    def get(self, study_row: int) -> Settling | None:
        """Return how a study settles; None when it has settled."""
        row = self._connection.execute(_SELECT.where(settling.c.study_row == study_row)).first()
        return Settling(*row) if row else None

    def postpone(self, seen: Settling, due: datetime) -> bool:
        """Look at a study later; False when it is not any more as it was seen."""
        later = update(settling).where(_is(seen)).values(due=due)
        return self._connection.execute(later).rowcount == 1

    def close(self, seen: Settling) -> bool:
        """Let a study have settled; False when it is not any more as it was seen."""
        return self._connection.execute(delete(settling).where(_is(seen))).rowcount == 1


def _is(seen: Settling) -> ColumnElement[bool]:
    # All of it: what was under way for long may have come without `last_at` having risen.
    return and_(
        settling.c.study_row == seen.study_row,
        settling.c.opened_at == seen.opened_at,
        settling.c.last_at == seen.last_at,
        settling.c.due == seen.due,
        settling.c.growth == seen.growth,
    )


@cache
def _note(kind: str) -> Prepared:
    insert: Any = postgresql.insert if kind == "postgresql" else sqlite.insert
    names = ("study_row", "opened_at", "last_at", "due")
    values: dict[str, Any] = {name: bindparam(name, type_=settling.c[name].type) for name in names}
    new = insert(settling).values(**values, growth=literal_column("1"))
    came, old = new.excluded, settling.c
    return Prepared(
        new.on_conflict_do_update(
            index_elements=[old.study_row],
            set_={
                "opened_at": case((came.opened_at < old.opened_at, came.opened_at), else_=old.opened_at),
                "last_at": case((came.last_at > old.last_at, came.last_at), else_=old.last_at),
                "due": came.due,
                "growth": old.growth + literal_column("1"),
            },
        ),
        kind,
    )
