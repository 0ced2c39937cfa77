from datetime import timedelta

import pytest

from node.core import clock
from node.jobs import sweep
from node.jobs.task import Hopeless, Stopped, Task
from node.root import Node
from storage.records.jobs import JobState
from tests.support.arrivals import place
from tests.support.opened import claim, enqueue, has, job_of, keep, quarantine


def orphan(node: Node, area: str = "instances") -> str:
    """Place a blob as a process does that dies before it records it."""
    return place(node.blobs, b"never recorded", area).key


def night(node: Node) -> Task:
    enqueue(node, "sweep")
    task = Task(node, claim(node, "sweep"))
    sweep.run(task)
    return task


@pytest.fixture
def tomorrow(monkeypatch: pytest.MonkeyPatch) -> None:
    later(monkeypatch, hours=26)


def later(monkeypatch: pytest.MonkeyPatch, **delta: float) -> None:
    now = clock.now()
    monkeypatch.setattr(clock, "now", lambda: now + timedelta(**delta))


def test_what_is_new_may_still_get_its_record(node: Node):
    key = orphan(node)
    night(node)
    assert has(node.blobs, key)


@pytest.mark.usefixtures("tomorrow")
def test_what_no_record_refers_to_is_removed(node: Node):
    kept = [*keep(node, 2), quarantine(node)]
    lost = [orphan(node), orphan(node, "quarantine")]
    night(node)
    assert all(has(node.blobs, key) for key in kept)
    assert not any(has(node.blobs, key) for key in lost)


def test_what_came_since_is_looked_at_next_time(node: Node, monkeypatch: pytest.MonkeyPatch):
    keep(node, 1)
    later(monkeypatch, hours=26)
    night(node)
    first = orphan(node)
    later(monkeypatch, hours=26)
    night(node)
    assert not has(node.blobs, first)


def test_everything_is_looked_at_again_once_in_a_round(node: Node, monkeypatch: pytest.MonkeyPatch):
    (key,) = keep(node, 1)
    later(monkeypatch, hours=26)
    night(node)
    with node.archive.begin() as tx:  # its record goes, and the blob should have gone with it
        tx.connection.exec_driver_sql("DELETE FROM arrival")
        tx.connection.exec_driver_sql("DELETE FROM instance")
        tx.commit()
    night(node)
    assert has(node.blobs, key)
    later(monkeypatch, days=4)
    night(node)
    assert not has(node.blobs, key)


@pytest.mark.usefixtures("tomorrow")
def test_an_older_database_costs_no_images_until_a_person_says_so(
    node: Node, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(sweep, "CRASH_LEAVES", 2)
    lost = [orphan(node) for _ in range(3)]
    number = enqueue(node, "sweep")
    task = Task(node, claim(node, "sweep"))
    with pytest.raises(Hopeless, match=f"jobs retry {number}") as caught:
        sweep.run(task)
    assert all(has(node.blobs, key) for key in lost)
    with node.archive.begin() as tx:
        tx.jobs.fail(task.job, str(caught.value), clock.now(), None)
        tx.commit()
    enqueue(node, "sweep")
    other = Task(node, claim(node, "sweep"))
    with pytest.raises(Hopeless):  # another night is no person
        sweep.run(other)
    with node.archive.begin() as tx:
        tx.jobs.retry(number, clock.now() - timedelta(hours=48))
        tx.commit()
    sweep.run(Task(node, claim(node, "sweep")))
    assert not any(has(node.blobs, key) for key in lost)


@pytest.mark.usefixtures("tomorrow")
def test_a_stopped_sweep_does_not_move_its_bookmark(node: Node):
    key = orphan(node)
    enqueue(node, "sweep")
    task = Task(node, claim(node, "sweep"))
    task.stop()
    with pytest.raises(Stopped):
        sweep.run(task)
    night_later = Task(node, task.job)
    sweep.run(night_later)
    assert not has(node.blobs, key)


def test_jobs_that_ended_long_ago_go_and_dead_ones_stay(node: Node, monkeypatch: pytest.MonkeyPatch):
    done, dead = enqueue(node, "a"), enqueue(node, "b")
    first, second = claim(node, "a"), claim(node, "b")
    with node.archive.begin() as tx:
        tx.jobs.finish(first, clock.now())
        tx.jobs.fail(second, "no route", clock.now(), None)
        tx.commit()
    later(monkeypatch, days=29)
    night(node)
    assert job_of(node, done).state is JobState.DONE
    later(monkeypatch, days=2)
    night(node)
    with node.archive.read() as tx:
        assert tx.jobs.get(done) is None
    assert job_of(node, dead).state is JobState.DEAD
