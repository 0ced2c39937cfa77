import contextlib
import threading
from collections.abc import Iterator, MutableMapping
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from structlog.testing import capture_logs

from node.config import SchedulerSection
from node.core import clock
from node.run import schedule
from node.run.schedule import Scheduler
from storage.archive import Archive
from storage.errors import Unavailable
from storage.records.jobs import Job, Priority

NOW = datetime(2026, 3, 10, 12, 0, tzinfo=UTC)


@pytest.fixture
def now(monkeypatch: pytest.MonkeyPatch) -> list[datetime]:
    """The time, in UTC on this machine, to be moved by the test."""
    moment = [NOW]
    monkeypatch.setattr(clock, "now", lambda: moment[0])
    return moment


def jobs(archive: Archive) -> list[Job]:
    with archive.read() as tx:
        return list(tx.jobs.list())[::-1]


def finish_all(archive: Archive) -> None:
    with archive.begin() as tx:
        while job := tx.jobs.claim("w", schedule.CHORES, NOW + timedelta(days=99), NOW):
            tx.jobs.finish(job, NOW)
        tx.commit()


def test_a_new_node_does_its_chores_at_once_and_then_once_a_night(archive: Archive, now: list[datetime]):
    scheduler = Scheduler(archive, SchedulerSection(scrub_at="02:30"))
    for _ in range(3):
        scheduler.enqueue_missed()
    assert [(job.kind, job.priority, job.dedupe) for job in jobs(archive)] == [
        ("report", Priority.HOUSEKEEPING, "report"),
        ("scrub", Priority.HOUSEKEEPING, "scrub"),
        ("sweep", Priority.HOUSEKEEPING, "sweep"),
    ]
    finish_all(archive)
    now[0] = scheduler.last_due(NOW) + timedelta(days=1, seconds=-1)
    scheduler.enqueue_missed()
    assert len(jobs(archive)) == 3
    now[0] += timedelta(seconds=1)
    scheduler.enqueue_missed()
    assert [job.kind for job in jobs(archive)[3:]] == ["report", "scrub", "sweep"]


def test_a_night_that_was_missed_is_made_up_for_once(archive: Archive, now: list[datetime]):
    scheduler = Scheduler(archive, SchedulerSection())
    scheduler.enqueue_missed()
    finish_all(archive)
    now[0] += timedelta(days=5)
    for _ in range(2):
        scheduler.enqueue_missed()
    assert len(jobs(archive)) == 6


def test_a_chore_that_still_runs_is_not_queued_again(archive: Archive, now: list[datetime]):
    scheduler = Scheduler(archive, SchedulerSection())
    scheduler.enqueue_missed()
    now[0] += timedelta(days=1)
    scheduler.enqueue_missed()
    assert len(jobs(archive)) == 3


def test_a_database_that_is_away_is_told(archive: Archive, monkeypatch: pytest.MonkeyPatch):
    def away() -> object:
        raise Unavailable("database: away")

    monkeypatch.setattr(archive, "begin", away)
    with capture_logs() as logs:
        Scheduler(archive, SchedulerSection()).enqueue_missed()
    assert [(log["event"], log["error"]) for log in logs] == [("scheduler.not_enqueued", "database: away")]


@pytest.mark.parametrize(
    ("moment", "due"),
    [
        ("2026-03-10T02:30:00", "2026-03-10T02:30:00"),
        ("2026-03-10T02:29:59", "2026-03-09T02:30:00"),
        ("2026-03-10T23:59:59", "2026-03-10T02:30:00"),
    ],
)
def test_due_by_the_clock_on_the_wall(sqlite_url: str, moment: str, due: str):
    archive = Archive.open(sqlite_url)
    scheduler = Scheduler(archive, SchedulerSection(scrub_at="02:30"))
    local = datetime.fromisoformat(moment).astimezone()
    assert scheduler.last_due(local.astimezone(ZoneInfo("UTC"))) == datetime.fromisoformat(due).astimezone()
    archive.close()


def test_the_timer_goes_off_when_chores_are_due(sqlite_url: str):
    archive = Archive.open(sqlite_url)
    scheduler = Scheduler(archive, SchedulerSection(scrub_at="23:05"))
    fires = scheduler.nightly().get_next_fire_time(None, NOW)
    assert (fires.hour, fires.minute, fires.second) == (23, 5, 0)
    assert scheduler.last_due(fires) == fires
    archive.close()


@contextlib.contextmanager
def running(archive: Archive, wait_seconds: float = 0.05) -> Iterator[None]:
    end = threading.Event()
    scheduler = Scheduler(archive, SchedulerSection())
    thread = threading.Thread(target=scheduler.run, args=[lambda _: end.wait(wait_seconds)])
    thread.start()
    try:
        yield
    finally:
        end.set()
        thread.join()


def until_jobs(archive: Archive, count: int) -> None:
    deadline = clock.monotonic() + 60
    while len(jobs(archive)) < count:
        assert clock.monotonic() < deadline
        threading.Event().wait(0.02)


def leaders(logs: list[MutableMapping[str, Any]]) -> int:
    return [log["event"] for log in logs].count("scheduler.leading")


def until_leaders(logs: list[MutableMapping[str, Any]], count: int) -> None:
    deadline = clock.monotonic() + 60
    while leaders(logs) < count:
        assert clock.monotonic() < deadline
        threading.Event().wait(0.02)


def test_of_several_one_acts_and_another_takes_over(archive: Archive, archive_url: str):
    other = Archive.open(archive_url)
    with capture_logs() as logs, contextlib.ExitStack() as first:
        first.enter_context(running(archive))
        until_jobs(archive, 3)
        with running(other):
            threading.Event().wait(0.5)
            assert leaders(logs) == 1
            first.close()
            until_leaders(logs, 2)
    assert len(jobs(archive)) == 3
    other.close()


def test_two_that_both_believe_they_lead_enqueue_each_chore_once(archive: Archive, archive_url: str):
    others = [Archive.open(archive_url) for _ in range(4)]
    start = threading.Barrier(len(others))

    def act(one: Archive) -> None:
        scheduler = Scheduler(one, SchedulerSection())
        start.wait(30)
        scheduler.enqueue_missed()

    threads = [threading.Thread(target=act, args=[one]) for one in others]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(job.kind for job in jobs(archive)) == sorted(schedule.CHORES)
    for one in others:
        one.close()


def test_a_leader_whose_session_is_cut_leads_again(postgres_url: str):
    archive, other = Archive.open(postgres_url), Archive.open(postgres_url)
    with capture_logs() as logs, running(archive):
        until_jobs(archive, 3)
        with other.begin() as tx:
            tx.connection.exec_driver_sql(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE pid <> pg_backend_pid() AND datname = current_database()"
            )
        until_leaders(logs, 2)
    assert "scheduler.lock_lost" in [log["event"] for log in logs]
    archive.close()
    other.close()
