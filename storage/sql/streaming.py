"""Rows as the database finds them, a batch at a time: any number of them needs no more memory than a batch.

On PostgreSQL by a cursor of the server's, declared and first read in one journey; on SQLite the driver's own
does it. The transaction must stay open meanwhile, and all rows are of one moment.
"""

from collections.abc import Generator, Sequence
from itertools import count
from typing import Any

from sqlalchemy import Connection

from storage.sql.prepared import failure

FIRST = 10
"""Rows in the first batch: few, for whoever waits to see something."""

BATCH = 100
"""Rows in all others."""

Row = tuple[Any, ...]

_number = count()

# A broad query begins at once: compiling its plan to machine code could take longer than all of it. That the
# first tenth of the rows counts when plans are compared is PostgreSQL's own default for cursors, and right.
_SETTINGS = "SET LOCAL jit = off; SET LOCAL cursor_tuple_fraction = 0.1"


def stream(connection: Connection, sql: str, values: Sequence[Any]) -> Generator[Sequence[Row], None, None]:
    """Run a SELECT in the driver's words and yield its rows in batches, none of them empty.

    What is left unread is let go at the end of the transaction, at the latest.

    Raises
    ------
    StorageError
    """
    make = _by_declared if connection.dialect.name == "postgresql" else _by_driver
    batches = make(connection.connection.cursor(), sql, values)
    try:
        yield from batches
    except Exception as error:
        raise failure(connection, error) from None
    finally:
        batches.close()


def _by_driver(cursor: Any, sql: str, values: Sequence[Any]) -> Any:
    try:
        cursor.execute(sql, values)
        size = FIRST
        while rows := cursor.fetchmany(size):
            yield rows
            size = BATCH
    finally:
        cursor.close()


def _by_declared(cursor: Any, sql: str, values: Sequence[Any]) -> Any:
    name = f"found_{next(_number)}"
    begin = f"{_SETTINGS}; DECLARE {name} NO SCROLL CURSOR FOR {sql}; FETCH {FIRST} FROM {name}"
    try:
        cursor.execute(begin, values)
        rows, size = cursor.fetchall(), FIRST
        while rows:
            yield rows
            if len(rows) < size:
                return  # the cursor is at its end, and ends with the transaction
            size = BATCH
            cursor.execute(f"FETCH {size} FROM {name}")
            rows = cursor.fetchall()
    finally:
        cursor.close()
