"""The scheduler: puts the nightly jobs in the queue. It does none of them.

Any number may run; a lock in the database lets one act, and another takes over when that one dies.
APScheduler knows the time of day. It forgets everything when the process ends, so that a night which was
missed is found by looking at the jobs themselves.
"""

from collections.abc import Callable
from datetime import datetime, timedelta

import structlog
from apscheduler.schedulers.background import BackgroundScheduler
from apscheduler.triggers.cron import CronTrigger

from node.config import SchedulerSection
from node.core import clock
from storage.archive import Archive
from storage.errors import StorageError
from storage.leadership import Leadership
from storage.records.jobs import NewJob, Priority

LOCK = "scheduler"
CHORES = ("report", "scrub", "sweep")
"""Kinds of job that run every night."""

_LOOK = 5.0  # seconds between two looks at the lock
_MAKE_UP = 600.0  # seconds between two looks for what was missed

_log = structlog.get_logger()


class Scheduler:
    """One scheduler process."""

    def __init__(self, archive: Archive, config: SchedulerSection) -> None:
        self._archive = archive
        self._hour, self._minute = map(int, config.scrub_at.split(":"))

    def run(self, wait: Callable[[float], object]) -> None:
        """Act whenever the lock is ours.

        Parameters
        ----------
        wait
            Waits so many seconds; returns something true when it is time to end.
        """
        _log.info("scheduler.ready")
        away = False
        with self._archive.leadership(LOCK) as lock:
            while True:
                try:
                    ours = lock.acquire()
                    away = False
                except StorageError as error:
                    ours = False
                    if not away:
                        _log.error("scheduler.database_away", error=str(error))
                    away = True
                if ours and self._lead(lock, wait):
                    return
                if not ours and wait(_LOOK):
                    return

    def _lead(self, lock: Leadership, wait: Callable[[float], object]) -> bool:
        """Act until the lock is lost or it is time to end; tell whether it is."""
        _log.info("scheduler.leading")
        timer = BackgroundScheduler()
        timer.add_job(self.enqueue_missed, self.nightly(), misfire_grace_time=None, coalesce=True)
        timer.start()
        made_up = -_MAKE_UP
        try:
            while lock.held():
                if clock.monotonic() - made_up >= _MAKE_UP:
                    made_up = clock.monotonic()
                    self.enqueue_missed()
                if wait(_LOOK):
                    return True
            _log.warning("scheduler.lock_lost")
            return False
        finally:
            timer.shutdown(wait=True)

    def enqueue_missed(self) -> None:
        """Put each chore in the queue that has not been put there since it was last due."""
        now = clock.now()
        try:
            with self._archive.begin() as tx:
                for kind in CHORES:
                    last = tx.jobs.list(kind=kind, limit=1)
                    if last and last[0].created_at >= self.last_due(now):
                        continue
                    chore = NewJob(kind, dedupe=kind, priority=Priority.HOUSEKEEPING, max_failures=5)
                    number = tx.jobs.enqueue(chore, now)
                    _log.info("scheduler.enqueued", kind=kind, job=number)
                tx.commit()
        except StorageError as error:
            _log.error("scheduler.not_enqueued", error=str(error))

    def nightly(self) -> CronTrigger:
        """Return when the chores are due, for APScheduler."""
        return CronTrigger(hour=self._hour, minute=self._minute)

    def last_due(self, now: datetime) -> datetime:
        """Return when the chores were last due, by the machine's clock on the wall."""
        local = now.astimezone()
        due = local.replace(hour=self._hour, minute=self._minute, second=0, microsecond=0)
        return due if due <= local else due - timedelta(days=1)
