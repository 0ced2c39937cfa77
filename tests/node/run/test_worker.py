import contextlib
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import TypeVar

import pytest

from node.config import load
from node.core import clock
from node.core.errors import UserError
from node.jobs.kinds import Kind
from node.jobs.task import Hopeless, Stopped, Task
from node.root import Node
from node.run.worker import Worker
from storage.errors import Unavailable
from storage.records.deliveries import DeliveryState
from storage.records.jobs import Job, JobState
from tests.support.delivering import Sender
from tests.support.faulty import faulty
from tests.support.node import write_config
from tests.support.opened import enqueue, job_of
from tests.support.samples import ct

T = TypeVar("T")

SOON = 60.0  # seconds in which something must come; nothing is measured by it


def until(found: Callable[[], object]) -> None:
    deadline = time.monotonic() + SOON
    while not found():
        assert time.monotonic() < deadline, "it did not come"
        time.sleep(0.02)


def ended(node: Node, number: int) -> Job:
    """The job, once it is done, dead or cancelled."""
    until(lambda: job_of(node, number).finished_at)
    return job_of(node, number)


@contextlib.contextmanager
def working(node: Node, kinds: Mapping[str, Kind], lease: float = 60.0) -> Iterator[Worker]:
    worker = Worker(node, kinds, timedelta(seconds=lease))
    thread = threading.Thread(target=worker.run)
    thread.start()
    try:
        yield worker
    finally:
        worker.stop()
        thread.join()


def test_jobs_that_are_there_and_jobs_that_come_are_done(node: Node):
    done: list[int] = []
    first = enqueue(node, "a")
    with working(node, {"a": Kind(lambda task: done.append(task.job.id))}):
        ended(node, first)
        second = enqueue(node, "a")
        assert ended(node, second).state is JobState.DONE
    assert done == [first, second]


def test_a_job_that_waits_for_its_time_is_done_then(node: Node):
    with working(node, {"a": Kind(lambda _: None)}):
        due = clock.now() + timedelta(seconds=1)
        job = ended(node, enqueue(node, "a", run_after=due))
    assert job.started_at is not None
    assert job.started_at >= due


def test_what_nobody_can_do_waits(node: Node):
    with working(node, {"a": Kind(lambda _: None)}):
        other = enqueue(node, "b")
        ended(node, enqueue(node, "a"))
    assert job_of(node, other).state is JobState.QUEUED


def test_jobs_run_side_by_side_but_no_more_than_their_kind_allows(node: Node):
    lock, running, most = threading.Lock(), {"a": 0, "b": 0}, {"a": 0, "b": 0}
    both = threading.Barrier(2)

    def count(task: Task) -> None:
        with lock:
            running[task.job.kind] += 1
            most[task.job.kind] = max(most[task.job.kind], running[task.job.kind])
        if task.job.kind == "a":
            both.wait(SOON)  # passes only when two are here
        time.sleep(0.05)
        with lock:
            running[task.job.kind] -= 1

    numbers = [enqueue(node, kind) for kind in "aaaabbb"]
    with working(node, {"a": Kind(count), "b": Kind(count, at_once=1)}):
        for number in numbers:
            assert ended(node, number).state is JobState.DONE
    assert 2 <= most["a"] <= 4
    assert most["b"] == 1


def test_a_failure_is_tried_again(node: Node):
    def run(task: Task) -> None:
        if task.job.attempts < 3:
            raise UserError("the other node is away")

    with working(node, {"a": Kind(run, first_delay=0.05)}):
        job = ended(node, enqueue(node, "a"))
    assert (job.state, job.attempts, job.failures, job.error) == (JobState.DONE, 3, 2, "")


def test_what_fails_too_often_or_hopelessly_is_dead(node: Node):
    def hopeless(_: Task) -> None:
        raise Hopeless("there is no such peer")

    def secret(_: Task) -> None:
        raise ValueError("Doe^Jane 19700101")

    with working(node, {"a": Kind(secret, first_delay=0.01), "b": Kind(hopeless)}):
        often = ended(node, enqueue(node, "a", max_failures=3))
        never = ended(node, enqueue(node, "b"))
    assert (often.state, often.failures) == (JobState.DEAD, 3)
    assert (never.state, never.failures, never.error) == (JobState.DEAD, 1, "there is no such peer")
    assert "ValueError" in often.error
    assert "Doe" not in often.error


def test_a_cancelled_job_is_interrupted(node: Node):
    begun, stopped = threading.Event(), threading.Event()

    def run(task: Task) -> None:
        begun.set()
        try:
            while True:
                task.check()
                time.sleep(0.01)
        except Stopped:
            stopped.set()
            raise

    with working(node, {"a": Kind(run)}, lease=0.4):
        number = enqueue(node, "a")
        assert begun.wait(SOON)
        with node.archive.begin() as tx:
            tx.jobs.cancel(number, clock.now())
            tx.commit()
        assert stopped.wait(SOON)
    assert job_of(node, number).state is JobState.CANCELLED


def test_a_long_job_keeps_its_lease(node: Node):
    def run(task: Task) -> None:
        end = clock.monotonic() + 2.0  # five leases
        while clock.monotonic() < end:
            task.check()
            time.sleep(0.01)

    with working(node, {"a": Kind(run)}, lease=0.4), working(node, {"a": Kind(run)}, lease=0.4):
        job = ended(node, enqueue(node, "a"))
    assert (job.state, job.attempts) == (JobState.DONE, 1)


def test_a_worker_that_stops_gives_its_jobs_back(node: Node):
    begun = threading.Event()

    def run(task: Task) -> None:
        begun.set()
        while True:
            task.check()
            time.sleep(0.01)

    with working(node, {"a": Kind(run)}):
        number = enqueue(node, "a")
        assert begun.wait(SOON)
    job = job_of(node, number)
    assert (job.state, job.failures, job.lease_until) == (JobState.QUEUED, 0, None)
    with working(node, {"a": Kind(lambda _: None)}):
        assert ended(node, number).attempts == 2


@pytest.fixture
def errands(node: Node, tmp_path: Path) -> Iterator[Callable[[], "subprocess.Popen[bytes]"]]:
    """Start worker processes that leave traces."""
    started: list[subprocess.Popen[bytes]] = []

    def start() -> "subprocess.Popen[bytes]":
        with (tmp_path / "worker.log").open("ab") as log:
            command = [sys.executable, "-m", "tests.support.errands", str(tmp_path / "config.toml")]
            started.append(subprocess.Popen(command, stdout=log, stderr=log))
        return started[-1]

    yield start
    for process in started:
        process.kill()
        process.wait()


def words(file: Path) -> list[str]:
    return file.read_text().splitlines() if file.exists() else []


def test_the_job_of_a_killed_worker_returns_and_is_done_once(
    node: Node, tmp_path: Path, errands: Callable[[], "subprocess.Popen[bytes]"]
):
    file = tmp_path / "trace"
    number = enqueue(node, "stuck", payload={"file": str(file)})
    first = errands()
    until(lambda: words(file) == [f"begun {number} 1"])
    first.kill()
    first.wait()
    errands()
    errands()
    job = ended(node, number)
    assert (job.state, job.attempts, job.failures) == (JobState.DONE, 2, 1)
    assert words(file) == [f"begun {number} 1", f"begun {number} 2", f"done {number} 2"]


def test_of_many_jobs_none_is_lost_or_done_twice_when_workers_are_killed(
    node: Node, tmp_path: Path, errands: Callable[[], "subprocess.Popen[bytes]"]
):
    file = tmp_path / "trace"
    numbers = [enqueue(node, "once", payload={"file": str(file)}) for _ in range(60)]
    processes = [errands(), errands()]
    until(lambda: len(words(file)) > 10)
    processes[0].kill()
    for number in numbers:
        assert ended(node, number).state is JobState.DONE
    done = [line for line in words(file) if line.startswith("done")]
    again = [number for number in numbers if job_of(node, number).attempts > 1]
    assert len(again) <= 4  # those that the killed one had in hand
    assert len(done) - len(set(numbers)) <= len(again)  # of these alone the work may have been done twice


def test_a_worker_stops_on_sigterm_even_with_a_deaf_job(
    node: Node, tmp_path: Path, errands: Callable[[], "subprocess.Popen[bytes]"]
):
    path = tmp_path / "config.toml"
    path.write_text(path.read_text().replace("[dicom]\n", "[dicom]\ndrain_timeout = 0.5\n"))
    file = tmp_path / "trace"
    number = enqueue(node, "deaf", payload={"file": str(file)})
    process = errands()
    until(lambda: words(file))
    process.terminate()
    assert process.wait(SOON) == 0
    assert job_of(node, number).state is JobState.QUEUED


def patiently(ask: Callable[[], T]) -> T:
    """Ask until there is an answer: a connection of the test's own may be one of those that were cut."""
    while True:
        with contextlib.suppress(Unavailable):
            return ask()


def test_connections_that_are_cut_cost_no_job(tmp_path: Path, postgres_url: str):
    done: list[int] = []
    config = load(write_config(tmp_path, postgres_url), environ={})
    kinds = {"a": Kind(lambda task: done.append(task.job.id))}
    with Node.open(config) as node, working(node, kinds):
        for _ in range(3):
            with node.archive.begin() as tx:
                tx.connection.exec_driver_sql(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                    " WHERE pid <> pg_backend_pid() AND datname = current_database()"
                )
            number = patiently(partial(enqueue, node, "a"))
            assert patiently(partial(ended, node, number)).state is JobState.DONE
    assert len(set(done)) == 3


def test_what_is_queued_is_delivered_beside_the_jobs(node: Node):
    sender = Sender(node)
    with faulty() as peer:
        sender.peer("pacs", peer.port)
        with working(node, {"a": Kind(lambda _: None)}):
            sender.queue("pacs", sender.keep(ct(1), ct(2)))
            sender.wait("pacs", DeliveryState.DELIVERED)
            assert ended(node, enqueue(node, "a")).state is JobState.DONE
        assert sender.destination("pacs").worker == ""
    assert peer.released == 1
