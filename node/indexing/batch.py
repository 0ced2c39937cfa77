"""A number of arrivals from the log into the index: one transaction, and what is to be done when it fails.

What was acknowledged may not be lost: while the database is away it is tried again for ever; an arrival that
the database does not take, whatever the reason, goes to the quarantine with it, and the others go on.
"""

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import TypeVar

from node.core import clock
from node.core.trouble import report
from node.indexing.moving import Moving
from node.intake.outcome import REASON_MAX, Claim
from node.services.quarantine import Quarantine
from node.services.recorder import Recorder
from storage.archive import Archive
from storage.blobs.protocol import BlobStore
from storage.commit import Follower
from storage.engine import Busy
from storage.errors import Damaged, OutOfSpace, StorageError, Unavailable
from storage.records.arrival import Arrival, Recorded, Verdict
from storage.transaction import Transaction

Positions = Mapping[str, int]
"""How far each log is in the index, by its token."""

BOOKMARK = "log "
"""With which the name of the bookmark begins that holds the position of a log."""

_TURN = "index"

_FIRST_PAUSE, _LONGEST_PAUSE = 0.005, 2.0  # seconds
_TOLD_AFTER = 1.0

_T = TypeVar("_T")


class TakenBack(StorageError):
    """The database came back without commits that it had said were done: what it has must be asked anew."""


class Stopped(Exception):
    """It was asked to end while it waited for the database."""


class Batches:
    """Writes batches.

    Parameters
    ----------
    archive
        Whose commits may be left unsynced (`Archive.open`, ``durable=False``).
    follower
        Called in the transaction with what was recorded, before it commits.
    recorder, quarantine
        For what is not simply new.
    moving
        Brings the blobs to where they belong.
    stop
        Ends the waiting for a database that does not answer.
    """

    def __init__(
        self,
        archive: Archive,
        durable: Archive,
        blobs: BlobStore,
        follower: Follower,
        recorder: Recorder,
        quarantine: Quarantine,
        moving: Moving,
        stop: threading.Event,
    ) -> None:
        self._archive = archive
        self._durable = durable
        self._blobs = blobs
        self._follower = follower
        self._recorder = recorder
        self._quarantine = quarantine
        self._stop = stop
        self._moving = moving
        self._turn: int | None = None  # of the latest transaction; None: not known

    def forget(self) -> None:
        """Take the index as it stands, whatever was saved before."""
        self._turn = None

    def confirm(self) -> None:
        """See that the database has all that it said was done. Raises TakenBack."""
        with self._archive.read() as tx:
            self._check(tx)

    def _check(self, tx: Transaction) -> int:
        found: int = tx.bookmarks.get(_TURN).get("turn", 0)
        if self._turn not in (None, found):
            raise TakenBack("database: it has lost what it had not written")
        return found

    def _commit(self, tx: Transaction) -> None:
        """Commit what follows the latest commit of ours, and is not there without it. Raises TakenBack."""
        found = self._check(tx)
        tx.bookmarks.put(_TURN, {"turn": found + 1}, clock.now())
        tx.commit()
        self._turn = found + 1

    def _harden(self) -> None:
        """Make durable what was committed: the log is going to lose what it could be made of again."""
        with self._durable.begin() as tx:
            self._commit(tx)

    def write(self, arrivals: Sequence[Arrival], positions: Positions) -> None:
        """Bring `arrivals` into the index, and save that the logs are in it up to `positions`.

        Raises
        ------
        Stopped
            Nothing more was done; what is saved already does no harm when it comes again.
        """
        moved = self._persist(partial(self._moving.move, arrivals))
        left = self._record(moved, positions)
        if left:
            for arrival, recorded in left:
                self._persist(partial(self._recorder.clear, arrival, recorded))
            self.save(positions)  # only now: what was not cleared away comes again
        if self._moving.moves:
            self._persist(self._harden)
        self._moving.forget(arrivals)

    def save(self, positions: Positions) -> None:
        """Save how far logs are in the index."""
        self._persist(lambda: self._save(positions))

    def _record(
        self, arrivals: Sequence[Arrival], positions: Positions
    ) -> Sequence[tuple[Arrival, Recorded]]:
        """Record them; return duplicates: while there are any, no position is saved."""
        if not arrivals:
            self.save(positions)
            return ()
        try:
            return self._persist(lambda: self._attempt(arrivals, positions))
        except (Stopped, TakenBack):
            raise
        except Exception as error:
            if len(arrivals) == 1:
                self._give_up(arrivals[0], error)
                self.save(positions)
                return ()
        # One of them spoils it: each for itself, and the position when all are done.
        left = [each for arrival in arrivals for each in self._record([arrival], {})]
        if not left:
            self.save(positions)
        return left

    def _attempt(
        self, arrivals: Sequence[Arrival], positions: Positions
    ) -> Sequence[tuple[Arrival, Recorded]]:
        while True:
            with self._archive.begin() as tx:
                recorded = tx.arrivals.record(arrivals)
                if not any(each.verdict is Verdict.DIFFERS for each in recorded):
                    pairs = list(zip(arrivals, recorded, strict=True))
                    self._follower(tx, pairs)
                    left = [(a, r) for a, r in pairs if r.verdict is Verdict.DUPLICATE]
                    if not left:
                        _mark(tx, positions)
                    self._commit(tx)
                    return left
            arrivals, same = self._judged(arrivals, recorded)
            for each in same:
                self._recorder.delete(each.blob.key)
            if not arrivals:
                self._save(positions)
                return ()

    def _judged(
        self, arrivals: Sequence[Arrival], recorded: Sequence[Recorded]
    ) -> tuple[list[Arrival], list[Arrival]]:
        """Return what is to be recorded after all, conflicts as such, and what says the same as is known."""
        kept, same = [], []
        for arrival, each in zip(arrivals, recorded, strict=True):
            if each.verdict is not Verdict.DIFFERS:
                kept.append(arrival)
            elif self._recorder.says_the_same(arrival, each):
                same.append(arrival)
            else:
                kept.append(replace(arrival, as_conflict=True))
        return kept, same

    def _save(self, positions: Positions) -> None:
        if positions:
            with self._archive.begin() as tx:
                _mark(tx, positions)
                self._commit(tx)

    def _persist(self, act: Callable[[], _T]) -> _T:
        """Do it until the database lets us."""
        pause, began, told = _FIRST_PAUSE, clock.monotonic(), False
        while True:
            try:
                return act()
            except (Busy, Unavailable, OutOfSpace, Damaged) as error:
                if not told and clock.monotonic() - began > _TOLD_AFTER:
                    told = True
                    report("index.waits", error)
            if self._stop.wait(pause):
                raise Stopped
            pause = min(2 * pause, _LONGEST_PAUSE)

    def _give_up(self, arrival: Arrival, error: Exception) -> None:
        """Keep in quarantine what the database does not take."""
        report("index.refused", error, arrival.sop_instance_uid, blob=arrival.blob.key)
        claim = Claim(arrival.sop_class_uid, arrival.sop_instance_uid, arrival.transfer_syntax_uid)
        reason = f"it was received, but the index does not take it: {type(error).__name__}"[:REASON_MAX]

        def keep() -> None:
            with self._blobs.open(arrival.blob.key) as reader:
                self._quarantine.keep(reader.chunks(), reason, claim, arrival.origin)

        try:
            self._persist(keep)
        except (Stopped, TakenBack):
            raise
        except Exception as trouble:  # the blob stays in the log; `db verify` finds it
            report("quarantine.failed", trouble, arrival.sop_instance_uid)
        else:
            self._recorder.delete(arrival.blob.key)


def _mark(tx: Transaction, positions: Positions) -> None:
    for token, position in positions.items():
        tx.bookmarks.put(BOOKMARK + token, {"position": position}, clock.now())
