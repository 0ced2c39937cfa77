"""The receive log before a store of files, as one blob store: what a node on one machine receives into."""

import contextlib
import errno
import heapq
import os
import re
import time
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from itertools import zip_longest
from pathlib import Path
from threading import Lock

from storage.blobs.desks import clear_dead, lives
from storage.blobs.faults import fault
from storage.blobs.files import FileReader, FileWriter
from storage.blobs.filesystem import FilesystemStore
from storage.blobs.folders import SharedSync, make_root
from storage.blobs.keys import Clock, check_area, check_key
from storage.blobs.log.desk import LogDesk
from storage.blobs.log.journal import Journal
from storage.blobs.log.pages import Pages
from storage.blobs.log.reader import LogReader
from storage.blobs.log.records import Place, position
from storage.blobs.log.segment import erase, find, opened, records
from storage.blobs.log.tail import Tail
from storage.blobs.log.writer import SMALL, Budget, LogWriter
from storage.errors import NotFound

_NUMBER = re.compile(r"[0-9a-f]{1,8}")  # a segment; NFS leaves others there for a while
_MINUTE = len("2026/0102/0304")
_HELD = 64 << 20  # bytes in memory of all blobs that are being written


class ReceiveLog:
    """Small blobs go to the log, large ones to files; both are found by their keys.

    Parameters
    ----------
    root
        The folder of the files; the log lies in it.
    small
        Bytes of the largest blob that goes to the log; 0: each is a file.

    Attributes
    ----------
    pages
        What is said about logs that have notes.

    Raises
    ------
    OutOfSpace, Unavailable
        The folder cannot be made.
    """

    def __init__(self, root: Path, clock: Clock = time.time, *, small: int = SMALL) -> None:
        self._small = small
        self._files = FilesystemStore(root, clock)
        self._root = f"{os.path.abspath(root)}/.log"
        self._clock = clock
        self._lock = Lock()
        self._desk: LogDesk | None = None
        self._budget = Budget(_HELD)
        self._sync = SharedSync(self._sync_segment)
        self._doubtful: set[str] = set()  # segments whose sync has failed once
        self._left: dict[str, int] = {}  # live blobs in segments of which some were deleted
        try:
            make_root(self._root)
            self.pages = Pages(self._root)
        except OSError as error:
            raise fault(error, "making the folder of the log") from error

    def create(self, area: str = "instances") -> LogWriter | FileWriter:
        """Begin a blob in `area`."""
        check_area(area)
        if not self._small:
            return self._files.create(area)
        desk = self._desk
        if desk is None or desk.is_inherited:
            desk = self._sit_down()
        spill = partial(self._files.create, area)
        return LogWriter(partial(desk.append, area), spill, self._budget, self._small)

    def journal(self) -> Journal | None:
        """Begin to keep notes in this process's log; None when small blobs do not go there.

        Raises
        ------
        OutOfSpace, Unavailable
        """
        if not self._small:
            return None
        desk = self._sit_down()
        try:
            return Journal(desk, self.pages)
        except OSError as error:
            raise fault(error, "making the page of the log") from error

    def tail(self, token: str) -> Tail:
        """Return a reader of the notes of a log."""
        return Tail(f"{self._root}/{token}")

    def drop(self, token: str) -> None:
        """Remove a log to which nobody writes, with all that is in it."""
        try:
            for path in self._segments(token):
                os.unlink(path)
            with contextlib.suppress(FileNotFoundError):
                os.rmdir(f"{self._root}/{token}")
        except OSError as error:
            raise fault(error, "removing a log") from error

    def is_kept(self, token: str) -> bool:
        """Tell whether the process that writes a log lives."""
        return lives(self._root, token)

    def _sit_down(self) -> LogDesk:
        with self._lock:
            desk = self._desk
            if desk is None or desk.is_inherited:
                if desk is not None:
                    desk.leave()
                try:
                    desk = self._desk = LogDesk(self._root, self._clock)
                except OSError as error:
                    raise fault(error, "making a log") from error
            return desk

    def sync(self, keys: Iterable[str]) -> None:
        """Return once these placed blobs are durable: one sync for each segment, shared by all who wait.

        Raises
        ------
        NotFound
            One of them is neither in the log nor a file.
        OutOfSpace, Unavailable
        """
        keys, files, segments = list(keys), [], set()
        for key in keys:
            place = Place.of(check_key(key))
            if place is None:
                files.append(key)
            else:
                segments.add(self._path(place))
        for path in segments:
            try:
                self._sync(path)
            except FileNotFoundError:  # a restored blob, which is a file
                files += self._restored(keys, path)
            except OSError as error:
                self._give_up(path)
                raise fault(error, "syncing the log") from error
        self._files.sync(files)

    def _restored(self, keys: Sequence[str], path: str) -> list[str]:
        """Return those of `keys` that belong to the segment at `path`, which is not there, but files."""
        found = [key for key in keys if (place := Place.of(key)) and self._path(place) == path]
        for key in found:
            self._files.open(key).close()
        return found

    def _sync_segment(self, path: str) -> None:
        if path in self._doubtful:
            # What failed may have been these blobs too, and Linux tells it to one caller only: the next
            # sync of the same file succeeds without having written them.
            raise OSError(errno.EIO, "an earlier failure")
        with opened(path, os.O_RDWR) as file:
            try:
                os.fdatasync(file)
            except OSError:
                self._doubtful.add(path)
                raise

    def _give_up(self, path: str) -> None:
        desk = self._desk
        if desk is not None and path.startswith(desk.folder + "/"):
            desk.give_up(int(path.rpartition("/")[2], 16))

    def open(self, key: str) -> LogReader | FileReader:
        """Open a placed blob. Raises NotFound.

        A file of that key, as backup writes it and a person puts it back, stands before what is in the log.
        """
        place = Place.of(check_key(key))
        if place is None:
            return self._files.open(key)
        with contextlib.suppress(NotFound):
            return self._files.open(key)
        try:
            reader = LogReader.open(self._path(place), place, key)
        except OSError as error:
            raise fault(error, "opening the log") from error
        if reader is None:
            raise NotFound(f"no blob has the key {key}")
        return reader

    def delete(self, key: str) -> None:
        """Remove a blob; one that is not there is no error."""
        place = Place.of(check_key(key))
        if place is not None:
            try:
                self._erase(place, key)
            except (FileNotFoundError, NotADirectoryError):
                pass
            except OSError as error:
                raise fault(error, "deleting from the log") from error
        self._files.delete(key)

    def _erase(self, place: Place, key: str) -> None:
        path = self._path(place)
        with opened(path, os.O_RDWR) as file:
            record = find(file, place, key)
            if record is None:
                return
            erase(file, record)
            if self._is_written(place):
                return
            with self._lock:
                left = self._left.pop(path, None)
                left = sum(record.live for record in records(file)) if left is None or left <= 1 else left - 1
                if left:
                    self._left[path] = left
                    return
        os.unlink(path)
        with contextlib.suppress(OSError):
            os.rmdir(f"{self._root}/{place.token}")

    def _is_written(self, place: Place) -> bool:
        """Tell whether the segment's own process may still append to it: then it stays, empty or not."""
        if not os.path.exists(f"{self._root}/.writing/{place.token}.lock"):
            return False
        page = self.pages.open(place.token)
        if page is None:
            return True
        indexed = page.indexed
        page.close()
        return indexed < position(place.segment + 1, 0)

    def keys(self, area: str = "instances", after: str = "") -> Iterator[str]:
        """Yield the placed keys of `area` in order."""
        check_area(area)
        try:
            logs = [self._keys_of(token, area, after) for token in self._tokens()]
            last = ""
            for key in heapq.merge(*logs, self._files.keys(area, after)):
                if key != last:  # else a file that was put back
                    yield key
                last = key
        except OSError as error:
            raise fault(error, "listing the log") from error

    def _tokens(self) -> list[str]:
        return sorted(name for name in os.listdir(self._root) if not name.startswith("."))

    def _segments(self, token: str) -> list[str]:
        try:
            names = os.listdir(f"{self._root}/{token}")
        except FileNotFoundError:
            return []
        numbers = sorted(int(name, 16) for name in names if _NUMBER.fullmatch(name))
        return [f"{self._root}/{token}/{number:x}" for number in numbers]

    def _keys_of(self, token: str, area: str, after: str) -> Iterator[str]:
        segments = self._segments(token)
        minute = after.partition("/")[2][:_MINUTE]
        for path, following in zip_longest(segments, segments[1:]):
            if minute and following and self._begins(following) < minute:
                continue  # all in this one came before
            try:
                with opened(path) as file:
                    found = [each.key for each in records(file) if each.live]
            except FileNotFoundError:
                continue
            yield from (key for key in found if key > after and key.startswith(f"{area}/"))

    def _begins(self, path: str) -> str:
        """Return the minute of the first blob in a segment, as it stands in a key; late when nobody knows."""
        try:
            with opened(path) as file:
                first = next(records(file), None)
        except FileNotFoundError:
            first = None
        return first.key.partition("/")[2][:_MINUTE] if first else "~"

    def free(self) -> int:
        """Bytes that can still be written by this user."""
        return self._files.free()

    def recover(self) -> Sequence[str]:
        """Clear up after dead processes; return what they placed last.

        Of a log these are all blobs in the last two segments: the one before the last may have been the
        present one of who died while it was waiting for its commit.
        """
        found = list(self._files.recover())
        try:
            for dead in clear_dead(self._root):
                for path in self._segments(dead.token)[-3:]:
                    with contextlib.suppress(FileNotFoundError):  # another deleted the last blob in it
                        found += self._salvage(path)
                with contextlib.suppress(OSError):
                    os.rmdir(f"{self._root}/{dead.token}")
        except OSError as error:
            raise fault(error, "recovering the log") from error
        return sorted(found)

    def _salvage(self, path: str) -> list[str]:
        """Return the keys in a dead process's segment, and give back what it did not use of it.

        Blobs with a note are no leavings: what it says is or will be in the index.
        """
        end, alive, keys = 0, 0, []
        with opened(path, os.O_RDWR) as file:
            for record in records(file):
                end = record.end
                alive += record.live
                keys += [record.key] if record.live and not record.note else []
            if end:
                os.ftruncate(file, min(end, os.fstat(file).st_size))
        if not alive:
            os.unlink(path)
        return keys

    def path(self, key: str) -> Path | None:
        """Return the file that is this blob and nothing else; None for one in the log."""
        return self._files.path(key) if Place.of(key) is None else None

    def close(self) -> None:
        """Leave the log. Writers that are not done are lost."""
        with self._lock:
            desk, self._desk = self._desk, None
        if desk is not None:
            desk.leave()
        self._files.close()

    def _path(self, place: Place) -> str:
        return f"{self._root}/{place.token}/{place.segment:x}"
