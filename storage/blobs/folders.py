"""Folders of the filesystem store: made once, and synced for all who wait at the same time by one fsync."""

import contextlib
import os
from collections.abc import Callable
from concurrent.futures import Future
from threading import Lock

_REMEMBERED = 4096  # folders; forgetting costs a mkdir or an fsync, nothing else


class SharedSync:
    """Does a thing once for all who ask for it while it cannot have begun for them yet.

    Whoever asks first leads: it waits until the round under way has ended, then does it. Whoever asks in the
    meantime follows and gets the leader's outcome. So each call returns after a round that began after it.
    """

    def __init__(self, act: Callable[[str], None]) -> None:
        self._act = act
        self._lock = Lock()
        self._coming: dict[str, Future[None]] = {}
        self._running: dict[str, Future[None]] = {}

    def __call__(self, folder: str) -> None:
        """Return once a round for `folder` that began after this call has ended; raise what it raised."""
        with self._lock:
            turn = self._coming.get(folder)
            leads = turn is None
            if turn is None:
                turn = self._coming[folder] = Future()
                ahead = self._running.get(folder)
        if leads:
            self._lead(folder, turn, ahead)
        else:
            turn.result()

    def _lead(self, folder: str, turn: Future[None], ahead: Future[None] | None) -> None:
        try:
            try:
                if ahead is not None:
                    ahead.exception()  # waits, whatever came of it
            finally:
                with self._lock:  # from here on nobody joins
                    del self._coming[folder]
                    self._running[folder] = turn
            self._act(folder)
        except BaseException as error:
            turn.set_exception(error)
            raise
        else:
            turn.set_result(None)
        finally:
            with self._lock:
                if self._running.get(folder) is turn:
                    del self._running[folder]


class Folders:
    """The folders below `root`, by their path relative to it (``""`` is `root` itself)."""

    def __init__(self, root: str) -> None:
        self._root = root
        self._made: set[str] = set()
        self._durable: set[str] = set()  # folders whose own name survives a power cut
        self._sync = SharedSync(self._fsync)

    def make(self, folder: str) -> None:
        """See to it that `folder` is there. Raises OSError."""
        if folder in self._made:
            return
        path = f"{self._root}/{folder}"
        try:
            os.mkdir(path, 0o700)
        except FileExistsError:
            pass
        except FileNotFoundError:
            parent = folder.rpartition("/")[0]
            if not parent:
                raise
            self.remake(parent)
            with contextlib.suppress(FileExistsError):
                os.mkdir(path, 0o700)
        _remember(self._made, folder)

    def remake(self, folder: str) -> None:
        """Make `folder` again, which somebody removed."""
        self._made.discard(folder)
        self._durable.discard(folder)
        self.make(folder)

    def sync(self, folder: str) -> None:
        """Return once the names in `folder`, its own and its parents' are durable. Raises OSError."""
        self._sync(folder)
        new = []
        while folder and folder not in self._durable:
            new.append(folder)
            folder = folder.rpartition("/")[0]
        for name in reversed(new):  # from the top, so that a durable folder's parents are durable too
            self._sync(name.rpartition("/")[0])
            _remember(self._durable, name)

    def _fsync(self, folder: str) -> None:
        sync_folder(f"{self._root}/{folder}")


def sync_folder(path: str) -> None:
    """Make the names in the folder at `path` durable. Raises OSError."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def make_root(path: str) -> None:
    """Make the folder at `path` with its parents, durable, for this user alone. Raises OSError."""
    if os.path.isdir(path):
        return
    parent = os.path.dirname(path)
    make_root(parent)
    try:
        os.mkdir(path, 0o700)
    except FileExistsError:  # another process was quicker
        if not os.path.isdir(path):
            raise
    sync_folder(parent)


def _remember(names: set[str], name: str) -> None:
    if len(names) >= _REMEMBERED:
        names.clear()
    names.add(name)
