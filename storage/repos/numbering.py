"""Rows of tables from which rows are removed, by numbers that are never given twice.

PostgreSQL counts up whatever happens. SQLite takes the number after the largest that there is: whoever still
knows a row that was the last one, and was removed, would find another under its number.
"""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Column, ColumnElement, Connection, Table, bindparam, func, literal_column, select

from storage.sql.prepared import Inserter, Prepared

Row = dict[str, Any]


class Numbered:
    """Inserts rows, those left out that are there already, as `Inserter` does.

    Parameters
    ----------
    removed
        Column with the numbers of rows that were removed.
    returning
        Columns to return of each row that was inserted; rows give them as the table keeps them.
    """

    def __init__(self, table: Table, removed: Column[Any], kind: str, *, returning: Sequence[str]) -> None:
        self._counts = kind != "sqlite"
        self._returning = returning
        names = returning if self._counts else ()
        self._insert = Inserter(table, kind, skip=True, returning=names, numbered=not self._counts)
        self._last = Prepared(_last(table, removed), kind)
        self._above = Prepared(_above(table, returning), kind)

    def run(self, connection: Connection, rows: Sequence[Row]) -> Sequence[Any]:
        """Insert `rows` in their order and, on SQLite, number them; return what `returning` asked for."""
        if self._counts or not rows:
            return self._insert.run(connection, rows)
        ((last,),) = self._last.run(connection, {})
        for number, row in enumerate(rows, last + 1):
            row["id"] = number
        if self._insert.fill(connection, rows) == len(rows):
            return [tuple([row[name] for name in self._returning]) for row in rows]
        return self._above.run(connection, {"last": last})  # nobody else writes meanwhile


def _last(table: Table, removed: Column[Any]) -> Any:
    none: ColumnElement[int] = literal_column("0")
    largest = [
        func.coalesce(select(func.max(column)).scalar_subquery(), none) for column in (table.c.id, removed)
    ]
    return select(func.max(*largest))  # of two values SQLite's max() is no aggregate


def _above(table: Table, returning: Sequence[str]) -> Any:
    last = bindparam("last", type_=table.c.id.type)
    return select(*(table.c[name] for name in returning)).where(table.c.id > last).order_by(table.c.id)
