import pytest

from node.jobs.task import Stopped, Task
from node.root import Node
from tests.support.opened import claim, enqueue


def test_a_task_goes_on_until_it_is_stopped(node: Node):
    number = enqueue(node, "scrub")
    task = Task(node, claim(node, "scrub"))
    assert task.job.id == number
    task.check()
    task.stop()
    with pytest.raises(Stopped):
        task.check()
