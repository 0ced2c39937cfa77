"""Lets studies settle: once nothing has come for a while, series and study rules are asked.

A study that has grown since it last settled has a row in the archive, written with the arrival itself. When
it is due, what the rules see is read without any lock, then decided and saved in one transaction that holds
only if nothing came meanwhile: of two workers one does it, and a late arrival begins the wait anew.
"""

from datetime import timedelta

from node.config.sections import RulesSection
from node.core import clock
from node.core.trouble import report
from node.rulings.book import Book
from node.rulings.settlement import Settlement
from storage.archive import Archive
from storage.blobs.protocol import BlobStore
from storage.engine import Busy
from storage.records.rulings import Settling

_AT_ONCE = 16
_LONGEST = 30.0  # seconds


class Settler:
    """Looks for studies that are due; for one thread.

    Parameters
    ----------
    config
        How long is quiet.
    """

    def __init__(self, archive: Archive, blobs: BlobStore, book: Book, config: RulesSection) -> None:
        self._archive = archive
        self._blobs = blobs
        self._book = book
        self._config = config

    def look(self) -> float:
        """Settle what is due; return the seconds after which to look again.

        Nothing becomes due sooner than the shortest wait that an arrival begins, so nobody has to ring.

        Raises
        ------
        storage.errors.StorageError
            The archive does not answer. Nothing is lost by that.
        """
        with self._archive.read() as tx:
            due = tx.settling.due(clock.now(), _AT_ONCE)
        for each in due:
            self._settle(each)
        if len(due) == _AT_ONCE:
            return 0.0
        with self._archive.read() as tx:
            following = tx.settling.next_due()
        shortest = min(self._config.quiet_seconds, self._config.complete_seconds, _LONGEST)
        if following is None:
            return shortest
        return min(max((following - clock.now()).total_seconds(), 0.0), shortest)

    def _settle(self, settling: Settling) -> None:
        try:
            self._try(settling)
        except Busy:
            raise  # it is this one's turn again at once
        except Exception as error:
            # It must neither stop the others nor be forgotten. When it is the database that is away, this
            # raises; else it may be a single file that cannot be read.
            self._postpone(settling)
            report("study.not_settled", error, study_row=str(settling.study_row))

    def _try(self, settling: Settling) -> None:
        settlement = Settlement(self._archive, self._blobs, self._book, settling)
        quiet_at = settling.last_at + timedelta(seconds=self._config.quiet_seconds)
        quiet = clock.now() >= quiet_at
        if not quiet and not settlement.is_complete():
            with self._archive.begin() as tx:
                tx.settling.postpone(settling, quiet_at)
                tx.commit()
            return
        settlement.carry_out()

    def _postpone(self, settling: Settling) -> None:
        again = clock.now() + timedelta(seconds=max(60.0, 10 * self._config.quiet_seconds))
        with self._archive.begin() as tx:
            tx.settling.postpone(settling, again)
            tx.commit()
