"""The nightly report, on both databases."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import event
from structlog.testing import capture_logs

from node.core import clock
from node.jobs import report
from node.jobs.task import Stopped, Task
from node.root import Node
from node.services.reports import Report, newest
from storage.records.jobs import Job
from tests.support.deliveries import claim as take
from tests.support.deliveries import delivered, finish, instances, queue
from tests.support.opened import claim, enqueue

TODAY = datetime(2026, 3, 10, 2, 30).astimezone()
DAY = timedelta(days=1)


@pytest.fixture
def now(monkeypatch: pytest.MonkeyPatch) -> list[datetime]:
    """The time, to be moved by the test."""
    moment = [TODAY]
    monkeypatch.setattr(clock, "now", lambda: moment[0])
    return moment


def job(node: Node) -> Job:
    enqueue(node, "report")
    return claim(node, "report")


def night(node: Node) -> None:
    report.run(Task(node, job(node)))


def days(node: Node) -> list[tuple[str, str, int]]:
    with node.archive.read() as tx:
        found = [Report(**each.detail) for each in tx.events.list(kind="delivery.report")]
    return [(each.destination, each.day, each.received) for each in found]


def test_the_day_before_is_reported(node: Node, now: list[datetime]):
    places = instances(node.archive, each=3)
    yesterday = TODAY.replace(hour=23, minute=59) - DAY
    queue(node.archive, places, queued_at=yesterday)
    queue(node.archive, instances(node.archive, study=2), queued_at=yesterday - DAY)
    queue(node.archive, instances(node.archive, study=3), queued_at=TODAY.replace(hour=0, minute=0))
    queue(node.archive, places[:1], "south", queued_at=TODAY)
    with node.archive.begin() as tx:
        held = next(
            each for each in tx.destinations.lease("w1", TODAY, TODAY + DAY, 9) if each.name == "north"
        )
        tx.commit()
    finish(
        node.archive, [delivered(each, now[0]) for each in take(node.archive, held.id, limit=2, at=now[0])]
    )
    with capture_logs() as logs:
        night(node)
    north, south = newest(node)
    assert (north.day, north.received, north.missing) == ("2026-03-09", 3, 3 - north.forwarded)
    assert len(north.uids) == north.missing
    assert (south.received, south.missing) == (0, 0)
    told = [(log["event"], log["destination"], log["log_level"]) for log in logs]
    assert told == [("delivery.report", "north", "warning"), ("delivery.report", "south", "info")]
    assert "uids" not in logs[0]


def test_a_job_that_runs_twice_reports_once(node: Node, now: list[datetime]):
    queue(node.archive, instances(node.archive), queued_at=TODAY - DAY)
    night(node)
    night(node)
    assert days(node) == [("north", "2026-03-09", 1)]


def test_nights_that_were_missed_are_made_up_for(node: Node, now: list[datetime]):
    queue(node.archive, instances(node.archive), queued_at=TODAY + DAY)
    night(node)
    now[0] = TODAY + 3 * DAY
    night(node)
    assert [(day, received) for _, day, received in days(node)] == [
        ("2026-03-09", 0),
        ("2026-03-10", 0),
        ("2026-03-11", 1),
        ("2026-03-12", 0),
    ]
    now[0] = TODAY + 365 * DAY
    night(node)
    assert len(days(node)) == 4 + 31


def test_it_can_be_stopped_between_two_days(node: Node, now: list[datetime]):
    queue(node.archive, instances(node.archive), queued_at=TODAY - DAY)
    task = Task(node, job(node))
    task.stop()
    with pytest.raises(Stopped):
        report.run(task)
    assert days(node) == []


def test_without_destinations_there_is_nothing_to_say(node: Node, now: list[datetime]):
    night(node)
    assert days(node) == []


def test_nobody_waits_for_it_to_count(node: Node, now: list[datetime]):
    queue(node.archive, instances(node.archive))
    writing: list[bool] = []

    def watch(connection: Any, _cursor: Any, words: str, *_: Any) -> None:
        if "count(" in words and "FROM delivery" in words:
            writing.append(bool(connection.get_execution_options().get("isocentre_write")))

    with node.archive.read() as tx:
        engine = tx.connection.engine
    event.listen(engine, "before_cursor_execute", watch)
    try:
        night(node)
    finally:
        event.remove(engine, "before_cursor_execute", watch)
    assert writing
    assert not any(writing)
