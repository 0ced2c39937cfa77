"""Why a person must look before something is delivered, and who did."""

from collections.abc import Sequence
from datetime import datetime
from functools import cache
from typing import Any

from sqlalchemy import Connection, Select, bindparam, select, update

from storage.records.rulings import Held
from storage.records.schema import indexable
from storage.records.tables import hold
from storage.sql.prepared import Inserter, Prepared, padded, power

_OPEN = hold.c.released_at.is_(None)
_AT_ONCE = 64  # studies


class HoldsRepo:
    """The table of holds, in one transaction."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def add(self, *holds: Held) -> int:
        """Open holds; return how many, for one that is open for the same reason is not opened again."""
        rows = [
            {
                "level": each.level,
                "row": each.row,
                "study_row": each.study_row,
                "reason": indexable(each.reason),
                "author": each.author,
                "at": each.at,
            }
            for each in holds
        ]
        rows.sort(key=lambda row: (row["study_row"], row["level"], row["row"], row["reason"]))
        return len(_insert(self._connection.dialect.name).run(self._connection, rows))

    def open_for(self, *study_rows: int) -> list[Held]:
        """Return the open holds on studies or anything in them, the first first."""
        return self._open(study_rows, lock=False)

    def lock_open(self, *study_rows: int) -> list[Held]:
        """Return what `open_for` does; nobody closes any of them until the transaction ends.

        So nothing is held back by one that a person releases in this moment: it would never be let go.
        """
        return self._open(study_rows, lock=True)

    def _open(self, study_rows: Sequence[int], *, lock: bool) -> list[Held]:
        found: list[Held] = []
        for start in range(0, len(study_rows), _AT_ONCE):
            some = study_rows[start : start + _AT_ONCE]
            size = power(len(some))
            query = _find(size, self._connection.dialect.name, lock=lock)
            found += [Held(*row) for row in query.run(self._connection, padded("study", some, size))]
        return sorted(found, key=lambda each: each.id)

    def get(self, number: int) -> Held | None:
        """Return the hold of this number."""
        row = self._connection.execute(_SELECT.where(hold.c.id == number)).first()
        return Held(*row) if row else None

    def release(self, number: int, author: str, at: datetime) -> Held | None:
        """Close a hold, but release nothing that it held back; None when none of this number is open."""
        closed = (
            update(hold)
            .where(hold.c.id == number, _OPEN)
            .values(released_at=at, released_by=author)
            .returning(*_COLUMNS)
        )
        row = self._connection.execute(closed).first()
        return Held(*row) if row else None

    def list(self, *, open_only: bool = True, limit: int = 100) -> list[Held]:
        """Return the newest holds first."""
        query = _SELECT.order_by(hold.c.id.desc()).limit(limit)
        if open_only:
            query = query.where(_OPEN)
        return [Held(*row) for row in self._connection.execute(query)]


# In the order of the fields of `Held`.
_COLUMNS = (
    hold.c.level,
    hold.c.row,
    hold.c.study_row,
    hold.c.reason,
    hold.c.author,
    hold.c.at,
    hold.c.released_at,
    hold.c.released_by,
    hold.c.id,
)
_SELECT: Select[Any] = select(*_COLUMNS)


@cache
def _insert(kind: str) -> Inserter:
    return Inserter(hold, kind, skip=True, returning=("id",))


@cache
def _find(size: int, kind: str, *, lock: bool) -> Prepared:
    """Find the open holds of `size` studies."""
    rows = [bindparam(f"study_{i}", type_=hold.c.study_row.type) for i in range(size)]
    query = _SELECT.where(hold.c.study_row.in_(rows), _OPEN).order_by(hold.c.id)  # the order of locks
    return Prepared(query.with_for_update(key_share=True) if lock else query, kind, typed=True)
