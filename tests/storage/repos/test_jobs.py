import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import event

from storage.archive import Archive
from storage.errors import Exists
from storage.records.jobs import Job, JobState, NewJob, Priority

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
LEASE = timedelta(minutes=1)


def put(archive: Archive, *jobs: NewJob, at: datetime = NOW) -> list[int | None]:
    with archive.begin() as tx:
        numbers = [tx.jobs.enqueue(each, at) for each in jobs]
        tx.commit()
    return numbers


def claim(archive: Archive, worker: str = "w1", kinds: tuple[str, ...] = ("a",), at: datetime = NOW) -> Job:
    job = try_claim(archive, worker, kinds, at)
    assert job is not None
    return job


def try_claim(
    archive: Archive, worker: str = "w1", kinds: tuple[str, ...] = ("a",), at: datetime = NOW
) -> Job | None:
    with archive.begin() as tx:
        job = tx.jobs.claim(worker, kinds, at, at + LEASE)
        tx.commit()
    return job


def get(archive: Archive, number: int | None) -> Job:
    with archive.read() as tx:
        job = tx.jobs.get(number or 0)
    assert job is not None
    return job


def test_a_job_goes_from_the_queue_to_done(archive: Archive) -> None:
    (number,) = put(archive, NewJob("a", {"to": "north", "n": [1, 2]}))
    job = claim(archive)
    assert (job.id, job.state, job.attempts, job.worker) == (number, JobState.RUNNING, 1, "w1")
    assert job.payload == {"to": "north", "n": [1, 2]}
    assert job.lease_until == NOW + LEASE
    assert try_claim(archive) is None
    with archive.begin() as tx:
        assert tx.jobs.finish(job, NOW)
        tx.commit()
    done = get(archive, number)
    assert (done.state, done.finished_at, done.lease_until) == (JobState.DONE, NOW, None)


def test_a_job_of_a_transaction_that_is_taken_back_was_never_there(archive: Archive) -> None:
    with archive.begin() as tx:
        tx.jobs.enqueue(NewJob("a"), NOW)
    assert try_claim(archive) is None


def test_the_smaller_priority_goes_first_then_the_older_job(archive: Archive) -> None:
    put(
        archive,
        NewJob("a", {"n": 3}, priority=Priority.HOUSEKEEPING),
        NewJob("a", {"n": 1}),
        NewJob("a", {"n": 2}),
        NewJob("a", {"n": 0}, priority=Priority.URGENT),
    )
    assert [claim(archive).payload["n"] for _ in range(4)] == [0, 1, 2, 3]


def test_a_job_waits_for_its_time_and_for_who_can_do_it(archive: Archive) -> None:
    put(archive, NewJob("a", run_after=NOW + LEASE), NewJob("b"))
    assert try_claim(archive) is None
    with archive.read() as tx:
        assert tx.jobs.next_due(["a"]) == NOW + LEASE
        assert tx.jobs.next_due(["b"]) == NOW
        assert tx.jobs.next_due(["c"]) is None
    assert claim(archive, at=NOW + LEASE).kind == "a"


def test_only_one_of_the_same_is_open(archive: Archive) -> None:
    first, second, other = put(
        archive, NewJob("a", dedupe="x"), NewJob("a", dedupe="x"), NewJob("a", dedupe="y")
    )
    assert first is not None
    assert second is None
    assert other is not None
    job = claim(archive)
    assert put(archive, NewJob("a", dedupe="x")) == [None]
    with archive.begin() as tx:
        tx.jobs.finish(job, NOW)
        tx.commit()
    assert put(archive, NewJob("a", dedupe="x")) != [None]
    assert None not in put(archive, NewJob("a"), NewJob("a"))


def test_a_failure_is_tried_again_later_and_the_last_one_is_death(archive: Archive) -> None:
    (number,) = put(archive, NewJob("a", max_failures=2))
    job = claim(archive)
    later = NOW + timedelta(seconds=9)
    with archive.begin() as tx:
        assert tx.jobs.fail(job, "no route", NOW, later) is JobState.QUEUED
        tx.commit()
    assert try_claim(archive) is None
    job = claim(archive, at=later)
    assert (job.attempts, job.failures, job.error) == (2, 1, "no route")
    with archive.begin() as tx:
        assert tx.jobs.fail(job, "no route", later, later + LEASE) is JobState.DEAD
        tx.commit()
    dead = get(archive, number)
    assert (dead.state, dead.failures, dead.finished_at) == (JobState.DEAD, 2, later)


def test_a_hopeless_job_dies_at_once(archive: Archive) -> None:
    put(archive, NewJob("a"))
    with archive.begin() as tx:
        job = tx.jobs.claim("w1", ["a"], NOW, NOW + LEASE)
        assert job is not None
        assert tx.jobs.fail(job, "no such thing", NOW, None) is JobState.DEAD
        tx.commit()


def test_a_job_given_back_has_not_failed(archive: Archive) -> None:
    put(archive, NewJob("a"))
    job = claim(archive)
    with archive.begin() as tx:
        assert tx.jobs.give_back(job, NOW)
        tx.commit()
    again = claim(archive, "w2")
    assert (again.attempts, again.failures) == (2, 0)


def test_a_dead_workers_job_returns_and_the_dead_cannot_change_it(archive: Archive) -> None:
    put(archive, NewJob("a"))
    lost = claim(archive)
    with archive.begin() as tx:
        assert tx.jobs.expire(NOW + LEASE) == []
        expired = tx.jobs.expire(NOW + LEASE + timedelta(seconds=1))
        tx.commit()
    assert [(job.state, job.failures, job.worker) for job in expired] == [(JobState.QUEUED, 1, "w1")]
    held = claim(archive, "w2", at=NOW + LEASE * 2)
    with archive.begin() as tx:
        assert not tx.jobs.finish(lost, NOW)
        assert not tx.jobs.give_back(lost, NOW)
        assert tx.jobs.fail(lost, "", NOW, NOW) is None
        assert tx.jobs.renew("w1", NOW + LEASE * 3) == set()
        assert tx.jobs.renew("w2", NOW + LEASE * 3) == {held.id}
        assert tx.jobs.finish(held, NOW)
        tx.commit()


def test_a_job_that_kills_every_worker_is_buried(archive: Archive) -> None:
    (number,) = put(archive, NewJob("a", max_failures=2))
    for round_ in range(2):
        claim(archive, at=NOW + LEASE * 2 * round_)
        with archive.begin() as tx:
            tx.jobs.expire(NOW + LEASE * 2 * (round_ + 1))
            tx.commit()
    dead = get(archive, number)
    assert (dead.state, dead.failures) == (JobState.DEAD, 2)
    assert "died" in dead.error


def test_a_person_retries_and_cancels(archive: Archive) -> None:
    (number,) = put(archive, NewJob("a", dedupe="x"))
    assert number is not None
    job = claim(archive)
    with archive.begin() as tx:
        assert tx.jobs.retry(number, NOW) is None  # it runs
        cancelled = tx.jobs.cancel(number, NOW)
        assert cancelled is not None
        assert cancelled.state is JobState.CANCELLED
        assert tx.jobs.cancel(number, NOW) is None
        assert not tx.jobs.finish(job, NOW)
        retried = tx.jobs.retry(number, NOW)
        assert retried is not None
        assert (retried.state, retried.failures, retried.finished_at) == (JobState.QUEUED, 0, None)
        assert tx.jobs.cancel(number, NOW) is not None
        assert tx.jobs.retry(10**6, NOW) is None
        tx.commit()
    put(archive, NewJob("a", dedupe="x"))
    with archive.begin() as tx, pytest.raises(Exists):
        tx.jobs.retry(number, NOW)


def test_one_that_has_waited_for_long_goes_before_one_that_matters_more(archive: Archive) -> None:
    put(archive, NewJob("a", {"n": "old"}, priority=Priority.ORDINARY))
    put(archive, NewJob("a", {"n": "new"}, priority=Priority.URGENT), at=NOW + timedelta(minutes=29))
    put(archive, NewJob("a", {"n": "last"}, priority=Priority.URGENT), at=NOW + timedelta(minutes=31))
    later = NOW + timedelta(hours=1)
    assert [claim(archive, at=later).payload["n"] for _ in range(3)] == ["new", "old", "last"]


def test_a_held_job_waits_for_a_person(archive: Archive) -> None:
    window = NOW + timedelta(hours=8)
    first, second = put(
        archive, NewJob("a", dedupe="x", held="look"), NewJob("a", run_after=window, held="y")
    )
    assert first is not None
    assert second is not None
    assert put(archive, NewJob("a", dedupe="x")) == [None]
    held = get(archive, first)
    assert (held.state, held.error) == (JobState.HELD, "look")
    assert try_claim(archive, at=window) is None
    with archive.begin() as tx:
        assert [each.id for each in tx.jobs.list(state=JobState.HELD)] == [second, first]
        assert tx.jobs.counts()[JobState.HELD] == 2
        released = tx.jobs.release(first, NOW + LEASE)
        assert released is not None
        assert (released.state, released.run_after, released.error) == (JobState.QUEUED, NOW + LEASE, "")
        assert tx.jobs.release(first, NOW) is None
        waits = tx.jobs.release(second, NOW + LEASE)
        assert waits is not None
        assert waits.run_after == window
        tx.commit()
    assert claim(archive, at=NOW + LEASE).id == first


def test_a_held_job_can_be_cancelled(archive: Archive) -> None:
    (number,) = put(archive, NewJob("a", held="look"))
    with archive.begin() as tx:
        cancelled = tx.jobs.cancel(number or 0, NOW)
        assert cancelled is not None
        assert cancelled.state is JobState.CANCELLED
        assert tx.jobs.release(number or 0, NOW) is None


def test_a_job_says_how_far_it_is_while_it_is_its_own(archive: Archive) -> None:
    (number,) = put(archive, NewJob("a"))
    lost = claim(archive)
    with archive.begin() as tx:
        assert tx.jobs.progress(lost, 3, 10)
        tx.commit()
    assert (get(archive, number).progress, get(archive, number).total) == (3, 10)
    with archive.begin() as tx:
        tx.jobs.give_back(lost, NOW)
        tx.commit()
    held = claim(archive)
    assert (held.progress, held.total) == (0, 0)
    with archive.begin() as tx:
        assert not tx.jobs.progress(lost, 4, 10)
        assert tx.jobs.progress(held, 10, 10)
        assert tx.jobs.finish(held, NOW)
        tx.commit()
    assert get(archive, number).progress == 10


def test_all_dead_jobs_are_retried_but_no_work_twice(archive: Archive) -> None:
    def die(*jobs: NewJob) -> list[int | None]:
        numbers = put(archive, *jobs)
        for _ in jobs:
            with archive.begin() as tx:
                job = tx.jobs.claim("w1", ["a", "b"], NOW, NOW + LEASE)
                assert job is not None
                tx.jobs.fail(job, "hopeless", NOW, None)
                tx.commit()
        return numbers

    die(NewJob("a", dedupe="x"))
    plain = die(NewJob("a"), NewJob("a"), NewJob("a", dedupe="x"), NewJob("a", dedupe="y"))
    (other,) = die(NewJob("b"))
    (open_,) = put(archive, NewJob("a", dedupe="y"))
    with archive.begin() as tx:
        assert tx.jobs.retry_all("a", NOW) == 3
        assert tx.jobs.retry_all("a", NOW) == 0
        queued = [each.id for each in tx.jobs.list(state=JobState.QUEUED)]
        assert sorted(queued) == sorted(each for each in [*plain[:3], open_] if each)
        assert tx.jobs.retry_all("", NOW) == 1
        found = tx.jobs.get(other or 0)
        assert found is not None
        assert (found.state, found.failures, found.finished_at) == (JobState.QUEUED, 0, None)
        tx.commit()


def test_jobs_are_listed_counted_and_pruned(archive: Archive) -> None:
    numbers = put(archive, NewJob("a"), NewJob("b"), NewJob("a"))
    job = claim(archive)
    with archive.begin() as tx:
        tx.jobs.finish(job, NOW)
        tx.commit()
    with archive.begin() as tx:
        assert [each.id for each in tx.jobs.list()] == numbers[::-1]
        assert [each.id for each in tx.jobs.list(kind="a", limit=1)] == [numbers[2]]
        assert [each.id for each in tx.jobs.list(state=JobState.QUEUED)] == [numbers[2], numbers[1]]
        counts = tx.jobs.counts()
        assert counts == {**dict.fromkeys(JobState, 0), JobState.QUEUED: 2, JobState.DONE: 1}
        assert tx.jobs.prune(NOW) == 0
        assert tx.jobs.prune(NOW + LEASE) == 1
        assert tx.jobs.get(numbers[0] or 0) is None
        tx.commit()


def at_once(count: int, act: Callable[[int], None]) -> None:
    threads = [threading.Thread(target=act, args=(n,)) for n in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def test_many_workers_take_each_job_once(archive: Archive) -> None:
    numbers = put(archive, *(NewJob("a") for _ in range(60)))
    taken: list[int] = []

    def work(n: int) -> None:
        while (job := try_claim(archive, f"w{n}")) is not None:
            taken.append(job.id)

    at_once(6, work)
    assert sorted(taken) == numbers


def test_of_many_who_enqueue_the_same_one_succeeds(archive: Archive) -> None:
    got: list[int | None] = []
    at_once(6, lambda _: got.extend(put(archive, NewJob("a", dedupe="x"))))
    assert len([each for each in got if each is not None]) == 1


def test_the_queue_is_read_by_its_indexes(sqlite_url: str) -> None:
    """Thousands of jobs that wait must not be read to find the one that is due."""
    archive, ran = Archive.open(sqlite_url), []
    with archive.begin() as tx:
        event.listen(
            tx.connection,
            "before_cursor_execute",
            lambda _c, _k, words, values, *_: ran.append((words, values)),
        )
        tx.jobs.enqueue(NewJob("a"), NOW)
        tx.jobs.next_due(["a", "b"])
        assert tx.jobs.claim("w", ["a", "b"], NOW, NOW)
        tx.jobs.renew("w", NOW)
        tx.jobs.expire(NOW)
        plans = [
            " ".join(str(row) for row in tx.connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {words}", values))
            for words, values in list(ran)
            if not words.startswith("INSERT")
        ]
    assert len(plans) == 9
    assert [plan for plan in plans if "INDEX ix_job_" not in plan or "TEMP B-TREE" in plan] == []
    archive.close()


def test_many_are_put_at_once(archive: Archive) -> None:
    put(archive, NewJob("a", dedupe="y"))
    news = [NewJob("a", {"n": 1}, "x"), NewJob("a", {"n": 2}, "x"), NewJob("a", {}, "y"), NewJob("b")]
    with archive.begin() as tx:
        assert tx.jobs.add([*news, NewJob("b"), NewJob("b", held="look")], NOW) == 4
        assert tx.jobs.add([], NOW) == 0
        tx.commit()
    with archive.read() as tx:
        found = sorted(tx.jobs.list(), key=lambda job: job.id)[1:]
    assert sorted((job.kind, job.dedupe, job.state.value, job.error) for job in found) == [
        ("a", "x", "queued", ""),
        ("b", "", "held", "look"),
        ("b", "", "queued", ""),
        ("b", "", "queued", ""),
    ]
    assert [job.payload for job in found if job.kind == "a"] == [{"n": 1}]
    assert {job.run_after for job in found} == {job.created_at for job in found} == {NOW}
