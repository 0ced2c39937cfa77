"""Where writers work before a blob is placed: one folder for each process, locked while the process lives.

The lock is the kernel's (flock), so it ends with the process however that ends, and a process identifier
that was given anew deceives nobody.
"""

import contextlib
import fcntl
import os
from collections.abc import Iterator
from dataclasses import dataclass

from storage.blobs.keys import KeyMaker

_FOLDER = ".writing"
_GATE = "gate"  # held for a moment by who makes or clears desks
_LOCK = ".lock"


@dataclass(frozen=True, slots=True)
class Dead:
    """A process that wrote and is no more.

    Attributes
    ----------
    token
        With which the names of its blobs begin.
    last
        Seconds since 1970 when it last began or placed a blob.
    """

    token: str
    last: float


class Desk:
    """The working folder of this process, with the maker of the keys of what is written there."""

    def __init__(self, root: str, keys: KeyMaker) -> None:
        self.keys = keys
        self.path = f"{root}/{_FOLDER}/{keys.token}"
        with _gate(root):
            self._lock = os.open(self.path + _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                os.mkdir(self.path, 0o700)
            except BaseException:
                os.close(self._lock)
                raise

    def leave(self) -> None:
        """Clear the desk, if nothing lies on it, and unlock it. That of a parent process is left alone."""
        if self.keys.is_inherited:
            os.close(self._lock)  # this process has it too; the parent's holds
            return
        with contextlib.suppress(OSError):  # else whoever recovers next will do it
            os.rmdir(self.path)
            os.unlink(self.path + _LOCK)
        os.close(self._lock)


def clear_dead(root: str) -> list[Dead]:
    """Remove the desks of processes that ended without leaving, with what lies on them. Raises OSError."""
    with _gate(root):
        names = os.listdir(f"{root}/{_FOLDER}")
        found = [_clear(f"{root}/{_FOLDER}", name[: -len(_LOCK)]) for name in names if name.endswith(_LOCK)]
    return [dead for dead in found if dead is not None]


def _clear(folder: str, token: str) -> Dead | None:
    desk = f"{folder}/{token}"
    try:
        lock = os.open(desk + _LOCK, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return None  # it left a moment ago
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return None  # it lives
        dead = None
        with contextlib.suppress(FileNotFoundError):  # it ended between lock and folder
            dead = Dead(token, os.stat(desk).st_mtime)
            for name in os.listdir(desk):
                os.unlink(f"{desk}/{name}")
            os.rmdir(desk)
        with contextlib.suppress(FileNotFoundError):  # it left between our opening and locking
            os.unlink(desk + _LOCK)
        return dead
    finally:
        os.close(lock)


@contextlib.contextmanager
def _gate(root: str) -> Iterator[None]:
    with contextlib.suppress(FileExistsError):
        os.mkdir(f"{root}/{_FOLDER}", 0o700)
    gate = os.open(f"{root}/{_FOLDER}/{_GATE}", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(gate, fcntl.LOCK_EX)
        yield
    finally:
        os.close(gate)


def lives(root: str, token: str) -> bool:
    """Tell whether the process whose desk it is still holds it."""
    try:
        lock = os.open(f"{root}/{_FOLDER}/{token}{_LOCK}", os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(lock)
    return False
