"""The segments of one process: the present one, and the next one made ready behind its back."""

import contextlib
import os
import threading
import time
from collections.abc import Sequence

from storage.blobs.desks import Desk
from storage.blobs.folders import sync_folder
from storage.blobs.keys import Clock, KeyMaker, minute_folder
from storage.blobs.log.records import Place, position
from storage.blobs.log.segment import Segment, prepare
from storage.blobs.protocol import Buffer

FIRST, LARGEST = 8 << 20, 128 << 20
"""Bytes of the first segment, and of those that a busy process grows to: each is twice as large."""


class Spot:
    """Room that is set aside for a blob."""

    __slots__ = ("key", "place", "segment", "serial")

    def __init__(self, segment: Segment, place: Place, key: str, serial: int) -> None:
        self.segment = segment
        self.place = place
        self.key = key
        self.serial = serial


class LogDesk:
    """Where one process appends. Safe for use by many threads.

    Parameters
    ----------
    root
        Folder of all logs.
    """

    def __init__(self, root: str, clock: Clock = time.time) -> None:
        self._clock = clock
        self._desk = Desk(root, KeyMaker(clock))
        self.token = self._desk.keys.token
        self.folder = f"{root}/{self.token}"
        self._lock = threading.Lock()
        self._serial = 0
        self._number = 0
        self._size = FIRST
        self._present: Segment | None = None
        self._ready: _Ready | None = None
        self._gone = False
        self._open: dict[Spot, int] = {}
        self._folders: dict[str, tuple[int, str]] = {}
        try:
            os.mkdir(self.folder, 0o700)
            sync_folder(root)
        except BaseException:
            self.leave()
            raise

    @property
    def is_inherited(self) -> bool:
        """Whether a parent process made it."""
        return self._desk.keys.is_inherited

    def append(self, area: str, buffers: Sequence[Buffer], length: int) -> str:
        """Append a blob and return its key; it is not synced yet. Raises OSError: then nothing was kept."""
        spot = self.reserve(area, length)
        try:
            spot.segment.write(spot.place, spot.key, buffers)
        finally:
            self.release(spot)
        return spot.key

    def reserve(self, area: str, length: int, note: int = 0) -> "Spot":
        """Set room aside for a blob and its note, to be written and `release`d. Raises OSError."""
        with self._lock:
            if self._gone:  # a segment made now would be nobody's to look after
                raise OSError("this process has left its log")
            segment = self._segment_for(length + note)
            place = segment.reserve(length, note)
            if place is None:
                raise OSError(f"a blob of {length} bytes in a log")
            key = place.key(self._folder(area), self._serial)
            spot = Spot(segment, place, key, self._serial)
            self._serial += 1
            self._open[spot] = position(segment.number, place.offset)
            if segment.tail > segment.size // 2 and self._ready is None:
                self._ready = self._prepare_next()
        return spot

    def release(self, *spots: "Spot") -> None:
        """Say that what was reserved has been written, or never will be."""
        with self._lock:
            for spot in spots:
                del self._open[spot]
                spot.segment.release()

    def complete(self) -> int:
        """Return the position before which nothing is being written any more."""
        with self._lock:
            if self._open:
                return min(self._open.values())
            present = self._present
            if present is not None:
                return position(present.number, present.tail)
            # Of one that was given up the successor may have been made ready already: it is the next.
            return position(self._ready.number if self._ready else self._number, 0)

    def _folder(self, area: str) -> str:
        minute = int(self._clock()) // 60
        known = self._folders.get(area)
        if known is None or known[0] != minute:
            known = self._folders[area] = (minute, minute_folder(area, minute))
        return known[1]

    def give_up(self, number: int) -> None:
        """Append nothing more to a segment whose sync has failed: its later syncs might lie."""
        with self._lock:
            if self._present is not None and self._present.number == number:
                self._present.retire()
                self._present = None

    def leave(self) -> None:
        """Append nothing more, and give back what was not used. The log of a parent process is left alone."""
        if self.is_inherited:  # its segments are written by the parent, which may have held the lock
            self._desk.leave()
            return
        with self._lock:
            self._gone = True
            present, self._present = self._present, None
            ready, self._ready = self._ready, None
            if present is not None:
                present.retire()
        if ready is not None:
            with contextlib.suppress(OSError):
                os.unlink(ready.wait())
        with contextlib.suppress(OSError):
            os.rmdir(self.folder)
        self._desk.leave()

    def _segment_for(self, length: int) -> Segment:
        present = self._present
        if present is not None and present.has_room(length):
            return present
        ready, self._ready = self._ready or self._prepare_next(), None
        path = ready.wait()
        self._present = Segment(path, self.token, ready.number)
        if present is not None:
            present.retire()
        return self._present

    def _prepare_next(self) -> "_Ready":
        number, size = self._number, self._size
        self._number += 1
        self._size = min(2 * size, LARGEST)
        return _Ready(self.folder, number, size)


class _Ready:
    """A segment being made by a thread of its own."""

    def __init__(self, folder: str, number: int, size: int) -> None:
        self.number = number
        self._folder = folder
        self._size = size
        self._error: OSError | None = None
        self._thread: threading.Thread | None = threading.Thread(
            target=self._make, name="log-segment", daemon=True
        )
        try:
            self._thread.start()
        except RuntimeError as error:  # the system gives no more threads
            self._thread, self._error = None, OSError(f"log: {error}")

    def _make(self) -> None:
        try:
            prepare(self._path, self._size)
            sync_folder(self._folder)
        except OSError as error:
            self._error = error

    @property
    def _path(self) -> str:
        return f"{self._folder}/{self.number:x}"

    def wait(self) -> str:
        """Return the path of the segment once it is there. Raises OSError."""
        if self._thread is not None:
            self._thread.join()
        if self._error is not None:
            raise self._error
        return self._path
