"""What receivers and the indexer of one machine tell each other: a page of numbers for each log, and a bell.

A log of notes has a page: a small file that both have mapped. It says how far the log is durable and how far
it is in the index. Its content is of use only while its process lives; that it is there says, also after a
power cut, that the log may hold what is not in the index yet. Whoever has changed a number rings (a named
pipe), so that nobody has to look again and again.
"""

import contextlib
import errno
import fcntl
import mmap
import os
import select
from collections.abc import Iterator
from typing import Self

from storage.blobs.folders import make_root, sync_folder

FOLDER = ".pages"

_SIZE = 4096
_DURABLE, _INDEXED, _ENTERED, _TAKEN, _WAITING = range(5)
_LOCK = ".indexer"
_BELL = ".bell"
_HASTE = ".haste"


class Page:
    """The numbers of one log.

    Attributes
    ----------
    durable, indexed
        Positions (`storage.blobs.log.records.position`): everything before it is synced, is in the index.
    behind
        Blobs, about, that are durable and not in the index.
    waiting
        Whoever writes the log waits to be rung for when `indexed` has grown.
    """

    def __init__(self, path: str) -> None:
        file = os.open(path, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
        try:
            self._map = mmap.mmap(file, _SIZE)
        finally:
            os.close(file)
        self._numbers = memoryview(self._map).cast("Q")

    @classmethod
    def make(cls, path: str) -> Self:
        """Make a page of zeros whose name is durable. Raises OSError."""
        file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            os.write(file, bytes(_SIZE))
            os.fsync(file)
        finally:
            os.close(file)
        sync_folder(os.path.dirname(path))
        return cls(path)

    @property
    def durable(self) -> int:
        """How far the log is synced."""
        return self._numbers[_DURABLE]

    @property
    def indexed(self) -> int:
        """How far it is in the index."""
        return self._numbers[_INDEXED]

    @property
    def behind(self) -> int:
        """Blobs, about, that are durable and not in the index."""
        if self.indexed >= self.durable:
            return 0
        return max(self._numbers[_ENTERED] - self._numbers[_TAKEN], 0)

    def enter(self, serial: int, position: int) -> None:
        """Say that the log is durable up to `position`; `serial` counts its blobs up to there."""
        self._numbers[_ENTERED] = serial
        self._numbers[_DURABLE] = position

    def begin(self, position: int) -> None:
        """Say from where on the log is going to be taken to the index."""
        self._numbers[_INDEXED] = position

    def take(self, serial: int, position: int) -> None:
        """Say that the log is in the index up to `position`."""
        self._numbers[_TAKEN] = serial
        self._numbers[_INDEXED] = position

    @property
    def waiting(self) -> bool:
        """Whether somebody waits to be rung for."""
        return bool(self._numbers[_WAITING])

    @waiting.setter
    def waiting(self, waits: bool) -> None:
        self._numbers[_WAITING] = waits

    def close(self) -> None:
        """Let it go."""
        self._numbers.release()
        self._map.close()


class Bell:
    """A named pipe: any process rings, one waits. It keeps what was rung while nobody waited."""

    def __init__(self, path: str) -> None:
        self._file = -1
        with contextlib.suppress(FileExistsError):
            os.mkfifo(path, 0o600)
        # For both: it opens without a peer, and never ends.
        self._file = os.open(path, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOFOLLOW)

    def ring(self) -> None:
        """Wake whoever waits, now or as soon as it does."""
        with contextlib.suppress(BlockingIOError):  # full of earlier rings
            os.write(self._file, b".")

    def wait(self, seconds: float, other: "Bell | None" = None) -> None:
        """Return when it, or the `other`, was rung since the last time, at the latest after `seconds`."""
        poll = select.poll()
        for bell in (self, other or self):
            poll.register(bell._file, select.POLLIN)
        for file, _ in poll.poll(seconds * 1000):
            with contextlib.suppress(BlockingIOError):
                os.read(file, 65536)

    def close(self) -> None:
        """Let it go; the pipe stays. Nobody may be using it; else leave it to its last reference."""
        file, self._file = self._file, -1
        if file >= 0:
            os.close(file)

    __del__ = close


class Pages:
    """The pages of all logs below `root`."""

    def __init__(self, root: str) -> None:
        self._folder = f"{root}/{FOLDER}"
        make_root(self._folder)

    def tokens(self) -> list[str]:
        """Return the tokens of all logs that have a page."""
        try:
            return sorted(name for name in os.listdir(self._folder) if "." not in name)
        except FileNotFoundError:  # somebody has taken the disk away
            return []

    def behind(self) -> int:
        """Return how many blobs, about, are durable in some log and not in the index."""
        count = 0
        for token in self.tokens():
            page = self.open(token)
            if page is not None:
                count += page.behind
                page.close()
        return count

    def make(self, token: str) -> Page:
        """Make the page of a new log."""
        return Page.make(f"{self._folder}/{token}")

    def open(self, token: str) -> Page | None:
        """Open the page of a log; None when it has none, or one that a power cut has left unusable."""
        try:
            return Page(f"{self._folder}/{token}")
        except FileNotFoundError:
            return None
        except ValueError:  # it is empty: made in the moment of the cut, so nothing was entered
            return None

    def remove(self, token: str) -> None:
        """Remove the page of a log, durably: all that it holds is in the index."""
        for name in (f"{token}{_BELL}", token):
            with contextlib.suppress(FileNotFoundError):
                os.unlink(f"{self._folder}/{name}")
        sync_folder(self._folder)

    def bell_of(self, token: str) -> Bell:
        """Return the bell that is rung for the process that writes a log."""
        return Bell(f"{self._folder}/{token}{_BELL}")

    def bell(self) -> Bell:
        """Return the bell of the indexer, to be rung when a log has grown."""
        return Bell(f"{self._folder}/{_LOCK}{_BELL}")

    def haste(self) -> Bell:
        """Return its other bell, to be rung when somebody waits for the index."""
        return Bell(f"{self._folder}/{_LOCK}{_HASTE}")

    @contextlib.contextmanager
    def lead(self, *, wait: bool) -> Iterator[bool]:
        """Be the one process that writes the index; False when another is, unless we `wait` for it."""
        lock = os.open(f"{self._folder}/{_LOCK}", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
            except OSError as error:
                if error.errno not in (errno.EWOULDBLOCK, errno.EACCES):
                    raise
                yield False
            else:
                yield True
        finally:
            os.close(lock)
