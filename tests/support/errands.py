"""A worker process with kinds of job that leave a trace: ``python -m tests.support.errands CONFIG``."""

import signal
import sys
import time
from datetime import timedelta
from pathlib import Path

from node.config import load
from node.core import logs
from node.jobs.kinds import Kind
from node.jobs.task import Task
from node.root import Node
from node.run.signals import STOPPING
from node.run.worker import Worker

LEASE = timedelta(seconds=3)


def trace(task: Task, word: str) -> None:
    """Add a line to the file that the job names."""
    with Path(task.job.payload["file"]).open("a") as file:
        file.write(f"{word} {task.job.id} {task.job.attempts}\n")


def once(task: Task) -> None:
    """Take a moment."""
    trace(task, "begun")
    time.sleep(0.01)
    trace(task, "done")


def stuck(task: Task) -> None:
    """Never end in the first attempt, unless asked to."""
    trace(task, "begun")
    while task.job.attempts == 1:
        task.check()
        time.sleep(0.05)
    trace(task, "done")


def deaf(task: Task) -> None:
    """Never end in the first attempt, whoever asks."""
    trace(task, "begun")
    while task.job.attempts == 1:
        time.sleep(0.05)
    trace(task, "done")


KINDS = {"once": Kind(once), "stuck": Kind(stuck), "deaf": Kind(deaf)}


def main() -> None:
    """Work until SIGTERM."""
    logs.configure("info")
    with Node.open(load(Path(sys.argv[1]), environ={})) as node:
        worker = Worker(node, KINDS, LEASE)
        for number in STOPPING:
            signal.signal(number, lambda *_: worker.stop())
        worker.run()


if __name__ == "__main__":
    main()
