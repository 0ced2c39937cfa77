"""Wait for work without asking for it all the time.

On PostgreSQL a connection listens, and the server speaks up when a transaction with new jobs commits. On
SQLite the counter in the shared memory of the write-ahead log is looked at (no lock, no disk, microseconds)
and tells whether any other connection has committed. Either way a wake-up is a hint: who wakes looks at
the queue, and who is not woken looks again after a while.
"""

import os
import select
from contextlib import suppress
from types import TracebackType
from typing import Any, Self

from sqlalchemy import Engine

CHANNEL = "isocentre_job"
_LOOK_SECONDS = 0.2
_RECONNECT_SECONDS = 1.0


class Waker:
    """Wakes one thread; `poke` may be called by any thread, and by a signal handler."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._listens = engine.dialect.name == "postgresql"
        self._heard: Any = None
        self._seen = -1
        self._end, self._poke = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)

    def wait(self, timeout: float) -> None:
        """Return after `timeout` seconds, or sooner when there may be something to do."""
        try:
            if self._heard is None:
                self._connect()
                return  # what was committed before we listened is found by looking now
            if self._listens:
                self._listen(timeout)
            else:
                self._look(timeout)
        except Exception:  # the database is away; the driver has many words for it
            self._disconnect()
            self._poked(min(timeout, _RECONNECT_SECONDS))

    def poke(self) -> None:
        """Wake the waiting thread."""
        with suppress(BlockingIOError):  # full of earlier pokes
            os.write(self._poke, b".")

    def close(self) -> None:
        """Let the connection go."""
        self._disconnect()
        os.close(self._end)
        os.close(self._poke)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _connect(self) -> None:
        record = self._engine.raw_connection()
        record.detach()  # it listens for as long as we do, so the pool must not have it
        self._heard = record.driver_connection
        if self._listens:
            self._heard.set_session(autocommit=True)
            with self._heard.cursor() as cursor:
                cursor.execute(f"LISTEN {CHANNEL}")
        else:
            self._seen = self._version()

    def _disconnect(self) -> None:
        with suppress(Exception):
            if self._heard is not None:
                self._heard.close()
        self._heard = None

    def _listen(self, timeout: float) -> None:
        ready, _, _ = select.select([self._heard, self._end], [], [], timeout)
        if self._end in ready:
            self._poked(0)
        if self._heard in ready:
            self._heard.poll()
            self._heard.notifies.clear()

    def _look(self, timeout: float) -> None:
        while timeout > 0:
            if self._poked(min(timeout, _LOOK_SECONDS)):
                return
            version = self._version()
            if version != self._seen:
                self._seen = version
                return
            timeout -= _LOOK_SECONDS

    def _version(self) -> int:
        version: int = self._heard.execute("PRAGMA data_version").fetchone()[0]
        return version

    def _poked(self, timeout: float) -> bool:
        """Wait for a poke, and forget it and all that came with it."""
        ready, _, _ = select.select([self._end], [], [], timeout)
        if ready:
            with suppress(BlockingIOError):
                while os.read(self._end, 4096):
                    pass
        return bool(ready)
