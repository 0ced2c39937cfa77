"""A job in the hands of a worker, and what its code may say to the worker."""

import threading
from datetime import timedelta

from node.core import clock
from node.root import Node
from storage.records.jobs import Job


class Stopped(Exception):
    """The job was interrupted and goes back to the queue; nothing is wrong with it."""


class Later(Exception):
    """It is not its turn yet: the job goes back to the queue for `pause`, and nothing has failed.

    Parameters
    ----------
    words
        What it waits for. No patient data.
    """

    def __init__(self, words: str, pause: timedelta) -> None:
        super().__init__(words)
        self.pause = pause


class Hopeless(Exception):
    """Trying again cannot help. The message is shown to an administrator: no patient data."""


_TELL_EVERY = 1.0  # seconds between two records of progress


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
        self._told = float("-inf")

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

    def progress(self, done: int, total: int) -> None:
        """Say how many parts of the job are done, and go on, or not; recorded once a second, and at last.

        Raises
        ------
        Stopped
            See `check`.
        """
        self.check()
        now = clock.monotonic()
        if done < total and now - self._told < _TELL_EVERY:
            return
        self._told = now
        with self.node.archive.begin() as tx:
            ours = tx.jobs.progress(self.job, done, total)
            tx.commit()
        if not ours:
            raise Stopped
