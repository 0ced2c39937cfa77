import time
from collections.abc import Callable
from pathlib import Path

from node.root import Node
from storage.records.jobs import JobState
from tests.support.node import NodeProcess
from tests.support.opened import enqueue, job_of


def test_a_worker_works_until_it_is_told_to_stop(
    node: Node, tmp_path: Path, start_process: Callable[..., NodeProcess]
):
    first = enqueue(node, "scrub")
    process = start_process(tmp_path / "config.toml", "worker", wait=False)
    second = enqueue(node, "sweep")
    deadline = time.monotonic() + 120
    while {job_of(node, number).state for number in (first, second)} != {JobState.DONE}:
        assert time.monotonic() < deadline, process.read_log()
        time.sleep(0.05)
    assert process.stop() == 0
    assert '"worker.stopped"' in process.read_log()
