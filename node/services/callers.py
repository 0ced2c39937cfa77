"""Callers: who called without being a peer, so that an administrator can see whom to add.

Calls are counted in memory and written every few seconds by one thread, never by the association that
made them. What was not written yet when the power goes is lost: it is a hint, not a record.
"""

import threading
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

import structlog

from node.core import clock
from storage.archive import Archive
from storage.errors import StorageError
from storage.records.network import Caller

EVERY = 5.0
"""Seconds between two writings."""

MOST = 1000
"""Callers remembered between two writings, so that a flood of invented AE titles does not fill the memory."""

KEPT = 10_000
"""Callers kept in the database, those that called last."""

_Key = tuple[str, str, bool]  # AE title, address, whether it was refused

_log = structlog.get_logger()


@dataclass
class _Calls:
    count: int = 0
    asked: set[str] = field(default_factory=set)
    last: datetime = field(default_factory=clock.now)


class Callers:
    """The callers of one archive. Safe for use by many threads at once."""

    def __init__(self, archive: Archive) -> None:
        self._archive = archive
        self._lock = threading.Lock()
        self._waiting: dict[_Key, _Calls] = {}
        self._overlooked = 0
        self._thread: threading.Thread | None = None
        self._stop = threading.Event()

    def note(self, ae_title: str, address: str, asked: Iterable[str], *, refused: bool) -> None:
        """Count a call; it never waits for the database.

        Parameters
        ----------
        asked
            What it asked for, for example ``["C-FIND"]``.
        refused
            It was turned away.
        """
        key = (ae_title, address, refused)
        with self._lock:
            calls = self._waiting.get(key)
            if calls is None:
                if len(self._waiting) >= MOST:
                    self._overlooked += 1
                    return
                calls = self._waiting[key] = _Calls()
            calls.count += 1
            calls.asked.update(asked)
            calls.last = clock.now()
            if self._thread is None and not self._stop.is_set():
                self._thread = threading.Thread(target=self._run, name="callers", daemon=True)
                self._thread.start()

    def list(self) -> Sequence[Caller]:
        """Return every caller seen, the latest first, those of this process included."""
        self.flush()
        with self._archive.read() as tx:
            return tx.callers.list()

    def flush(self) -> None:
        """Write what waits; keep it for the next time when the database cannot."""
        with self._lock:
            waiting, self._waiting = self._waiting, {}
            overlooked, self._overlooked = self._overlooked, 0
        if overlooked:
            _log.warning("callers.overlooked", calls=overlooked)
        if not waiting:
            return
        try:
            with self._archive.begin() as tx:
                for (ae_title, address, refused), calls in sorted(waiting.items(), key=_first):
                    tx.callers.note(
                        ae_title, address, calls.asked, refused=refused, count=calls.count, at=calls.last
                    )
                tx.callers.keep_latest(KEPT)
                tx.commit()
        except StorageError as error:
            _log.warning("callers.unwritten", error=str(error), callers=len(waiting))
            self._put_back(waiting)

    def close(self) -> None:
        """Write what waits and end the thread."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join()
        self.flush()

    def _run(self) -> None:
        while not self._stop.wait(EVERY):
            self.flush()

    def _put_back(self, waiting: dict[_Key, _Calls]) -> None:
        with self._lock:
            for key, calls in waiting.items():
                newer = self._waiting.get(key)
                if newer is None:
                    if len(self._waiting) < MOST:
                        self._waiting[key] = calls
                    continue
                newer.count += calls.count
                newer.asked |= calls.asked


def _first(item: tuple[_Key, _Calls]) -> _Key:
    return item[0]  # one order for all processes, so that none waits for another in a circle
