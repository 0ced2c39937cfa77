"""A private PostgreSQL cluster for one test process: started on first use, stopped at the end.

`ISOCENTRE_TEST_POSTGRES_URL` names another server instead, as a user who may create databases.
"""

import contextlib
import os
import pwd
import secrets
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg2
from psycopg2.extensions import ISOLATION_LEVEL_AUTOCOMMIT
from sqlalchemy import URL, make_url

_SETTINGS = (  # the first two: nothing here has to survive a power cut
    "fsync=off",
    "full_page_writes=off",
    "max_connections=200",
    "shared_buffers=64MB",
    "unix_socket_directories=",
    "listen_addresses=127.0.0.1",
    "log_min_messages=fatal",
)

# Stops the server and clears away when its input ends: when we close it, or are killed ourselves.
_KEEPER = """
trap '' INT TERM
"$@" </dev/null &
read -r end
kill -INT $!
wait $!
rm -rf "$0"
"""


class NoPostgres(Exception):
    """There is no PostgreSQL to be had; the message says why."""


class Server:
    """A server in which databases can be made and dropped."""

    def __init__(self, url: URL, pid: int = 0) -> None:
        self._url = url
        self.pid = pid
        self._prefix = f"isocentre_test_{secrets.token_hex(6)}"
        self._made = 0

    def create(self, template: str = "template0") -> str:
        """Make a database, a copy of that named `template`; return its URL."""
        self._made += 1
        name = f"{self._prefix}_{self._made}"
        self.run(f'CREATE DATABASE "{name}" TEMPLATE "{template}"')
        return self._url.set(database=name).render_as_string(hide_password=False)

    def drop(self, url: str) -> None:
        """Drop the database at `url`, whoever is connected."""
        self.run(f'DROP DATABASE IF EXISTS "{make_url(url).database}" WITH (FORCE)')

    def run(self, statement: str) -> None:
        """Run a statement outside of any transaction."""
        plain = self._url.set(drivername="postgresql").render_as_string(hide_password=False)
        connection = psycopg2.connect(plain)
        try:
            connection.set_isolation_level(ISOLATION_LEVEL_AUTOCOMMIT)
            with connection.cursor() as cursor:
                cursor.execute(statement)
        finally:
            connection.close()


@contextlib.contextmanager
def server(*, durable: bool = False) -> Iterator[Server]:
    """Yield the server named by the environment, or a private one.

    A `durable` one is always private, so that its processes can be watched, and syncs as it ships.
    """
    given = os.environ.get("ISOCENTRE_TEST_POSTGRES_URL")
    if given and not durable:
        url = make_url(given).set(drivername="postgresql+psycopg2")
        yield Server(url if url.database else url.set(database="postgres"))
        return
    programs = _programs()
    folder = Path(tempfile.mkdtemp(prefix="isocentre-postgres-", dir=_memory()))
    try:
        with _cluster(programs, folder, _SETTINGS[2:] if durable else _SETTINGS) as (url, pid):
            yield Server(url, pid)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _programs() -> Path:
    """Return the folder of initdb and postgres: the newest of Debian's, else that on PATH."""
    folders = sorted(
        Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: _version(path.parent.name), reverse=True
    )
    found = shutil.which("initdb")
    if found:
        folders.append(Path(found).resolve().parent)
    for folder in folders:
        if all((folder / name).exists() for name in ("initdb", "postgres")):
            return folder
    raise NoPostgres("initdb and postgres are not installed (Debian: postgresql)")


def _memory() -> str | None:
    """Return a folder in memory when there is one with room: making databases is mostly making files."""
    shared = Path("/dev/shm")
    if os.access(shared, os.W_OK) and shutil.disk_usage(shared).free > 4 << 30:
        return str(shared)
    return None


def _version(name: str) -> float:
    try:
        return float(name)
    except ValueError:
        return 0.0


def _account() -> tuple[int, int] | None:
    """Return user and group to run as: PostgreSQL refuses root, so a lesser account when we are root."""
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        with contextlib.suppress(KeyError):
            entry = pwd.getpwnam(name)
            return entry.pw_uid, entry.pw_gid
    raise NoPostgres("PostgreSQL does not run as root, and there is neither a user postgres nor nobody")


@contextlib.contextmanager
def _cluster(programs: Path, folder: Path, settings: tuple[str, ...]) -> Iterator[tuple[URL, int]]:
    account = _account()
    lesser = {} if account is None else {"user": account[0], "group": account[1], "extra_groups": ()}
    password = secrets.token_urlsafe(16)
    secret, data, log = folder / "password", folder / "data", folder / "log"
    secret.write_text(password)
    log.touch()
    if account is not None:
        for path in (folder, secret, log):
            os.chown(path, *account)
    arguments = ["-D", data, "-U", "postgres", "-A", "scram-sha-256", f"--pwfile={secret}"]
    arguments += ["-E", "UTF8", "--locale=C.UTF-8", "--no-sync"]
    with log.open("ab") as output:
        made = subprocess.run(
            [programs / "initdb", *arguments], stdout=output, stderr=output, cwd=folder, check=False, **lesser
        )
        if made.returncode:
            raise NoPostgres(f"initdb failed: {log.read_text()[-500:]}")
        port = _free_port()
        options = [part for setting in settings for part in ("-c", setting)]
        command = [programs / "postgres", "-D", data, "-p", str(port), *options]
        process = subprocess.Popen(
            ["sh", "-c", _KEEPER, folder, *command],
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=output,
            cwd="/",
            **lesser,
        )
    try:
        url = URL.create("postgresql+psycopg2", "postgres", password, "127.0.0.1", port, "postgres")
        _wait(url, log)
        yield url, int((data / "postmaster.pid").read_text().split()[0])
    finally:
        assert process.stdin is not None
        process.stdin.close()
        process.wait(60)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _wait(url: URL, log: Path) -> None:
    plain = url.set(drivername="postgresql").render_as_string(hide_password=False)
    deadline = time.monotonic() + 60
    while True:
        try:
            psycopg2.connect(plain).close()
            return
        except psycopg2.OperationalError as error:
            if time.monotonic() > deadline:
                raise NoPostgres(f"PostgreSQL did not start: {error}; {log.read_text()[-500:]}") from None
        time.sleep(0.05)
