"""The thread that speaks to the database for all who deliver: what ended is written, what is next is read.

Lanes never wait for a commit. What comes together within a moment shares a transaction, that of one
destination with that of another; and a database that is away is waited for, with nothing forgotten.
"""

import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Protocol

import structlog

from node.core import clock
from storage.archive import Archive
from storage.engine import Busy
from storage.errors import OutOfSpace, StorageError, Unavailable
from storage.transaction import Transaction

_AWAY = 1.0  # seconds between two tries: of all when the database does not answer, else of whom it refuses
_BUSY = 0.05  # seconds until what another writer was in the way of is tried again

_log = structlog.get_logger()


class Client(Protocol):
    """Who has something to write or to read now and then."""

    @property
    def place(self) -> int:
        """Its place among those who share a transaction, the same in every process."""

    def wish(self) -> float | None:
        """Return the seconds until it wants to be called, at most; None: until it rings."""

    def write(self, tx: Transaction) -> Callable[[], None]:
        """Do in `tx` what is to be done; return what is to be done once that has been saved.

        It is called again, with the same to do, when saving failed.
        """

    def doubt(self) -> None:
        """Learn that saving failed, or that nobody can know whether it did."""


class Postbook:
    """Gives its clients transactions, each with all who want one. `stop` it when it is done with.

    Parameters
    ----------
    patience
        Seconds that a database which is away is waited for at the end.
    """

    def __init__(self, archive: Archive, patience: float = 10.0) -> None:
        self._archive = archive
        self._patience = patience
        self._lock = threading.Lock()
        self._clients: list[Client] = []
        self._aside: dict[Client, float] = {}  # who could not be served, until when it is not asked
        self._rung = threading.Event()
        self._until: float | None = None  # set: end when nobody wants anything, at the latest then
        self._thread = threading.Thread(target=self._run, name="postbook", daemon=True)
        self._thread.start()

    def join(self, client: Client) -> None:
        """Serve `client` from now on."""
        with self._lock:
            self._clients.append(client)
        self.ring()

    def leave(self, client: Client) -> None:
        """Serve it no more; harmless when it is not served."""
        with self._lock, suppress(ValueError):
            self._clients.remove(client)
            self._aside.pop(client, None)

    def ring(self) -> None:
        """Ask the clients again what they want."""
        self._rung.set()

    def stop(self) -> None:
        """Write what is still to be written, and end."""
        self._until = clock.monotonic() + self._patience
        self.ring()
        self._thread.join()

    def _run(self) -> None:
        away = False
        while True:
            self._rung.clear()
            wanting, wait = self._wishes()
            if self._until is not None and (wait is None or clock.monotonic() >= self._until):
                return
            if wait is None or wait > 0:
                self._rung.wait(wait if wait is None or self._until is None else min(wait, _BUSY))
                continue
            away = not self._serve(wanting, away)

    def _serve(self, clients: list[Client], away: bool) -> bool:
        """Give all of them one transaction; return whether that was saved."""
        try:
            self._write(clients)
        except (Unavailable, OutOfSpace) as error:
            if not away:
                _log.error("delivery.database_away", error=str(error))
            time.sleep(_BUSY if isinstance(error, Busy) else _AWAY)
            return False
        except Exception as error:  # of one of them, which must not stop the others
            words = str(error) if isinstance(error, StorageError) else type(error).__name__
            _log.error("delivery.unwritten", error=words, clients=len(clients))
            if len(clients) == 1:
                self._aside[clients[0]] = clock.monotonic() + _AWAY
            else:
                served = [self._serve([client], away) for client in clients]
                return all(served)
        return True

    def _wishes(self) -> tuple[list[Client], float | None]:
        """Return who wants something, and the seconds until it is to be done; None: nobody does."""
        with self._lock:
            # Always in the same order: whoever else locks what they lock then never waits for us in a circle.
            clients = sorted(self._clients, key=lambda client: client.place)
        now, wanting, waits = clock.monotonic(), [], []
        for client in clients:
            wish, aside = client.wish(), self._aside.get(client, now) - now
            if wish is None:
                continue
            waits.append(max(wish, aside))
            if aside <= 0:
                wanting.append(client)
        return wanting, min(waits, default=None)

    def _write(self, clients: list[Client]) -> None:
        try:
            with self._archive.begin() as tx:
                saved = [client.write(tx) for client in clients]
                tx.commit()
        except Exception:
            for client in clients:
                client.doubt()
            raise
        for done in saved:
            done()
