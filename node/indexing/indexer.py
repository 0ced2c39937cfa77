"""The loop that takes notes from the logs to the index, as they become durable."""

import threading
from collections.abc import Sequence
from time import sleep

import structlog

from node.config import Config
from node.core import clock
from node.indexing.batch import Batches, Stopped
from node.indexing.moving import Moving
from node.indexing.source import Log, Source
from node.rulings.book import Book
from node.rulings.decider import Decider
from node.services.quarantine import Quarantine
from node.services.recorder import Recorder
from node.services.space import Space
from storage.archive import Archive
from storage.blobs.log.store import ReceiveLog
from storage.blobs.open import open_front
from storage.blobs.protocol import BlobStore
from storage.errors import StorageError
from storage.records.arrival import Arrival

AT_ONCE = 64
"""Arrivals in one transaction at most."""

LINGER = 0.05
"""Seconds for which more is let come after a small batch while nobody waits: large ones cost much less."""

_LOOK_AGAIN = 1.0  # seconds, after which it looks whether a process has died
_FLUSHED = 3.0  # seconds in which PostgreSQL writes what it has committed asynchronously: at most 0.6
_AWAY = 1.0  # seconds between two tries when the database is away
_GRACE = 5.0  # seconds that a start waits for another process to do it
_PATIENCE = 60.0  # seconds that a start waits for a database that does not take what was left

_log = structlog.get_logger()


def index_rest(config: Config, archive: Archive, blobs: BlobStore) -> None:
    """Take to the index what processes that are no more have acknowledged, unless an indexer does.

    Raises
    ------
    StorageError
        The database does not answer.
    """
    log = open_front(config.blobs.url, config.data_dir, blobs)
    if log is None or not log.pages.tokens():
        return
    with log.pages.lead(wait=False) as leads:
        if not leads:
            _wait_for_another(log)
            return
        lazy = Archive.open(config.database_url, durable=False)
        indexer = Indexer(config, archive, lazy, blobs, log)
        patience = threading.Timer(_PATIENCE, indexer.stop)
        patience.daemon = True
        patience.start()
        try:
            count = indexer.recover()
            if count:
                _log.info("index.recovered", instances=count)
        except Stopped:
            _log.error("index.recovery_waits", seconds=_PATIENCE)
        finally:
            patience.cancel()
            patience.join()
            indexer.close()
            lazy.close()
            if log is not blobs:
                log.recover()
                log.close()


def _wait_for_another(log: ReceiveLog) -> None:
    """Wait until the indexer that there is has taken what processes that are no more have left."""
    deadline = clock.monotonic() + _GRACE
    while clock.monotonic() < deadline and not all(log.is_kept(token) for token in log.pages.tokens()):
        sleep(0.02)


class Indexer:
    """Takes notes to the index; of all processes only the one that leads (`Pages.lead`) may.

    Parameters
    ----------
    archive
        The records, durable.
    lazy
        The same, whose commits are left unsynced: what a power cut takes back is in the logs.
    blobs
        Where the bytes belong.
    log
        Where they are acknowledged; the same store unless that is elsewhere.
    """

    def __init__(
        self, config: Config, archive: Archive, lazy: Archive, blobs: BlobStore, log: ReceiveLog
    ) -> None:
        self._bell, self._haste = log.pages.bell(), log.pages.haste()
        self._stop = threading.Event()
        self._source = Source(archive, log, passing=log is not blobs)
        self._moving = Moving(log, blobs)
        self._turn = 0
        self._latest = 0  # arrivals in the latest batch
        self._unconfirmed = 0.0  # when it was written, on the monotonic clock
        commits = lazy.commits(blobs)
        self._batches = Batches(
            lazy,
            archive,
            blobs,
            Decider(Book(lazy), blobs, config.rules),
            Recorder(archive, blobs, commits),
            Quarantine(archive, blobs, Space(blobs, floor=0, held=0)),
            self._moving,
            self._stop,
        )

    def run(self) -> None:
        """Serve all logs until `stop`."""
        _log.info("index.ready")
        away = False
        while not self._stop.is_set():
            try:
                if not self.look():
                    self._confirm()
                    self._bell.wait(_LOOK_AGAIN, self._haste)
                elif self._may_linger():
                    self._haste.wait(LINGER)
                away = False
            except Stopped:
                break
            except StorageError as error:
                if not away:
                    _log.error("index.database_away", error=str(error))
                away = True
                self._source.close()  # what was read and not saved is read again
                self._batches.forget()
                self._stop.wait(_AWAY)
        self.close()

    def stop(self) -> None:
        """Let `run` end."""
        self._stop.set()
        self._haste.ring()

    def _confirm(self) -> None:
        """Ask once, when it must have flushed it, whether the database still has what was written last.

        A server that was killed before that, and is back, would else be noticed at the next arrival only.
        """
        if self._unconfirmed and clock.monotonic() - self._unconfirmed > _FLUSHED:
            self._batches.confirm()
            self._unconfirmed = 0.0

    def _may_linger(self) -> bool:
        return self._latest < AT_ONCE and not any(log.is_awaited for log in self._source.logs.values())

    def look(self) -> bool:
        """Take what is there, one batch of it; tell whether there was anything.

        Raises
        ------
        StorageError
            The database does not answer.
        Stopped
        """
        self._source.look()
        logs = list(self._source.logs.values())
        arrivals, moved = self._gather(logs)
        if not moved:
            self._tend(logs)
            return self._finish(logs)
        self._write(arrivals, moved)
        self._tend(logs)
        return True

    def recover(self) -> int:
        """Take what processes that are no more have left; return how many arrivals that were."""
        self._source.look()
        count = 0
        for log in list(self._source.logs.values()):
            while self._source.is_dead(log):
                rest = log.read_rest(AT_ONCE)
                count += len(rest)
                self._write(rest, [log])
                if log.over:
                    self._source.finish(log)
                    break
        return count

    def _gather(self, logs: Sequence[Log]) -> tuple[list[Arrival], list[Log]]:
        """Read a batch, from each log in turn so that none waits for the others."""
        arrivals: list[Arrival] = []
        moved: list[Log] = []
        self._turn += 1
        for place in range(len(logs)):
            log = logs[(place + self._turn) % len(logs)]
            if log.is_behind and len(arrivals) < AT_ONCE:
                arrivals += log.read(AT_ONCE - len(arrivals))
                moved.append(log)
        return arrivals, moved

    def _write(self, arrivals: Sequence[Arrival], moved: Sequence[Log]) -> None:
        self._latest = len(arrivals)
        self._batches.write(arrivals, {log.token: log.position for log in moved})
        self._unconfirmed = clock.monotonic()
        for log in moved:
            log.saved()

    def _tend(self, logs: Sequence[Log]) -> None:
        for log in logs:
            log.saved()

    def _finish(self, logs: Sequence[Log]) -> bool:
        """Take what processes that are no more have left; tell whether there is more of it."""
        for log in logs:
            if self._source.is_dead(log):
                rest = log.read_rest(AT_ONCE)
                self._write(rest, [log])
                if log.over:
                    self._source.finish(log)
                return True
        return False

    def close(self) -> None:
        """Let everything go."""
        self._source.close()
        self._moving.close()
        self._bell.close()
        self._haste.close()
