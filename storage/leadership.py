"""One of many: a lock that the database holds for one process, and frees when that process dies.

On PostgreSQL it is an advisory lock of a session; on SQLite, where all processes share a machine, a lock
on a file beside the database. Neither needs a lease, and neither outlives a kill -9.
"""

import fcntl
import os
import zlib
from types import TracebackType
from typing import Self

from sqlalchemy import Connection, Engine, text

from storage.errors import StorageError, Unavailable


class Leadership:
    """The lock `name`; used by one thread."""

    def __init__(self, engine: Engine, name: str) -> None:
        self._engine = engine
        self._name = name
        self._number = zlib.crc32(f"isocentre {name}".encode())
        self._session: Connection | None = None
        self._file: int | None = None

    def acquire(self) -> bool:
        """Take the lock if it is free; tell whether it is ours.

        Raises
        ------
        Unavailable
            The database does not answer.
        """
        if self.held():
            return True
        if self._engine.dialect.name == "postgresql":
            return self._acquire_session()
        return self._acquire_file()

    def held(self) -> bool:
        """Tell whether the lock is still ours: the session that holds it may have been cut."""
        if self._session is None:
            return self._file is not None
        try:
            self._session.execute(text("SELECT 1"))
        except StorageError:
            self.release()
            return False
        return True

    def release(self) -> None:
        """Let others have it."""
        if self._session is not None:
            self._session.invalidate()  # closes the session, and with it the lock
            self._session.close()
            self._session = None
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()

    def _acquire_session(self) -> bool:
        session = self._engine.connect().execution_options(isolation_level="AUTOCOMMIT")
        try:
            taken = session.execute(
                text("SELECT pg_try_advisory_lock(:number)"), {"number": self._number}
            ).scalar_one()
        except BaseException:
            session.close()
            raise
        if not taken:
            session.close()
            return False
        self._session = session
        return True

    def _acquire_file(self) -> bool:
        path = f"{self._engine.url.database}.{self._name}"
        try:
            file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise Unavailable(f"lock {path}: {error.strerror}") from None
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(file)
            return False
        self._file = file
        return True
