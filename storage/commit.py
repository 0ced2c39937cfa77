"""One way in for arrivals, by which all who wait share one sync of blobs and one commit.

The first caller to come leads: it takes along whoever is waiting, makes their blobs durable, commits
their records in one transaction, tells them, and passes the lead to one who came meanwhile. There is
no thread behind it and nothing polls; while one group is being written the next one gathers.
"""

import random
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence

from storage.blobs.protocol import BlobStore
from storage.engine import Busy
from storage.errors import InDoubt, OutOfSpace, Unavailable
from storage.records.arrival import Arrival, Recorded
from storage.transaction import Transaction

Follower = Callable[[Transaction, Sequence[tuple[Arrival, Recorded]]], None]

_LARGEST_GROUP = 64
_PATIENCE = 30.0  # seconds for which a transaction that others get in the way of is tried again


class GroupCommit:
    """Records arrivals durably, many with one commit. Safe for use by many threads.

    Parameters
    ----------
    begin
        Begins a transaction.
    blobs
        Where the bytes of the arrivals have been placed.
    follower
        Called in the transaction of each group with what was recorded, before it commits. It may be
        called more than once for an arrival, in a transaction that replaces one which failed.
    """

    def __init__(
        self, begin: Callable[[], Transaction], blobs: BlobStore, follower: Follower | None = None
    ) -> None:
        self._begin = begin
        self._blobs = blobs
        self._follower = follower
        self._lock = threading.Lock()
        self._waiting: deque[_Place] = deque()
        self._led = False

    def record(self, arrival: Arrival) -> Recorded:
        """Return once `arrival` is durable, bytes and record.

        Raises
        ------
        OutOfSpace
            Nothing was recorded.
        InDoubt
            It may have been recorded or not: its blob must stay. Recording it again gives the answer.
        Unavailable
            Nothing was recorded; it can be tried again.
        Exception
            Whatever this arrival alone has wrong. Others of its group are not touched.
        """
        place = _Place(arrival)
        with self._lock:
            self._waiting.append(place)
            place.leads = not self._led
            self._led = True
        if not place.leads:
            place.turn.wait()
        if place.leads:
            self._lead()
        return place.answer()

    def _lead(self) -> None:
        """Write one group, our own place among it, and pass the lead."""
        with self._lock:
            size = min(_LARGEST_GROUP, len(self._waiting))
            group = [self._waiting.popleft() for _ in range(size)]
        try:
            self._write(group)
        finally:
            with self._lock:
                successor = self._waiting[0] if self._waiting else None
                self._led = successor is not None
                if successor is not None:
                    successor.leads = True
            for place in group:
                place.turn.set()
            if successor is not None:
                successor.turn.set()

    def _write(self, group: Sequence["_Place"]) -> None:
        arrivals = [place.arrival for place in group]
        try:
            self._blobs.sync([arrival.blob.key for arrival in arrivals])
            recorded = self._commit(arrivals)
        except (OutOfSpace, Unavailable) as error:
            for place in group:
                place.error = error
        except Exception as error:
            if len(group) == 1:
                group[0].error = error
                return
            for place in group:  # one of them spoils it: each for itself
                self._write([place])
        else:
            for place, each in zip(group, recorded, strict=True):
                place.recorded = each

    def _commit(self, arrivals: Sequence[Arrival]) -> Sequence[Recorded]:
        """Record `arrivals` in one transaction, again while others get in its way."""
        deadline = time.monotonic() + _PATIENCE
        pause = 0.001
        doubt: Exception | None = None
        while True:
            try:
                return self._attempt(arrivals)
            except _Broken as broken:
                if doubt is not None:
                    raise InDoubt(str(broken.error)) from broken.error
                doubt = broken.error  # recording again says whether it was saved
            except Busy as error:
                if time.monotonic() > deadline:
                    raise _told(error, doubt) from doubt
            except Exception as error:
                raise _told(error, doubt) from doubt
            time.sleep(pause * random.random())
            pause = min(2 * pause, 0.1)

    def _attempt(self, arrivals: Sequence[Arrival]) -> Sequence[Recorded]:
        with self._begin() as tx:
            recorded = tx.arrivals.record(arrivals)
            if self._follower is not None:
                self._follower(tx, list(zip(arrivals, recorded, strict=True)))
            try:
                tx.commit()
            except (Busy, OutOfSpace):
                raise  # the database says itself that it was not saved
            except Exception as error:
                raise _Broken(error) from error
            return recorded


def _told(error: Exception, doubt: Exception | None) -> Exception:
    return error if doubt is None else InDoubt(str(doubt))


class _Broken(Exception):
    """The commit itself broke, so it may have happened."""

    def __init__(self, error: Exception) -> None:
        self.error = error


class _Place:
    """One caller, waiting."""

    __slots__ = ("arrival", "error", "leads", "recorded", "turn")

    def __init__(self, arrival: Arrival) -> None:
        self.arrival = arrival
        self.turn = threading.Event()
        self.leads = False
        self.recorded: Recorded | None = None
        self.error: BaseException | None = None

    def answer(self) -> Recorded:
        if self.error is not None:
            raise self.error
        if self.recorded is None:  # whoever led was ended in the middle of it
            raise InDoubt("the commit was interrupted")
        return self.recorded
