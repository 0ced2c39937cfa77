"""Blobs with notes: durable by one sync of the log for all who wait, without any database.

The first to come leads: it syncs the log once for itself and whoever has written meanwhile, says on the page
how far the log is durable, rings for the indexer, and passes the lead on. The index is written behind it,
from the log, by whoever holds `Pages.lead` (`node.indexing`). A receiver that gets too far ahead of it waits.
"""

import _thread
import errno
import os
import threading
import time
from collections.abc import Sequence

from storage.blobs.faults import fault
from storage.blobs.log.desk import LogDesk, Spot
from storage.blobs.log.pages import Page, Pages
from storage.blobs.protocol import Buffer
from storage.errors import OutOfSpace

AHEAD = 256
"""Notes that a receiver may be ahead of an index that is being written: fractions of a second."""
AHEAD_MAX = 4096
"""Notes that it may be ahead of an index that is not, as when the database is away."""

_STALLED = 1.0  # seconds without progress, after which the index is said to stand still
_FULL = 20.0  # seconds to wait for room when that is used up


class Journal:
    """The notes of one process. Safe for use by many threads.

    Parameters
    ----------
    desk
        The log.
    pages
        Where others read how far it is.
    patience
        Seconds to wait for room once `AHEAD_MAX` is reached.
    """

    def __init__(self, desk: LogDesk, pages: Pages, patience: float = _FULL) -> None:
        self._desk = desk
        self._pages = pages
        self._patience = patience
        self._page = pages.make(desk.token)
        self._own = pages.bell_of(desk.token)
        self._indexer = pages.bell()
        self._haste = pages.haste()
        self._lock = threading.Lock()
        self._waiting: list[_Turn] = []
        self._led = False
        self._moved = threading.Condition()
        self._closing = False
        self._seen = (0, 0.0)  # the index as it was last seen to stand, and since when
        self._listener = threading.Thread(target=self._listen, name="journal", daemon=True)
        self._listener.start()

    def enter(self, area: str, buffers: Sequence[Buffer], length: int, note: bytes) -> str:
        """Append a blob with its note and return its key once both survive a power cut.

        Raises
        ------
        OSError
            There is no room in the log; nothing was kept. It can be tried as a file.
        OutOfSpace, Unavailable
            It may not be durable, so it was taken back; or the index is too far behind.
        """
        if self._page.behind >= AHEAD:
            self._hold_back()
        spot = self._desk.reserve(area, length, len(note))
        turn = _Turn(spot)
        try:
            spot.segment.write_noted(spot.place, spot.key, buffers, note)
        except BaseException as error:
            spot.segment.spoil(spot.place)
            self._desk.release(spot)
            if isinstance(error, OSError):
                raise fault(error, "writing to the log") from error
            raise
        with self._lock:
            self._waiting.append(turn)
            leads, self._led = not self._led, True
        if not leads:
            leads = turn.wait()
        if leads:
            self._lead()
        if turn.error is not None:
            raise fault(turn.error, "syncing the log") from turn.error
        return spot.key

    def _lead(self) -> None:
        """Sync what has been written, our own turn among it, and pass the lead."""
        with self._lock:
            group, self._waiting = self._waiting, []
        try:
            self._sync(group)
        finally:
            with self._lock:
                successor = self._waiting[0] if self._waiting else None
                self._led = successor is not None
            for turn in group:
                turn.let_go(leads=False)
            if successor is not None:
                successor.let_go(leads=True)

    def _sync(self, group: Sequence["_Turn"]) -> None:
        for segment in {turn.spot.segment for turn in group}:
            try:
                if segment.doubtful:
                    raise OSError(errno.EIO, "an earlier failure")
                os.fdatasync(segment.file)
            except Exception as trouble:
                # Linux tells it once: a later sync of this file may say that all is well, also to those who
                # had written before it failed and wait for the next one.
                segment.doubtful = True
                name = type(trouble).__name__
                error = trouble if isinstance(trouble, OSError) else OSError(errno.EIO, name)
                self._desk.give_up(segment.number)
                for turn in group:
                    if turn.spot.segment is segment:
                        segment.spoil(turn.spot.place)
                        turn.error = error
        self._desk.release(*[turn.spot for turn in group])
        self._page.enter(max(turn.spot.serial for turn in group) + 1, self._desk.complete())
        self._indexer.ring()

    def settle(self, seconds: float) -> bool:
        """Return once the index has all that is durable in any log by now; False if it takes longer."""
        others = []
        for token in self._pages.tokens():
            page = None if token == self._desk.token else self._pages.open(token)
            if page is not None:
                others.append(page)
        targets = [(page, page.durable) for page in (self._page, *others) if page.indexed < page.durable]
        try:
            return not targets or self._wait(targets, seconds)
        finally:
            for page in others:
                page.close()

    def _wait(self, targets: Sequence[tuple[Page, int]], seconds: float) -> bool:
        deadline = time.monotonic() + seconds
        with self._moved:
            while any(page.indexed < durable for page, durable in targets):
                left = deadline - time.monotonic()
                if left <= 0 or self._closing:
                    return False
                self._ask()
                self._moved.wait(left)
        return True

    def _hold_back(self) -> None:
        """Wait while the index is written and too far behind; refuse when it stands and room is used up."""
        deadline = time.monotonic() + self._patience
        with self._moved:
            while (behind := self._page.behind) >= AHEAD:
                now = time.monotonic()
                if self._page.indexed != self._seen[0]:
                    self._seen = (self._page.indexed, now)
                stalled = now - self._seen[1] > _STALLED
                if stalled and behind < AHEAD_MAX:
                    return
                if now >= deadline or self._closing:
                    raise OutOfSpace(f"{behind} instances wait for the index, which does not come forward")
                self._ask()
                self._moved.wait(min(_STALLED, deadline - now))

    def _ask(self) -> None:
        self._page.waiting = True
        self._haste.ring()

    def _listen(self) -> None:
        while not self._closing:
            self._own.wait(60.0)
            with self._moved:
                self._moved.notify_all()

    def close(self) -> None:
        """Enter nothing more. What is not in the index yet stays in the log for whoever indexes next."""
        with self._moved:
            self._closing = True
            self._moved.notify_all()
        self._own.ring()
        self._listener.join()
        # Page and bells go with the last reference: a thread that was cut off may be in the middle of them.


class _Turn:
    """One who waits for the sync."""

    __slots__ = ("_gate", "_leads", "error", "spot")

    def __init__(self, spot: Spot) -> None:
        self.spot = spot
        self.error: OSError | None = None
        self._leads = False
        self._gate = _thread.allocate_lock()
        self._gate.acquire()

    def wait(self) -> bool:
        """Wait for what the leader does; tell whether it has passed the lead on to us, undone."""
        self._gate.acquire()
        return self._leads

    def let_go(self, *, leads: bool) -> None:
        """End the waiting."""
        self._leads = leads
        self._gate.release()
