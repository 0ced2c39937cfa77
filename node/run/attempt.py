"""One attempt at a job, from the call of its code to the record of how it ended."""

import time
import traceback
from datetime import timedelta

import structlog

from node.core import clock
from node.core.errors import UserError
from node.jobs.kinds import Kind
from node.jobs.task import Hopeless, Later, Stopped, Task
from scu.errors import ScuError
from storage.errors import StorageError
from storage.records.jobs import JobState
from storage.transaction import Transaction

_AWAY = 1.0  # seconds between two tries to record the end
_TOLD = (UserError, StorageError, ScuError, Hopeless)  # their messages are written for an administrator

_log = structlog.get_logger()


class Attempt:
    """Runs a job's code once.

    Parameters
    ----------
    lease
        Seconds that the database may be away when the end is to be recorded. After that somebody else
        will have the job.
    """

    def __init__(self, task: Task, kind: Kind, lease: float) -> None:
        self._task = task
        self._kind = kind
        self._lease = lease
        self._log = _log.bind(job=task.job.id, kind=task.job.kind, attempt=task.job.attempts)

    def run(self) -> None:
        """Do the work and record the outcome; raises nothing."""
        self._log.info("job.started")
        error: Exception | None = None
        try:
            self._kind.run(self._task)
        except Exception as raised:  # whatever it is, the job must not be lost
            error = raised
        deadline = clock.monotonic() + self._lease
        while True:
            try:
                with self._task.node.archive.begin() as tx:
                    ended = self._record(tx, error)
                    tx.commit()
                break
            except StorageError as trouble:
                if clock.monotonic() > deadline:
                    self._log.error("job.end_unrecorded", error=str(trouble))
                    return
            time.sleep(_AWAY)
        self._tell(error, ended)

    def _record(self, tx: Transaction, error: Exception | None) -> str:
        """Write how it ended; return the word for it, "lost" when the job is no longer ours."""
        job, now = self._task.job, clock.now()
        if error is None:
            return "done" if tx.jobs.finish(job, now) else "lost"
        if isinstance(error, Stopped):
            return "given_back" if tx.jobs.give_back(job, now) else "lost"
        if isinstance(error, Later):
            return "waits" if tx.jobs.give_back(job, now + error.pause) else "lost"
        again = None
        if not isinstance(error, Hopeless):
            again = now + timedelta(seconds=self._kind.delay(job.failures + 1))
        state = tx.jobs.fail(job, words_of(error), now, again)
        return {JobState.DEAD: "dead", JobState.QUEUED: "failed", None: "lost"}[state]

    def _tell(self, error: Exception | None, ended: str) -> None:
        if ended in ("dead", "failed") and error is not None:
            tell = self._log.error if ended == "dead" else self._log.warning
            tell(f"job.{ended}", error=words_of(error), failures=self._task.job.failures + 1)
        else:
            waits_for = {"waits_for": str(error)} if isinstance(error, Later) else {}
            self._log.info(f"job.{ended}", **waits_for)


def words_of(error: Exception) -> str:
    """Return what an administrator may read about `error`.

    The message of an exception that was not made for that may quote a dataset; then its type and the line
    that raised it must do.
    """
    if isinstance(error, _TOLD):
        return str(error)
    frames = traceback.extract_tb(error.__traceback__)
    place = f" in {frames[-1].name}, line {frames[-1].lineno}" if frames else ""
    return f"{type(error).__name__}{place}"
