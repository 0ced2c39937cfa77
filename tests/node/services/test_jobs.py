import pytest

from node.core import clock
from node.core.errors import UserError
from node.root import Node
from node.services import jobs
from storage.records.jobs import JobState
from tests.support.opened import claim, enqueue


def test_jobs_are_listed_and_shown(node: Node):
    first, second = enqueue(node, "a"), enqueue(node, "b")
    assert [job.id for job in jobs.list_(node)] == [second, first]
    assert [job.id for job in jobs.list_(node, JobState.QUEUED, "a")] == [first]
    assert jobs.get(node, first).kind == "a"


def test_a_number_that_is_none_is_told(node: Node):
    with pytest.raises(UserError, match=r"^job 7: there is none; isocentre jobs list shows them$"):
        jobs.get(node, 7)
    for act in (jobs.retry, jobs.cancel):
        with pytest.raises(UserError, match=r"^job 7: there is none; isocentre jobs list shows them$"):
            act(node, 7, "me")


def test_a_dead_job_is_retried(node: Node):
    number = enqueue(node, "a")
    with node.archive.begin() as tx:
        job = tx.jobs.claim("w", ["a"], clock.now(), clock.now())
        assert job is not None
        tx.jobs.fail(job, "away", clock.now(), None)
        tx.commit()
    assert jobs.retry(node, number, "me").state is JobState.QUEUED


def test_what_runs_or_is_done_cannot_be_retried_nor_the_done_be_cancelled(node: Node):
    number = enqueue(node, "a")
    job = claim(node, "a")
    with pytest.raises(UserError, match=f"^job {number}: it is running, so it cannot be retried$"):
        jobs.retry(node, number, "me")
    with node.archive.begin() as tx:
        tx.jobs.finish(job, clock.now())
        tx.commit()
    for act in (jobs.retry, jobs.cancel):
        with pytest.raises(UserError, match=f"^job {number}: it is done, so it cannot be"):
            act(node, number, "me")


def test_what_another_job_does_already_is_not_done_twice(node: Node):
    number = enqueue(node, "a", dedupe="x")
    assert jobs.cancel(node, number, "me").state is JobState.CANCELLED
    enqueue(node, "a", dedupe="x")
    with pytest.raises(UserError, match="another job that is queued or running does the same"):
        jobs.retry(node, number, "me")


def test_a_held_job_is_released(node: Node):
    number = enqueue(node, "a", held="look at it")
    assert jobs.release(node, number, "me").state is JobState.QUEUED
    with pytest.raises(UserError, match="it is queued, not held"):
        jobs.release(node, number, "me")


def test_all_dead_jobs_are_retried(node: Node):
    for kind in ("a", "b"):
        enqueue(node, kind)
        job = claim(node, kind)
        with node.archive.begin() as tx:
            tx.jobs.fail(job, "away", clock.now(), None)
            tx.commit()
    assert [jobs.retry_all(node, "me", kind) for kind in ("a", "a", "")] == [1, 0, 1]


def test_who_did_what_is_kept(node: Node):
    number = enqueue(node, "a")
    jobs.cancel(node, number, "ann")
    jobs.retry(node, number, "ben")
    with pytest.raises(UserError):
        jobs.release(node, number, "cleo")
    jobs.retry_all(node, "dan", "a")
    with node.archive.read() as tx:
        entries = tx.audit.list()[::-1]
    assert [(each.actor, each.action, each.subject) for each in entries] == [
        ("ann", "job.cancel", f"job {number}"),
        ("ben", "job.retry", f"job {number}"),
        ("dan", "job.retry", "jobs"),
    ]
