"""A PostgreSQL server that crashes and comes back, with what it had committed."""

import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from signal import SIGINT, SIGQUIT

import psycopg2

from tests.support.postgres import Server, server


class Outage:
    """The server of `mortal`, which may be brought down and up again.

    Attributes
    ----------
    server
        For making databases.
    """

    def __init__(self, found: Server) -> None:
        self.server = found
        process = Path(f"/proc/{found.pid}")
        self._folder = os.readlink(process / "cwd")  # PostgreSQL works in its data folder
        self._command = process.joinpath("cmdline").read_bytes().decode().rstrip("\0").split("\0")
        owner = process.stat()
        self._account = {"user": owner.st_uid, "group": owner.st_gid, "extra_groups": ()}
        self._pid = found.pid
        self._own: subprocess.Popen[bytes] | None = None

    def begin(self) -> None:
        """Bring it down at once, as a crash would: connections break in the middle of what they did."""
        self._end(SIGQUIT)

    def end(self) -> None:
        """Bring it up again, and wait until it answers."""
        lesser = self._account if os.geteuid() == 0 else {}
        self._own = subprocess.Popen(
            self._command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd=self._folder,
            **lesser,  # type: ignore[call-overload]
        )
        self._pid = self._own.pid
        deadline = time.monotonic() + 60
        while True:
            try:
                self.server.run("SELECT 1")
                return
            except psycopg2.OperationalError:
                assert time.monotonic() < deadline, "PostgreSQL did not come back"
            time.sleep(0.05)

    def close(self) -> None:
        """Stop what `end` has started."""
        if self._own is not None and self._own.poll() is None:
            self._end(SIGINT)

    def _end(self, signal: int) -> None:
        os.kill(self._pid, signal)
        if self._own is not None:
            self._own.wait(60)
            return
        deadline = time.monotonic() + 60
        with suppress(OSError):
            while "Z" not in Path(f"/proc/{self._pid}/stat").read_text().rpartition(")")[2].split()[0]:
                assert time.monotonic() < deadline, "PostgreSQL does not end"
                time.sleep(0.02)


@contextmanager
def mortal() -> Iterator[Outage]:
    """Run a server of one's own for the block."""
    with server(durable=True) as found:
        outage = Outage(found)
        try:
            yield outage
        finally:
            outage.close()
