"""A PostgreSQL as it ships, durable, on the disk that is measured: made for a run, and gone with it."""

import contextlib
import os
import pwd
import secrets
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psycopg2

from benchmarks.running import environment, free_port, started

_START = 60.0  # seconds


class Missing(Exception):
    """There is no PostgreSQL to be had; the message says why."""


@dataclass(frozen=True)
class Server:
    """A running server: the URL of a fresh database, and the id of its first process."""

    url: str
    pid: int


class Cluster:
    """The files of a server, which runs only while it is measured: others have the machine to themselves.

    Parameters
    ----------
    folder
        Where they are made. The account that they are for has to be able to get there.

    Raises
    ------
    Missing
        The programs are not installed, or do not work here.
    """

    def __init__(self, folder: Path) -> None:
        self._programs = _programs()
        self._user = _user()
        self._folder = folder
        self._password = secrets.token_urlsafe(16)
        self._made = 0
        folder.mkdir(parents=True)
        secret = folder / "password"
        secret.write_text(self._password)
        if self._user is not None:
            for path in (folder, secret):
                shutil.chown(path, self._user)
        command = [str(self._programs / "initdb"), "-D", str(folder / "data"), "-U", "bench", "-E", "UTF8"]
        command += ["--locale=C.UTF-8", "-A", "scram-sha-256", f"--pwfile={secret}"]
        try:
            with started(command, folder / "initdb.log", environment(False), self._user) as process:
                failed = process.wait(120)
        except (OSError, subprocess.SubprocessError) as error:
            raise Missing(f"initdb does not run: {error}") from error
        if failed:
            raise Missing(f"initdb failed: {(folder / 'initdb.log').read_text()[-500:]}")

    @contextlib.contextmanager
    def running(self) -> Iterator[Server]:
        """Run the server, with a database that nobody has used."""
        port, log = free_port(), self._folder / "postgres.log"
        command = [str(self._programs / "postgres"), "-D", str(self._folder / "data"), "-p", str(port)]
        command += ["-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories="]
        with started(command, log, environment(False), self._user, signal.SIGINT) as process:
            self._made += 1
            name = f"bench_{self._made}"
            connection = self._connect(port, process, log)
            try:
                connection.autocommit = True
                with connection.cursor() as cursor:
                    cursor.execute(f"CREATE DATABASE {name}")
            finally:
                connection.close()
            url = f"postgresql+psycopg2://bench:{self._password}@127.0.0.1:{port}/{name}"
            yield Server(url, process.pid)

    def _connect(
        self, port: int, process: "subprocess.Popen[bytes]", log: Path
    ) -> "psycopg2.extensions.connection":
        deadline = time.monotonic() + _START
        while time.monotonic() < deadline and process.poll() is None:
            with contextlib.suppress(psycopg2.OperationalError):
                return psycopg2.connect(
                    host="127.0.0.1", port=port, user="bench", password=self._password, dbname="postgres"
                )
            time.sleep(0.05)
        raise RuntimeError(f"PostgreSQL does not answer: {log.read_text(errors='replace')[-1000:]}")


def _programs() -> Path:
    """The folder of initdb and postgres: the newest of Debian's, else that on PATH."""
    folders = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: path.parent.name.zfill(9))
    found = shutil.which("initdb")
    if found:
        folders.insert(0, Path(found).resolve().parent)
    for folder in reversed(folders):
        if all((folder / name).exists() for name in ("initdb", "postgres")):
            return folder
    raise Missing("initdb and postgres are not installed (on Debian: apt-get install postgresql)")


def _user() -> int | None:
    """The account to run as: PostgreSQL refuses root."""
    if os.geteuid():
        return None
    for name in ("postgres", "nobody"):
        with contextlib.suppress(KeyError):
            return pwd.getpwnam(name).pw_uid
    raise Missing("PostgreSQL does not run as root, and there is neither a user postgres nor nobody")
