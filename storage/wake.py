"""Wakes workers when there is something to do, so that they need not ask for it all the time.

On PostgreSQL a connection listens, and the server speaks up when a transaction that rang commits. On SQLite
whoever committed such a transaction writes a byte into the pipe of each who waits (`storage.pipes`). Either
way a wake-up is a hint: who wakes looks at the queues, and who is not woken looks again after a while.
"""

import os
import select
from contextlib import suppress
from types import TracebackType
from typing import Any, Self

from sqlalchemy import Connection, Engine

from storage.pipes import Pipe, folder_beside, folder_of, ring

CHANNEL = "isocentre_job"
_RECONNECT_SECONDS = 1.0


class Bell:
    """What a transaction wakes workers with, once, when it commits.

    Example
    -------
    >>> bell.pull()                                                 # doctest: +SKIP
    >>> bell.announce(); connection.commit(); bell.ring()           # doctest: +SKIP
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._pulled = False

    def pull(self) -> None:
        """Let the bell ring at the commit."""
        self._pulled = True

    def announce(self) -> None:
        """Tell PostgreSQL, within the transaction; it rings when that commits."""
        if self._pulled and self._connection.dialect.name == "postgresql":
            self._connection.exec_driver_sql(f"NOTIFY {CHANNEL}")
            self._pulled = False

    def ring(self) -> None:
        """Ring for SQLite, once it has committed. Raises nothing."""
        if self._pulled:
            self._pulled = False
            with suppress(Exception):  # it is committed whatever comes of this
                ring(folder_beside(self._connection))


class Waker:
    """Wakes one thread; `poke` may be called by any thread, and by a signal handler."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._listens = engine.dialect.name == "postgresql"
        self._heard: Any = None
        self._end, self._poke = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)

    def wait(self, timeout: float) -> None:
        """Return after `timeout` seconds, or sooner when there may be something to do.

        It returns at once when it begins to listen, the first time and after what it listened to was lost:
        what was committed before is found by looking now.
        """
        try:
            if self._heard is not None and not self._listens and not self._heard.stands():
                self._disconnect()
            if self._heard is None:
                self._heard = self._listener() if self._listens else self._pipe()
                return
            self._hear(timeout)
        except Exception:  # the database is away; the driver has many words for it
            self._disconnect()
            self._poked(min(timeout, _RECONNECT_SECONDS))

    def poke(self) -> None:
        """Wake the waiting thread."""
        with suppress(BlockingIOError):  # full of earlier pokes
            os.write(self._poke, b".")

    def close(self) -> None:
        """Stop listening."""
        self._disconnect()
        os.close(self._end)
        os.close(self._poke)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _listener(self) -> Any:
        record = self._engine.raw_connection()
        record.detach()  # it listens for as long as we do, so the pool must not have it
        listener: Any = record.driver_connection
        try:
            listener.set_session(autocommit=True)
            with listener.cursor() as cursor:
                cursor.execute(f"LISTEN {CHANNEL}")
        except BaseException:
            listener.close()
            raise
        return listener

    def _pipe(self) -> Pipe:
        borrowed = self._engine.raw_connection()
        try:
            return Pipe.make(folder_of(borrowed.driver_connection))
        finally:
            borrowed.close()

    def _hear(self, timeout: float) -> None:
        ready, _, _ = select.select([self._heard, self._end], [], [], timeout)
        if self._end in ready:
            self._poked(0)
        if self._heard not in ready:
            return
        if self._listens:
            self._heard.poll()
            self._heard.notifies.clear()
        else:
            self._heard.drain()

    def _disconnect(self) -> None:
        with suppress(Exception):
            if self._heard is not None:
                self._heard.close()
        self._heard = None

    def _poked(self, timeout: float) -> bool:
        """Wait for a poke, and forget it and all that came with it."""
        ready, _, _ = select.select([self._end], [], [], timeout)
        if ready:
            with suppress(BlockingIOError):
                while os.read(self._end, 4096):
                    pass
        return bool(ready)
