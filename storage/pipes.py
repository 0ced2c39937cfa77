"""Named pipes beside a database in SQLite, by which one process wakes others: it has no word for that itself.

Whoever waits has a pipe in the folder ``<database file>.wake``; whoever rings writes a byte into each. A pipe
gets its name only once its reader has it open: one that has its name and no reader is a dead process's.
"""

import errno
import os
import secrets
from contextlib import suppress
from typing import Any, Self

from sqlalchemy import Connection

_NAMED = ".pipe"
_UNNAMED = ".new"  # not yet open for reading, or its process died before it was
_TRIES = 5


def folder_beside(connection: Connection) -> str:
    """Return the folder for the pipes of the database that `connection` is to."""
    known: str | None = connection.info.get("isocentre_pipes")
    if known is None:
        known = folder_of(connection.connection.driver_connection)
        connection.info["isocentre_pipes"] = known
    return known


def folder_of(connection: Any) -> str:
    """Return the folder for the pipes of the database that a connection of the driver is to."""
    # SQLite says it with symbolic links resolved, so that all who came by different ways meet.
    return f"{connection.execute('PRAGMA database_list').fetchone()[2]}.wake"


def ring(folder: str) -> None:
    """Wake whoever waits; does nothing where it cannot, for they look again in time."""
    try:
        names = os.listdir(folder)
    except OSError:  # nobody has waited yet
        return
    for name in names:
        if name.endswith(_NAMED):
            _ring(f"{folder}/{name}")


def _ring(path: str) -> None:
    try:
        end = os.open(path, os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOFOLLOW)
    except OSError as error:
        if error.errno == errno.ENXIO:  # no reader: its process is dead
            with suppress(OSError):
                os.unlink(path)
        return
    try:
        with suppress(OSError):  # full of earlier rings, or just closed
            os.write(end, b".")
    finally:
        os.close(end)


class Pipe:
    """The pipe of one who waits."""

    def __init__(self, path: str, end: int, own: int) -> None:
        self._path = path
        self._end = end
        self._own = own

    @classmethod
    def make(cls, folder: str) -> Self:
        """Make a pipe; the folder too when it is missing.

        Raises
        ------
        OSError
            The folder cannot be written.
        """
        with suppress(FileExistsError):
            os.mkdir(folder, 0o700)
        _sweep(folder)
        for _ in range(_TRIES - 1):
            with suppress(FileNotFoundError):  # another swept while we made it
                return cls._make(folder)
        return cls._make(folder)

    @classmethod
    def _make(cls, folder: str) -> Self:
        path = f"{folder}/{secrets.token_hex(8)}"
        os.mkfifo(path + _UNNAMED, 0o600)
        end = own = -1
        try:
            end = os.open(path + _UNNAMED, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
            # As long as somebody could write, the end is not ready to be read only because nobody can.
            own = os.open(path + _UNNAMED, os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC)
            os.rename(path + _UNNAMED, path + _NAMED)
        except BaseException:
            _close(end, own)
            with suppress(OSError):
                os.unlink(path + _UNNAMED)
            raise
        return cls(path + _NAMED, end, own)

    def fileno(self) -> int:
        """Return what `select` waits for."""
        return self._end

    def drain(self) -> None:
        """Forget what has come."""
        with suppress(BlockingIOError):
            while os.read(self._end, 65536):
                pass

    def stands(self) -> bool:
        """Tell whether whoever rings still finds it: somebody may have cleared the folder."""
        try:
            return os.path.samestat(os.stat(self._path, follow_symlinks=False), os.fstat(self._end))
        except OSError:
            return False

    def close(self) -> None:
        """Remove it."""
        if self.stands():
            with suppress(OSError):
                os.unlink(self._path)
        _close(self._end, self._own)


def _sweep(folder: str) -> None:
    """Remove pipes that their makers died over; one that is being made is made again."""
    for name in os.listdir(folder):
        if name.endswith(_UNNAMED):
            path = f"{folder}/{name}"
            try:
                os.close(os.open(path, os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOFOLLOW))
            except OSError as error:
                if error.errno == errno.ENXIO:
                    with suppress(OSError):
                        os.unlink(path)


def _close(*ends: int) -> None:
    for end in ends:
        if end >= 0:
            os.close(end)
