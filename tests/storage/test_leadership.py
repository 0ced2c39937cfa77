import signal
import subprocess
import sys

import pytest

from storage.archive import Archive
from storage.errors import StorageError

HOLD = """
import sys, time
from storage.archive import Archive
lock = Archive.open(sys.argv[1]).leadership("boss")
assert lock.acquire()
print("held", flush=True)
time.sleep(600)
"""


def test_one_of_two_leads_until_it_lets_go(archive: Archive) -> None:
    with archive.leadership("boss") as first, archive.leadership("boss") as second:
        assert first.acquire()
        assert first.acquire()
        assert first.held()
        assert not second.acquire()
        assert not second.held()
        with archive.leadership("other") as other:
            assert other.acquire()
        first.release()
        assert not first.held()
        assert second.acquire()


def test_leadership_ends_with_the_process_that_has_it(archive: Archive, archive_url: str) -> None:
    process = subprocess.Popen([sys.executable, "-c", HOLD, archive_url], stdout=subprocess.PIPE)
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == b"held\n"
        with archive.leadership("boss") as lock:
            assert not lock.acquire()
            process.send_signal(signal.SIGKILL)
            process.wait()
            while not lock.acquire():  # PostgreSQL notices when it reads from the connection
                pass
    finally:
        process.kill()
        process.communicate()


def test_a_leader_whose_session_is_cut_knows_it(postgres_url: str) -> None:
    archive, other = Archive.open(postgres_url), Archive.open(postgres_url)
    with archive.leadership("boss") as lock, other.leadership("boss") as next_one:
        assert lock.acquire()
        with other.begin() as tx:
            tx.connection.exec_driver_sql(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE pid <> pg_backend_pid() AND datname = current_database()"
            )
        assert not lock.held()
        assert next_one.acquire()
        assert not lock.acquire()
    archive.close()
    other.close()


def test_a_lock_that_cannot_be_made_is_told(archive: Archive, sqlite_url: str) -> None:
    folder = sqlite_url.removeprefix("sqlite:///").rpartition("/")[0]
    opened = Archive.open(sqlite_url)
    with opened.leadership("no/such/folder") as lock, pytest.raises(StorageError, match=folder):
        lock.acquire()
    opened.close()
