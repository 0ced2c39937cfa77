"""Statements compiled once, where SQLAlchemy's work for each call would cost more than the database's.

They are written as SQLAlchemy's own expressions, so that what differs between SQLite and PostgreSQL is its
business. Values go through the column types as always; values that come back do not, unless that is asked
for. The driver's cursor is used directly, within the connection's transaction, and fails as every other
statement does.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain
from operator import itemgetter
from typing import Any, cast

from sqlalchemy import Column, ColumnElement, Connection, Dialect, Insert, Table
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.dialects.postgresql import psycopg2
from sqlalchemy.dialects.sqlite import pysqlite
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.elements import ClauseElement

from storage.engine import classify, describe
from storage.records.schema import Words, is_plain

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
        self._sql, self._plan = compiled(statement, kind)
        self._results = _processors(cast(Any, statement).selected_columns, kind) if typed else ()

    def run(self, connection: Connection, values: Values) -> Sequence[Any]:
        """Run it and return its rows."""
        rows = _execute(connection, self._sql, bound(self._plan, values))
        return [_typed(self._results, row) for row in rows] if self._results else rows

    def later(self, writes: "Writes", values: Values) -> None:
        """Leave it to `writes`."""
        writes.add(self._sql, bound(self._plan, values))


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
        plain: Insert = table.insert().inline().values(dict.fromkeys(columns))
        whole = _skipping(table, kind).inline().values(dict.fromkeys(columns)) if skip else plain
        if returning:
            whole = whole.returning(*(table.c[name] for name in returning))
        bare, plan = compiled(plain, kind)
        self._binder = _Binder(given, plan)
        sql, _ = compiled(whole, kind)
        self._head, marker, self._row = bare.partition(" VALUES ")
        self._head += marker
        self._tail = sql[len(bare) :]
        self._by_count: dict[int, str] = {}
        # SQLite runs a statement of one row again and again faster than it reads one of many.
        self._largest = 1 if kind == "sqlite" and not returning else _LARGEST

    def run(self, connection: Connection, rows: Sequence[Values]) -> list[Any]:
        """Insert `rows` in their order; return what `returning` asked for."""
        returned: list[Any] = []
        if self._largest == 1:
            self.fill(connection, rows)
            return returned
        for sql, values in self._parts(rows):
            returned.extend(_execute(connection, sql, values))
        return returned

    def fill(self, connection: Connection, rows: Sequence[Values]) -> int:
        """Insert `rows` in their order, when nothing else is to be returned of them; return how many were."""
        if self._largest == 1:
            return _change(connection, self._sql(1), self._binder.bind(rows)) if rows else 0
        return sum(_change(connection, sql, [values]) for sql, values in self._parts(rows))

    def later(self, writes: "Writes", rows: Sequence[Values]) -> None:
        """Leave it to `writes`."""
        if self._largest == 1:
            writes.add(self._sql(1), *self._binder.bind(rows))
            return
        for sql, values in self._parts(rows):
            writes.add(sql, values)

    def _parts(self, rows: Sequence[Values]) -> Iterator[tuple[str, tuple[Any, ...]]]:
        for part in _powers(self._binder.bind(rows), self._largest):
            yield self._sql(len(part)), tuple(chain.from_iterable(part))

    def _sql(self, count: int) -> str:
        sql = self._by_count.get(count)
        if sql is None:
            sql = self._head + ", ".join([self._row] * count) + self._tail
            self._by_count[count] = sql
        return sql


class _Binder:
    """Makes of rows the driver's values, in the order of the columns.

    Nearly every row has only text that needs nothing: that is seen by one look at all of it. And what rows
    have in common, the very same object, is prepared once.
    """

    def __init__(self, columns: Sequence[Column[Any]], plan: "Plan") -> None:
        names = [column.name for column in columns]
        self._pick = itemgetter(*names)
        self._defaults = {column.name: getattr(column.default, "arg", None) for column in columns}
        texts = [place for place, column in enumerate(columns) if isinstance(column.type, Words)]
        self._texts = itemgetter(*texts) if len(texts) > 1 else None
        processed = [(place, process) for place, (_, process) in enumerate(plan) if process]
        self._all = tuple(processed)
        self._not_text = tuple(each for each in processed if each[0] not in texts)

    def bind(self, rows: Sequence[Values]) -> list[list[Any]]:
        bound = []
        # By the address of the value, with the value, so that nothing else is there meanwhile.
        known: dict[tuple[int, int], tuple[Any, Any]] = {}
        for row in rows:
            try:
                values = [*self._pick(row)]
            except KeyError:  # not all are given
                values = [*self._pick({**self._defaults, **row})]
            for place, process in self._not_text if self._is_plain(values) else self._all:
                value = values[place]
                mark = place, id(value)
                pair = known.get(mark)
                if pair is None:
                    pair = known[mark] = value, process(value)
                values[place] = pair[1]
            bound.append(values)
        return bound

    def _is_plain(self, values: Sequence[Any]) -> bool:
        try:
            return self._texts is not None and is_plain("".join(self._texts(values)))
        except TypeError:  # None among them
            return False


class Writes:
    """Statements whose results nobody needs but the last one's, sent in their order, as few times as can be.

    On PostgreSQL all at once, for each one alone would cost a journey to the server and back; on SQLite those
    that differ only in their values.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._waiting: list[tuple[str, list[Sequence[Any]]]] = []

    def add(self, sql: str, *values: Sequence[Any]) -> None:
        """Add a statement in the driver's words, to be run for each of `values`."""
        if self._waiting and self._waiting[-1][0] == sql:
            self._waiting[-1][1].extend(values)
        elif values:
            self._waiting.append((sql, [*values]))

    def send(self) -> Sequence[Any]:
        """Run what was added; return the rows of the last statement."""
        waiting, self._waiting = self._waiting, []
        if waiting and self._connection.dialect.name == "postgresql":
            together = ";".join([sql for sql, some in waiting for _ in some])
            values = tuple([value for _, some in waiting for each in some for value in each])
            return _execute(self._connection, together, values)
        rows: Sequence[Any] = ()
        for sql, some in waiting:
            if len(some) == 1:
                rows = _execute(self._connection, sql, some[0])
            else:
                rows = ()
                _change(self._connection, sql, some)
        return rows


def padded(name: str, values: Sequence[Any], size: int) -> dict[str, Any]:
    """Return ``name_0`` … for a statement that asks for `size` values; the last one fills the rest."""
    return {f"{name}_{i}": values[min(i, len(values) - 1)] for i in range(size)}


def power(count: int) -> int:
    """Return the smallest power of two that is not below `count`, so that few statements serve all counts."""
    return 1 << max(count - 1, 0).bit_length()


def _powers(rows: Sequence[Any], largest: int) -> Iterator[Sequence[Any]]:
    start = 0
    while start < len(rows):
        left = len(rows) - start
        size = min(largest, 1 << (left.bit_length() - 1))
        yield rows[start : start + size]
        start += size


Plan = tuple[tuple[str, Any], ...]
"""Each parameter of a statement in its order: its name, and what prepares its value, if anything."""


def bound(plan: Plan, values: Values) -> tuple[Any, ...]:
    """Return the driver's parameters, from name to value."""
    return tuple([process(values[name]) if process else values[name] for name, process in plan])


def _execute(connection: Connection, sql: str, values: Sequence[Any]) -> Sequence[Any]:
    cursor = connection.connection.cursor()
    try:
        cursor.execute(sql, values)
        return cursor.fetchall() if cursor.description else ()
    except Exception as error:
        raise failure(connection, error) from None
    finally:
        cursor.close()


def _change(connection: Connection, sql: str, rows: Sequence[Sequence[Any]]) -> int:
    """Run a statement for each of `rows`; return how many rows of the table that came to."""
    cursor = connection.connection.cursor()
    try:
        if len(rows) == 1:
            cursor.execute(sql, rows[0])
        else:
            cursor.executemany(sql, rows)
        return cursor.rowcount
    except Exception as error:
        raise failure(connection, error) from None
    finally:
        cursor.close()


def failure(connection: Connection, error: Exception) -> Exception:
    """Return what is to be raised for what the driver raised."""
    if connection.dialect.is_disconnect(error, None, None):  # type: ignore[arg-type]
        connection.invalidate(error)
    kind = classify(error)
    return error if kind is None else kind(describe(error))


def _dialect(kind: str) -> Dialect:
    make: Any = psycopg2.dialect if kind == "postgresql" else pysqlite.dialect
    return cast(Dialect, make(paramstyle="format" if kind == "postgresql" else "qmark"))


def compiled(statement: ClauseElement, kind: str) -> tuple[str, Plan]:
    """Return the statement in the driver's words, and each parameter's name with what prepares its value."""
    dialect = _dialect(kind)
    done = cast(SQLCompiler, statement.compile(dialect=dialect))
    plan = []
    for name in done.positiontup or ():
        of_column = done.binds[name].type.dialect_impl(dialect)
        plan.append((name, of_column.bind_processor(dialect)))
    return done.string, tuple(plan)


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
