"""Statements compiled once, where SQLAlchemy's work for each call would cost more than the database's.

They are written as SQLAlchemy's own expressions, so that what differs between SQLite and PostgreSQL is its
business. Values go through the column types as always; values that come back do not, unless that is asked
for. The driver's cursor is used directly, within the connection's transaction, and fails as every other
statement does.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, cast

from sqlalchemy import ColumnElement, Connection, Dialect, Insert, Table
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.dialects.postgresql import psycopg2
from sqlalchemy.dialects.sqlite import pysqlite
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.elements import ClauseElement

from storage.engine import classify, describe

Values = Mapping[str, Any]

_LARGEST = 32  # rows or values in one statement, a power of two


class Prepared:
    """A statement with named parameters, run for one set of values or for many.

    Parameters
    ----------
    kind
        Of the database that it will run on: ``sqlite`` or ``postgresql``.
    typed
        What comes back goes through the types of the columns that a SELECT selects.
    """

    def __init__(self, statement: ClauseElement, kind: str, *, typed: bool = False) -> None:
        self._sql, self._plan = _compile(statement, kind)
        self._results = _processors(cast(Any, statement).selected_columns, kind) if typed else ()

    def run(self, connection: Connection, values: Values) -> Sequence[Any]:
        """Run it and return its rows."""
        rows = _execute(connection, self._sql, _bind(self._plan, values))
        return [_typed(self._results, row) for row in rows] if self._results else rows

    def later(self, writes: "Writes", values: Values) -> None:
        """Leave it to `writes`."""
        writes.add(self._sql, _bind(self._plan, values))


class Inserter:
    """Inserts rows into a table, many with one statement; what a row does not give is the column's default.

    Parameters
    ----------
    skip
        A row that is there already, by any unique key, is left alone.
    returning
        Columns to return of each row that was inserted.
    numbered
        Rows give their primary key.
    """

    def __init__(
        self,
        table: Table,
        kind: str,
        *,
        skip: bool = False,
        returning: Sequence[str] = (),
        numbered: bool = False,
    ) -> None:
        given = [column for column in table.c if numbered or not column.primary_key]
        columns = [column.name for column in given]
        defaults = [getattr(column.default, "arg", None) for column in given]
        plain: Insert = table.insert().inline().values(dict.fromkeys(columns))
        whole = _skipping(table, kind).inline().values(dict.fromkeys(columns)) if skip else plain
        if returning:
            whole = whole.returning(*(table.c[name] for name in returning))
        bare, plan = _compile(plain, kind)
        self._plan = [
            (name, process, default) for (name, process), default in zip(plan, defaults, strict=True)
        ]
        sql, _ = _compile(whole, kind)
        self._head, marker, self._row = bare.partition(" VALUES ")
        self._head += marker
        self._tail = sql[len(bare) :]
        self._by_count: dict[int, str] = {}

    def run(self, connection: Connection, rows: Sequence[Values]) -> list[Any]:
        """Insert `rows` in their order; return what `returning` asked for."""
        returned: list[Any] = []
        for sql, values in self._parts(rows):
            returned.extend(_execute(connection, sql, values))
        return returned

    def later(self, writes: "Writes", rows: Sequence[Values]) -> None:
        """Leave it to `writes`."""
        for sql, values in self._parts(rows):
            writes.add(sql, values)

    def _parts(self, rows: Sequence[Values]) -> Iterator[tuple[str, tuple[Any, ...]]]:
        for part in _powers(rows):
            yield self._sql(len(part)), tuple([value for row in part for value in self._bind(row)])

    def _bind(self, row: Values) -> Iterator[Any]:
        for name, process, default in self._plan:
            value = row.get(name, default)
            yield process(value) if process else value

    def _sql(self, count: int) -> str:
        sql = self._by_count.get(count)
        if sql is None:
            sql = self._head + ", ".join([self._row] * count) + self._tail
            self._by_count[count] = sql
        return sql


class Writes:
    """Statements whose results nobody needs but the last one's, sent in their order, on PostgreSQL at once.

    There each one alone would cost a journey to the server and back.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._waiting: list[tuple[str, tuple[Any, ...]]] = []

    def add(self, sql: str, values: tuple[Any, ...]) -> None:
        """Add a statement in the driver's words."""
        self._waiting.append((sql, values))

    def send(self) -> Sequence[Any]:
        """Run what was added; return the rows of the last statement."""
        waiting, self._waiting = self._waiting, []
        if waiting and self._connection.dialect.name == "postgresql":
            together = ";".join([sql for sql, _ in waiting])
            waiting = [(together, tuple([value for _, values in waiting for value in values]))]
        rows: Sequence[Any] = ()
        for sql, values in waiting:
            rows = _execute(self._connection, sql, values)
        return rows


def padded(name: str, values: Sequence[Any], size: int) -> dict[str, Any]:
    """Return ``name_0`` … for a statement that asks for `size` values; the last one fills the rest."""
    return {f"{name}_{i}": values[min(i, len(values) - 1)] for i in range(size)}


def power(count: int) -> int:
    """Return the smallest power of two that is not below `count`, so that few statements serve all counts."""
    return 1 << max(count - 1, 0).bit_length()


def _powers(rows: Sequence[Values]) -> Iterator[Sequence[Values]]:
    start = 0
    while start < len(rows):
        left = len(rows) - start
        size = min(_LARGEST, 1 << (left.bit_length() - 1))
        yield rows[start : start + size]
        start += size


_Plan = tuple[tuple[str, Any], ...]


def _bind(plan: _Plan, values: Values) -> tuple[Any, ...]:
    return tuple([process(values[name]) if process else values[name] for name, process in plan])


def _execute(connection: Connection, sql: str, values: tuple[Any, ...]) -> Sequence[Any]:
    cursor = connection.connection.cursor()
    try:
        cursor.execute(sql, values)
        return cursor.fetchall() if cursor.description else ()
    except Exception as error:
        if connection.dialect.is_disconnect(error, None, None):  # type: ignore[arg-type]
            connection.invalidate(error)
        kind = classify(error)
        if kind is None:
            raise
        raise kind(describe(error)) from None
    finally:
        cursor.close()


def _dialect(kind: str) -> Dialect:
    make: Any = psycopg2.dialect if kind == "postgresql" else pysqlite.dialect
    return cast(Dialect, make(paramstyle="format" if kind == "postgresql" else "qmark"))


def _compile(statement: ClauseElement, kind: str) -> tuple[str, _Plan]:
    """Return the statement in the driver's words, and each parameter's name with what prepares its value."""
    dialect = _dialect(kind)
    compiled = cast(SQLCompiler, statement.compile(dialect=dialect))
    plan = []
    for name in compiled.positiontup or ():
        of_column = compiled.binds[name].type.dialect_impl(dialect)
        plan.append((name, of_column.bind_processor(dialect)))
    return compiled.string, tuple(plan)


def _processors(columns: Iterable[ColumnElement[Any]], kind: str) -> tuple[Any, ...]:
    """Return what makes of each column's value in the driver the one that its type stands for."""
    dialect = _dialect(kind)
    return tuple(each.type.dialect_impl(dialect).result_processor(dialect, None) for each in columns)


def _typed(processors: tuple[Any, ...], row: Any) -> tuple[Any, ...]:
    return tuple(process(value) if process else value for process, value in zip(processors, row, strict=True))


def _skipping(table: Table, kind: str) -> Insert:
    if kind == "postgresql":
        return postgresql.insert(table).on_conflict_do_nothing()
    return sqlite.insert(table).on_conflict_do_nothing()
