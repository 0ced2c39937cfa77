import time
from collections.abc import Callable
from pathlib import Path

from node.root import Node
from node.services import jobs
from tests.support.node import NodeProcess


def test_a_scheduler_queues_the_chores_until_it_is_told_to_stop(
    node: Node, tmp_path: Path, start_process: Callable[..., NodeProcess]
):
    process = start_process(tmp_path / "config.toml", "scheduler", wait=False)
    deadline = time.monotonic() + 120
    while len(jobs.list_(node)) < 2:
        assert time.monotonic() < deadline, process.read_log()
        time.sleep(0.05)
    assert process.stop() == 0
    assert {job.kind for job in jobs.list_(node)} == {"report", "scrub", "sweep"}
