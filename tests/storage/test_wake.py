import shutil
import subprocess
import sys
import threading
import time
from datetime import UTC, datetime
from pathlib import Path

from storage.archive import Archive
from storage.records.jobs import NewJob
from storage.wake import Bell, Waker

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


def woken_within(waker: Waker, seconds: float) -> bool:
    began = time.monotonic()
    waker.wait(seconds)
    return time.monotonic() - began < seconds


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
        assert not woken_within(waker, 0.5)


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


def test_what_is_taken_back_wakes_nobody(archive: Archive) -> None:
    with archive.waker() as waker:
        settled(waker)
        with archive.begin() as tx:
            tx.jobs.enqueue(NewJob("a"), NOW)
            tx.ring()
        assert not woken_within(waker, 0.3)


def test_what_leaves_nothing_to_workers_wakes_nobody(archive: Archive) -> None:
    with archive.waker() as waker:
        settled(waker)
        with archive.begin() as tx:
            tx.bookmarks.put("a", {}, NOW)
            tx.commit()
        assert not woken_within(waker, 0.3)


def test_whoever_rings_wakes_all_once(archive: Archive) -> None:
    with archive.waker() as first, archive.waker() as second:
        settled(first)
        settled(second)
        with archive.begin() as tx:
            tx.ring()
            tx.ring()
            tx.commit()
        assert woken(first)
        assert woken(second)
        assert not woken_within(first, 0.3)


def test_a_bell_rings_once_for_each_time_it_was_pulled(archive: Archive) -> None:
    with archive.waker() as waker, archive.begin() as tx:
        settled(waker)
        bell = Bell(tx.connection)
        bell.announce()
        bell.ring()
        bell.pull()
        bell.announce()
        tx.commit()
        bell.ring()
        assert woken(waker)
        bell.ring()
        assert not woken_within(waker, 0.3)


def test_a_worker_in_another_process_is_woken(sqlite_url: str) -> None:
    archive = Archive.open(sqlite_url)
    program = (
        "import sys; from storage.archive import Archive\n"
        "with Archive.open(sys.argv[1]).waker() as waker:\n"
        "    waker.wait(0); print('ready', flush=True); waker.wait(60); print('woken', flush=True)\n"
    )
    with subprocess.Popen([sys.executable, "-c", program, sqlite_url], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        began = time.monotonic()
        enqueue(archive)
        assert process.stdout.readline() == b"woken\n"
        assert time.monotonic() - began < LONG / 2
    archive.close()


def test_a_waker_whose_pipe_was_cleared_away_makes_another(sqlite_url: str) -> None:
    archive = Archive.open(sqlite_url)
    folder = Path(sqlite_url.removeprefix("sqlite:///") + ".wake")
    with archive.waker() as waker:
        settled(waker)
        shutil.rmtree(folder)
        assert woken(waker)  # to look, for nobody knows what was missed
        enqueue(archive)
        assert woken(waker)
    assert list(folder.iterdir()) == []
    archive.close()


def test_where_no_pipe_can_be_made_the_worker_looks_again_and_work_is_taken(sqlite_url: str) -> None:
    archive = Archive.open(sqlite_url)
    Path(sqlite_url.removeprefix("sqlite:///") + ".wake").write_bytes(b"")
    with archive.waker() as waker:
        enqueue(archive)
        began = time.monotonic()
        for _ in range(3):
            waker.wait(0.1)
        assert time.monotonic() - began >= 0.3
        waker.poke()
        assert woken(waker)
    archive.close()
