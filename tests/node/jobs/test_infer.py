import pytest

from node.jobs import infer
from node.jobs.kinds import KINDS
from node.jobs.task import Hopeless, Task
from node.root import Node
from node.run.attempt import Attempt
from storage.records.jobs import JobState
from tests.support.opened import claim, enqueue, job_of

PAYLOAD = {"level": "study", "row": 1, "model": "lung-nodules", "rules": ["chest"]}


def test_it_says_that_there_is_no_model(node: Node):
    enqueue(node, "infer", payload=PAYLOAD)
    with pytest.raises(Hopeless, match="no model named lung-nodules is registered; models arrive"):
        infer.run(Task(node, claim(node, "infer")))


def test_such_a_job_is_dead_at_once(node: Node):
    number = enqueue(node, "infer", payload=PAYLOAD)
    Attempt(Task(node, claim(node, "infer")), KINDS["infer"], 1.0).run()
    job = job_of(node, number)
    assert (job.state, job.attempts) == (JobState.DEAD, 1)
    assert "lung-nodules" in job.error
