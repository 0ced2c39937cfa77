"""Blobs as files in folders, one file each: what a node on one machine uses.

A file is written on the desk of its process (`desks.py`), made durable, and renamed to
``root/area/YYYY/MMDD/HHMM/name``. The names are made durable by `sync`, one fsync of a folder for all who
wait for it (`folders.py`). Files have mode 0600, folders 0700.
"""

import os
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from threading import Lock

from storage.blobs.desks import Dead, Desk, clear_dead
from storage.blobs.faults import fault
from storage.blobs.files import FileReader, FileWriter
from storage.blobs.folders import Folders, make_root
from storage.blobs.keys import Clock, KeyMaker, check_area, check_key, is_key, minute_folder

_LONGEST_WRITE = 24 * 60  # minutes from the first byte of a blob to its placing
_LONGEST_COMMIT = 10 * 60.0  # seconds from there to its record


class FilesystemStore:
    """A blob store in a folder. Any number of processes may use the same.

    Parameters
    ----------
    root
        The folder; made when it is not there.
    clock
        Seconds since 1970.

    Raises
    ------
    OutOfSpace, Unavailable
        The folder cannot be made.
    """

    def __init__(self, root: Path, clock: Clock = time.time) -> None:
        self._root = os.path.abspath(root)
        self._clock = clock
        self._lock = Lock()
        self._desk: Desk | None = None
        self._folders = Folders(self._root)
        try:
            make_root(self._root)
        except OSError as error:
            raise fault(error, "making its folder") from error

    def create(self, area: str = "instances") -> FileWriter:
        """Begin a blob in `area`."""
        desk = self._desk
        if desk is None or desk.keys.is_inherited:
            desk = self._sit_down()
        return FileWriter(desk.keys.next(area), desk.path, self._root, self._folders)

    def _sit_down(self) -> Desk:
        with self._lock:
            desk = self._desk
            if desk is None or desk.keys.is_inherited:
                if desk is not None:
                    desk.leave()
                try:
                    desk = self._desk = Desk(self._root, KeyMaker(self._clock))
                except OSError as error:
                    raise fault(error, "making a working folder") from error
            return desk

    def sync(self, keys: Iterable[str]) -> None:
        """Return once the names of these placed blobs are durable; their content is since `place`."""
        try:
            for folder in {check_key(key).rpartition("/")[0] for key in keys}:
                self._folders.sync(folder)
        except OSError as error:
            raise fault(error, "syncing a folder") from error

    def open(self, key: str) -> FileReader:
        """Open a placed blob. Raises NotFound."""
        return FileReader(self._root, check_key(key))

    def path(self, key: str) -> Path:
        """Return the file of a placed blob, for a backup to link to; nobody may write to it."""
        return Path(self._root) / check_key(key)

    def delete(self, key: str) -> None:
        """Remove a blob; one that is not there is no error."""
        try:
            os.unlink(f"{self._root}/{check_key(key)}")
        except (FileNotFoundError, NotADirectoryError):
            pass
        except OSError as error:
            raise fault(error, "deleting a file") from error

    def keys(self, area: str = "instances", after: str = "") -> Iterator[str]:
        """Yield the placed keys of `area` in order; it holds the names of one folder at a time."""
        try:
            for folder in self._below(check_area(area), 3, after):
                for name in sorted(self._names(folder)):
                    key = f"{folder}/{name}"
                    if key > after and is_key(key):
                        yield key
        except OSError as error:
            raise fault(error, "listing files") from error

    def _below(self, folder: str, depth: int, after: str) -> Iterator[str]:
        if depth == 0:
            yield folder
            return
        for name in sorted(self._names(folder)):
            path = f"{folder}/{name}"
            if len(name) == 4 and name.isdigit() and f"{path}/" >= after[: len(path) + 1]:
                yield from self._below(path, depth - 1, after)

    def _names(self, folder: str) -> list[str]:
        try:
            return os.listdir(f"{self._root}/{folder}")
        except (FileNotFoundError, NotADirectoryError):
            return []

    def free(self) -> int:
        """Bytes that can still be written by this user."""
        try:
            state = os.statvfs(self._root)
        except OSError as error:
            raise fault(error, "asking for free space") from error
        return state.f_bavail * state.f_frsize

    def recover(self) -> Sequence[str]:
        """Clear the desks of processes that are no more; return what they placed last.

        These are the blobs placed within ten minutes before the last sign of life of their writer. A blob
        without record among them is nobody's; those of living writers are not among them.
        """
        try:
            dead = clear_dead(self._root)
            areas = [name for name in os.listdir(self._root) if name.isalpha()]
            return sorted(key for one in dead for area in areas for key in self._last_of(one, area))
        except OSError as error:
            raise fault(error, "recovering") from error

    def _last_of(self, dead: Dead, area: str) -> Iterator[str]:
        minute = int(dead.last) // 60
        for folder in (minute_folder(area, m) for m in range(minute - _LONGEST_WRITE, minute + 2)):
            try:
                touched = os.stat(f"{self._root}/{folder}").st_mtime  # a rename into it is seen here
            except FileNotFoundError:
                continue
            if touched >= dead.last - _LONGEST_COMMIT:
                names = self._names(folder)
                yield from (f"{folder}/{name}" for name in names if name.startswith(f"{dead.token}-"))

    def close(self) -> None:
        """Leave the working folder. Writers that are not done are lost."""
        with self._lock:
            desk, self._desk = self._desk, None
        if desk is not None:
            desk.leave()
