"""The database engine, and what differs between SQLite and PostgreSQL in how it is set up and how it fails.

SQLite runs in WAL mode with synchronous=FULL: a commit is on disk when it returns, and readers never
wait for the one writer. PostgreSQL runs with synchronous_commit on, whatever the server's default.

An engine that is not `durable` leaves its commits to the next one that is: after a power cut they are there
in their order up to some moment, and none behind it. That is for what can be made again (`node.indexing`).
"""

import math
import sqlite3
import time
from functools import partial
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event, make_url
from sqlalchemy.engine import URL, ExceptionContext
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import ArgumentError, DisconnectionError, IntegrityError, NoSuchModuleError
from sqlalchemy.pool import ConnectionPoolEntry

from storage.errors import Damaged, OutOfSpace, StorageError, Unavailable

_BUSY_SECONDS = 30.0


class Busy(Unavailable):
    """Another writer was in the way. The same transaction, tried again at once, can succeed."""


_IDLE_SECONDS = 1.0
_TURN = 0.0005  # seconds between two looks whether another writer is done

_POSTGRES_SETTINGS = (
    "default_transaction_isolation=read\\ committed",
    "timezone=UTC",
    "client_encoding=UTF8",
)

_SQLITE_ERRORS: dict[int, type[StorageError]] = {  # by primary result code
    sqlite3.SQLITE_BUSY: Busy,
    sqlite3.SQLITE_LOCKED: Busy,
    sqlite3.SQLITE_FULL: OutOfSpace,
    sqlite3.SQLITE_IOERR: Unavailable,
    sqlite3.SQLITE_CANTOPEN: Unavailable,
    sqlite3.SQLITE_READONLY: Unavailable,
    sqlite3.SQLITE_PERM: Unavailable,
    sqlite3.SQLITE_CORRUPT: Damaged,
    sqlite3.SQLITE_NOTADB: Damaged,
}
_POSTGRES_CLASSES: dict[str, type[StorageError]] = {  # by SQLSTATE, or its first two characters
    "23503": Busy,  # foreign_key_violation: what was just read has been removed meanwhile
    "40001": Busy,  # serialization_failure
    "40P01": Busy,  # deadlock_detected
    "55P03": Busy,  # lock_not_available
    "53100": OutOfSpace,  # disk_full
    "53": Unavailable,  # insufficient resources
    "57": Unavailable,  # operator intervention: shutdown, cancel
    "58": Unavailable,  # system error
    "08": Unavailable,  # connection exception
    "XX001": Damaged,  # data_corrupted
    "XX002": Damaged,  # index_corrupted
}


def make_engine(url: str, *, durable: bool = True) -> Engine:
    """Return an engine for `url`, which is not connected yet.

    Parameters
    ----------
    durable
        A commit survives a power cut once it has returned.

    Raises
    ------
    StorageError
        The URL is none, or names a database that is neither SQLite nor PostgreSQL.
    """
    try:
        parsed = make_url(url)
        kind = parsed.get_backend_name()
        if kind == "sqlite":
            engine = _sqlite(parsed, durable)
        elif kind == "postgresql":
            engine = _postgresql(parsed, durable)
        else:
            raise StorageError(f"database URL: {kind!r} is neither sqlite nor postgresql")
    except (ArgumentError, NoSuchModuleError) as error:
        raise StorageError(f"database URL: {error}") from None
    event.listen(engine, "handle_error", _translate)
    return engine


def _sqlite(url: URL, durable: bool) -> Engine:
    if not url.database or url.database == ":memory:":
        raise StorageError("database URL: an archive in SQLite needs a file, as in sqlite:///data/index.db")
    engine = create_engine(
        url,
        hide_parameters=True,  # they are patient data, and errors are logged
        pool_size=8,
        max_overflow=56,
        connect_args={"timeout": _BUSY_SECONDS, "isolation_level": None},
    )
    event.listen(engine, "connect", partial(_prepare_sqlite, durable))
    event.listen(engine, "begin", _begin_sqlite)
    return engine


def _prepare_sqlite(durable: bool, connection: sqlite3.Connection, _record: object) -> None:
    cursor = connection.cursor()
    try:
        _set_wal(cursor)
        cursor.execute(f"PRAGMA synchronous={'FULL' if durable else 'NORMAL'}")
        cursor.execute("PRAGMA foreign_keys=ON")
        cursor.execute("PRAGMA cache_size=-8000")  # KiB, for each connection
        # No mmap: a failing disk would end the process by SIGBUS instead of an error.
        cursor.execute("PRAGMA mmap_size=0")
        cursor.execute("PRAGMA journal_size_limit=67108864")
    finally:
        cursor.close()


def _set_wal(cursor: sqlite3.Cursor) -> None:
    """Turn WAL on; SQLite does not wait here when another process does the same, so we do."""
    deadline = time.monotonic() + _BUSY_SECONDS
    while True:
        try:
            cursor.execute("PRAGMA journal_mode=WAL")
            return
        except sqlite3.OperationalError as error:
            if _sqlite_code(error) != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                raise
            time.sleep(0.02)


def _begin_sqlite(connection: Connection) -> None:
    # A reader that turns writer halfway fails at once when another wrote meanwhile; so writers say so first.
    if not connection.get_execution_options().get("isocentre_write", False):
        connection.exec_driver_sql("BEGIN")
        return
    cursor = connection.connection.cursor()
    try:
        _begin_writing(cursor)
    except sqlite3.Error as error:  # nobody translates what is raised in here
        raise (classify(error) or StorageError)(describe(error)) from None
    finally:
        cursor.close()


def _begin_writing(cursor: Any) -> None:
    """Become the one writer. SQLite itself would look whether it may up to 100 ms apart: too rarely.

    Two processes that write by turns, receiver and worker, would mostly sleep.
    """
    deadline = time.monotonic() + _BUSY_SECONDS
    cursor.execute("PRAGMA busy_timeout=0")
    try:
        while True:
            try:
                cursor.execute("BEGIN IMMEDIATE")
                return
            except sqlite3.OperationalError as error:
                if _sqlite_code(error) != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                    raise
                time.sleep(_TURN)
    finally:
        cursor.execute(f"PRAGMA busy_timeout={_BUSY_SECONDS * 1000:.0f}")


def _postgresql(url: URL, durable: bool) -> Engine:
    if url.get_driver_name() != "psycopg2":
        raise StorageError("database URL: for PostgreSQL write postgresql+psycopg2://")
    engine = create_engine(
        url,
        hide_parameters=True,
        pool_size=8,
        max_overflow=24,
        connect_args={
            "application_name": "isocentre",
            "connect_timeout": 10,
            "options": " -c ".join(
                ["", f"synchronous_commit={'on' if durable else 'off'}", *_POSTGRES_SETTINGS]
            ).strip(),
        },
    )
    event.listen(engine, "checkin", _note_idle)
    event.listen(engine, "checkout", partial(_ping_idle, engine))
    return engine


def _note_idle(_connection: object, record: ConnectionPoolEntry) -> None:
    record.info["idle_since"] = time.monotonic()


def _ping_idle(
    engine: Engine, connection: DBAPIConnection, record: ConnectionPoolEntry, _proxy: object
) -> None:
    """See whether a connection outlived a pause; in steady use none is asked: it costs a journey."""
    if time.monotonic() - record.info.get("idle_since", math.inf) < _IDLE_SECONDS:
        return
    try:
        engine.dialect.do_ping(connection)
    except engine.dialect.loaded_dbapi.Error:
        raise DisconnectionError from None  # the pool makes a new one


def _sqlite_code(error: BaseException) -> int:
    code: int = getattr(error, "sqlite_errorcode", 0)
    return code & 0xFF  # the rest says more than we ask


def _translate(context: ExceptionContext) -> BaseException | None:
    """Turn what the driver raises into what storage raises; what breaks a constraint stays as it is."""
    if isinstance(context.sqlalchemy_exception, IntegrityError):
        return None
    kind = classify(context.original_exception)
    if kind is None and context.is_disconnect:
        kind = Unavailable
    if kind is None:
        return None
    return kind(describe(context.original_exception))


def classify(error: BaseException) -> type[StorageError] | None:
    """Return the type of storage error that a driver's error amounts to, None when it is not one."""
    if isinstance(error, sqlite3.Error):
        return _SQLITE_ERRORS.get(_sqlite_code(error), StorageError)
    if _is_postgres(error):
        state: str = getattr(error, "pgcode", None) or ""
        kind = _POSTGRES_CLASSES.get(state) or _POSTGRES_CLASSES.get(state[:2])
        if kind is None and not state and type(error).__name__ in ("OperationalError", "InterfaceError"):
            kind = Unavailable  # the server never answered, so there is no code
        return kind or StorageError
    return None


def _is_postgres(error: BaseException) -> bool:
    return type(error).__module__.split(".", 1)[0] == "psycopg2"


def describe(error: BaseException) -> str:
    """Return the database's reason without the values of the row, which may be a patient's."""
    if isinstance(error, sqlite3.Error):
        return f"database: {error}"
    state = getattr(error, "pgcode", None)
    if state:
        return f"database: {type(error).__name__}, SQLSTATE {state}"
    first = (str(error).strip().splitlines() or [type(error).__name__])[0]
    return f"database: {first}"
