"""A job in the hands of a worker, and what its code may say to the worker."""

import threading

from node.root import Node
from storage.records.jobs import Job


class Stopped(Exception):
    """The job was interrupted and goes back to the queue; nothing is wrong with it."""


class Hopeless(Exception):
    """Trying again cannot help. The message is shown to an administrator: no patient data."""


class Task:
    """One attempt at a job.

    Attributes
    ----------
    node
        The services.
    job
        The job as it was claimed.
    """

    def __init__(self, node: Node, job: Job) -> None:
        self.node = node
        self.job = job
        self._stop = threading.Event()

    def check(self) -> None:
        """Go on, or not: long work asks every second or so.

        Raises
        ------
        Stopped
            The worker ends, or the job is no longer its own (cancelled, or the lease ran out). Let it pass.
        """
        if self._stop.is_set():
            raise Stopped

    def stop(self) -> None:
        """Make the next `check` raise."""
        self._stop.set()
