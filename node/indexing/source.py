"""The logs of this machine that have notes, and how far each of them is in the index."""

from collections.abc import Mapping

import structlog

from node.core import clock
from node.core.proof import Proof
from node.core.trouble import report
from node.indexing.batch import BOOKMARK, Positions
from node.intake.notes import Unreadable, decode
from storage.archive import Archive
from storage.blobs.log.pages import Page
from storage.blobs.log.store import ReceiveLog
from storage.blobs.log.tail import Entry
from storage.errors import NotFound, StorageError
from storage.records.arrival import Arrival

_log = structlog.get_logger()


class Log:
    """One log being read.

    Attributes
    ----------
    position
        How far it has been read.
    over
        Its process is no more, and it has been read to its end.
    """

    def __init__(self, blobs: ReceiveLog, token: str, page: Page, position: int) -> None:
        self.token = token
        self.position = position
        self.over = False
        self._blobs = blobs
        self._page = page
        self._tail = blobs.tail(token)
        self._bell = blobs.pages.bell_of(token)
        self._serial = 0
        self._saved = position
        page.begin(position)

    @property
    def is_behind(self) -> bool:
        """Whether there is something durable that has not been read."""
        return self.position < self._page.durable

    def read(self, limit: int) -> list[Arrival]:
        """Return up to `limit` arrivals that are durable, from the position on."""
        if not self.is_behind:
            return []
        entries, self.position = self._tail.read(self.position, self._page.durable, limit)
        return self._arrivals(entries)

    def read_rest(self, limit: int) -> list[Arrival]:
        """Return up to `limit` arrivals of a process that is no more: those that have come whole."""
        entries, self.position = self._tail.read(self.position, None, limit)
        self.over = not entries
        return [each for each in self._arrivals(entries) if self._is_whole(each)]

    def _arrivals(self, entries: list[Entry]) -> list[Arrival]:
        found = []
        for entry in entries:
            self._serial = entry.serial + 1
            try:
                found.append(decode(entry.note, entry.key))
            except Unreadable as error:
                _log.error("index.note_unreadable", blob=entry.key, why=str(error))
        return found

    def _is_whole(self, arrival: Arrival) -> bool:
        blob, proof = arrival.blob, Proof(arrival.blob)
        try:
            with self._blobs.open(blob.key) as reader:
                for piece in reader.chunks(blob.offset):
                    proof.update(piece)
        except NotFound:
            return False
        except StorageError as error:  # it may have been acknowledged: then who reads it will be told
            report("index.unproven", error, arrival.sop_instance_uid, blob=blob.key)
            return True
        return proof.holds

    @property
    def is_awaited(self) -> bool:
        """Whether somebody waits for it to be in the index."""
        return self._page.waiting

    def saved(self) -> None:
        """Say on the page that the index has all that was read, and ring when somebody waits for it."""
        if self.position != self._saved:
            self._saved = self.position
            self._page.take(self._serial, self.position)
        if self._page.waiting:
            self._page.waiting = False
            self._bell.ring()

    def close(self) -> None:
        """Let it go."""
        self._tail.close()
        self._bell.close()
        self._page.close()


class Source:
    """All logs that have notes.

    Parameters
    ----------
    archive
        Where their positions are saved, durably.
    passing
        Blobs do not stay there.
    """

    def __init__(self, archive: Archive, blobs: ReceiveLog, *, passing: bool = False) -> None:
        self._archive = archive
        self._blobs = blobs
        self._passing = passing
        self.logs: dict[str, Log] = {}

    def look(self) -> None:
        """Find logs that have begun."""
        new = [token for token in self._blobs.pages.tokens() if token not in self.logs]
        if not new:
            return
        positions = self._positions()
        for token in new:
            page = self._blobs.pages.open(token)
            if page is not None:
                self.logs[token] = Log(self._blobs, token, page, positions.get(token, 0))
            elif not self._blobs.is_kept(token):  # cut off in the moment in which it was made
                self._blobs.pages.remove(token)

    def _positions(self) -> Positions:
        with self._archive.read() as tx:
            found: Mapping[str, Mapping[str, int]] = tx.bookmarks.below(BOOKMARK)
            return {name.removeprefix(BOOKMARK): place["position"] for name, place in found.items()}

    def is_dead(self, log: Log) -> bool:
        """Tell whether the process of a log is no more."""
        return not self._blobs.is_kept(log.token)

    def finish(self, log: Log) -> None:
        """Forget a log that is over: all of it is in the index, and that is made durable first."""
        with self._archive.begin() as tx:  # synced, and with it all that was committed before
            tx.bookmarks.put(BOOKMARK + log.token, {"position": log.position}, clock.now())
            tx.commit()
        del self.logs[log.token]
        log.close()
        if self._passing:  # what a crash kept from being deleted
            self._blobs.drop(log.token)
        self._blobs.pages.remove(log.token)
        with self._archive.begin() as tx:
            tx.bookmarks.remove(BOOKMARK + log.token)
            tx.commit()

    def close(self) -> None:
        """Let all logs go."""
        for log in self.logs.values():
            log.close()
        self.logs.clear()
