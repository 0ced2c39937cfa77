from datetime import timedelta

import pytest

from node.core import clock
from node.core.errors import UserError
from node.jobs.kinds import Kind
from node.jobs.task import Hopeless, Later, Task
from node.root import Node
from node.run.attempt import Attempt, words_of
from scu.errors import CannotConnect
from storage.errors import Unavailable
from storage.records.jobs import JobState
from tests.support.opened import claim, enqueue, job_of


@pytest.mark.parametrize(
    "error",
    [
        UserError("port 0"),
        Hopeless("no such peer"),
        Unavailable("database: away"),
        CannotConnect("no route to 10.0.0.7", retry=True),
    ],
)
def test_words_for_an_administrator_are_kept(error: Exception):
    assert words_of(error) == str(error)


def test_other_words_may_quote_a_dataset():
    assert words_of(ValueError("Doe^Jane")) == "ValueError"
    try:
        int("Doe^Jane")
    except ValueError as error:
        words = words_of(error)
    assert words.startswith("ValueError in test_other_words_may_quote_a_dataset, line ")


def test_a_job_that_is_another_workers_now_is_left_alone(node: Node):
    number = enqueue(node, "a")
    task = Task(node, claim(node, "a"))
    with node.archive.begin() as tx:
        tx.jobs.give_back(task.job, task.job.created_at)
        tx.commit()
    held = claim(node, "a")
    Attempt(task, Kind(lambda _: None), 1.0).run()
    assert (job_of(node, number).state, job_of(node, number).attempts) == (JobState.RUNNING, held.attempts)


def test_a_database_that_is_away_for_a_moment_hears_of_the_end(node: Node, monkeypatch: pytest.MonkeyPatch):
    number = enqueue(node, "a")
    task = Task(node, claim(node, "a"))
    begin, asked = node.archive.begin, []

    def away_once() -> object:
        asked.append(1)
        if len(asked) == 1:
            raise Unavailable("database: away")
        return begin()

    with monkeypatch.context() as patch:
        patch.setattr(node.archive, "begin", away_once)
        Attempt(task, Kind(lambda _: None), 30.0).run()
    assert job_of(node, number).state is JobState.DONE


def test_a_database_that_stays_away_ends_the_waiting(node: Node, monkeypatch: pytest.MonkeyPatch):
    number = enqueue(node, "a")
    task = Task(node, claim(node, "a"))

    def away() -> object:
        raise Unavailable("database: away")

    with monkeypatch.context() as patch:
        patch.setattr(node.archive, "begin", away)
        Attempt(task, Kind(lambda _: None), -1.0).run()
    assert job_of(node, number).state is JobState.RUNNING  # until its lease runs out


def test_a_job_whose_turn_has_not_come_waits_and_has_not_failed(node: Node):
    number = enqueue(node, "a")
    task = Task(node, claim(node, "a"))

    def not_yet(_: Task) -> None:
        raise Later("two deliveries are open", timedelta(hours=1))

    before = clock.now()
    Attempt(task, Kind(not_yet), 1.0).run()
    job = job_of(node, number)
    assert (job.state, job.failures) == (JobState.QUEUED, 0)
    assert job.run_after >= before + timedelta(hours=1)
