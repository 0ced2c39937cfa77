"""Rows of tables from which rows are removed, by numbers that are never given twice.

PostgreSQL counts up whatever happens. SQLite takes the number after the largest that there is: whoever still
knows a row that was the last one, and was removed, would find another under its number.
"""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Column, ColumnElement, Connection, Table, func, literal_column, select

from storage.sql.prepared import Inserter, Prepared, Values


class Numbered:
    """Inserts rows, those left out that are there already, as `Inserter` does.

    Parameters
    ----------
    removed
        Column with the numbers of rows that were removed.
    """

    def __init__(self, table: Table, removed: Column[Any], kind: str, *, returning: Sequence[str]) -> None:
        counts = kind != "sqlite"
        self._insert = Inserter(table, kind, skip=True, returning=returning, numbered=not counts)
        self._last = None if counts else Prepared(_last(table, removed), kind)

    def run(self, connection: Connection, rows: Sequence[Values]) -> list[Any]:
        """Insert `rows` in their order; return what `returning` asked for."""
        if self._last is not None:
            ((last,),) = self._last.run(connection, {})
            rows = [{**row, "id": last + 1 + place} for place, row in enumerate(rows)]
        return self._insert.run(connection, rows)


def _last(table: Table, removed: Column[Any]) -> Any:
    none: ColumnElement[int] = literal_column("0")
    largest = [
        func.coalesce(select(func.max(column)).scalar_subquery(), none) for column in (table.c.id, removed)
    ]
    return select(func.max(*largest))  # of two values SQLite's max() is no aggregate
