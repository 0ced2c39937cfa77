import threading
import time
from datetime import UTC, datetime

from storage.archive import Archive
from storage.records.jobs import NewJob
from storage.wake import Waker

NOW = datetime(2026, 3, 1, tzinfo=UTC)
LONG = 60.0  # no wait below lasts that long unless it is not woken


def enqueue(archive: Archive) -> None:
    with archive.begin() as tx:
        tx.jobs.enqueue(NewJob("a"), NOW)
        tx.commit()


def settled(waker: Waker) -> None:
    """Listen, and let everything earlier pass."""
    waker.wait(0.0)
    waker.wait(0.5)


def woken(waker: Waker) -> bool:
    began = time.monotonic()
    waker.wait(LONG)
    return time.monotonic() - began < LONG / 2


def test_a_new_job_wakes(archive: Archive, archive_url: str) -> None:
    other = Archive.open(archive_url)
    with archive.waker() as waker:
        settled(waker)
        threading.Timer(0.3, enqueue, [other]).start()
        assert woken(waker)
    other.close()


def test_a_job_that_came_between_two_waits_wakes(archive: Archive) -> None:
    with archive.waker() as waker:
        settled(waker)
        enqueue(archive)
        assert woken(waker)


def test_a_poke_wakes_once(archive: Archive) -> None:
    with archive.waker() as waker:
        settled(waker)
        for _ in range(3):
            waker.poke()
        assert woken(waker)
        began = time.monotonic()
        waker.wait(0.5)
        assert time.monotonic() - began >= 0.5


def test_more_pokes_than_anybody_waits_for_do_not_block(archive: Archive) -> None:
    with archive.waker() as waker:
        for _ in range(100_000):
            waker.poke()
        settled(waker)
        waker.poke()
        assert woken(waker)


def test_a_cut_connection_is_made_again(postgres_url: str) -> None:
    archive, other = Archive.open(postgres_url), Archive.open(postgres_url)
    with archive.waker() as waker:
        settled(waker)
        with other.begin() as tx:
            tx.connection.exec_driver_sql(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE pid <> pg_backend_pid() AND datname = current_database()"
            )
        assert woken(waker)  # to look, for nobody knows what was missed
        settled(waker)
        enqueue(other)
        assert woken(waker)
    archive.close()
    other.close()
