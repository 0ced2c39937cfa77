import pytest

from node.jobs.task import Stopped, Task
from node.root import Node
from tests.support.opened import claim, enqueue, job_of


def test_a_task_goes_on_until_it_is_stopped(node: Node):
    number = enqueue(node, "scrub")
    task = Task(node, claim(node, "scrub"))
    assert task.job.id == number
    task.check()
    task.stop()
    with pytest.raises(Stopped):
        task.check()


def test_progress_is_recorded_at_first_and_at_last(node: Node):
    number = enqueue(node, "scrub")
    task = Task(node, claim(node, "scrub"))
    task.progress(1, 900)
    assert (job_of(node, number).progress, job_of(node, number).total) == (1, 900)
    task.progress(900, 900)
    assert (job_of(node, number).progress, job_of(node, number).total) == (900, 900)


def test_progress_of_a_job_that_is_anothers_now_ends_it(node: Node):
    number = enqueue(node, "scrub")
    task = Task(node, claim(node, "scrub"))
    with node.archive.begin() as tx:
        tx.jobs.cancel(number, task.job.created_at)
        tx.commit()
    with pytest.raises(Stopped):
        task.progress(1, 2)
