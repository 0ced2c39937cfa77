"""Sweep: remove what nothing refers to, blobs left by crashes and jobs that ended long ago.

A blob without a record was never acknowledged, with one exception: somebody put back an older copy of the
database. So more of them than crashes leave are not removed: the job stops, says so, and removes them only
when a person retries it. It looks at blobs that no earlier sweep has seen; once in [scheduler] scrub_days
at all of them.
"""

from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import islice

import structlog

from node.core import clock
from node.jobs.task import Hopeless, Task
from node.root import CRASH_LEAVES
from storage.verify import AREAS

BOOKMARK = "sweep"
_AGE = timedelta(hours=25)  # a day for the longest writing of a blob, an hour for its record
_PAGE = 500
_REMEMBERED = 50  # jobs that stopped

_log = structlog.get_logger()


def run(task: Task) -> None:
    """Remove blobs without a record, and jobs that ended long ago."""
    now = clock.now()
    keep = timedelta(days=task.node.config.scheduler.keep_jobs_days)
    with task.node.archive.begin() as tx:
        mark = dict(tx.bookmarks.get(BOOKMARK))
        pruned = tx.jobs.prune(now - keep)
        tx.commit()
    began = mark.get("began")
    full = began is None or now - datetime.fromisoformat(began) >= _round(task)
    sweep = _Sweep(task, {} if full else mark["after"], now - _AGE)
    refused = mark.get("refused", [])
    confirmed = task.job.id in refused  # it runs again, so a person has retried it
    orphans = sweep.orphans(None if confirmed else CRASH_LEAVES)
    if len(orphans) > CRASH_LEAVES and not confirmed:
        _remember(task, mark | {"refused": [*refused, task.job.id][-_REMEMBERED:]}, now)
        raise Hopeless(
            f"more than {CRASH_LEAVES} blobs have no record; was an older copy of the database put back? "
            "Nothing was removed. isocentre db adopt takes them in; "
            f"isocentre jobs retry {task.job.id} removes them"
        )
    for key in orphans:
        task.check()
        task.node.blobs.delete(key)
    _remember(task, {"began": now.isoformat() if full else began, "after": sweep.after}, now)
    _log.info("sweep.done", blobs=len(orphans), jobs=pruned, full=full)


def _round(task: Task) -> timedelta:
    return timedelta(days=task.node.config.scheduler.scrub_days)


def _remember(task: Task, mark: dict[str, object], now: datetime) -> None:
    with task.node.archive.begin() as tx:
        tx.bookmarks.put(BOOKMARK, mark, now)
        tx.commit()


class _Sweep:
    """One pass over the keys that are old enough."""

    def __init__(self, task: Task, after: dict[str, str], older_than: datetime) -> None:
        self._task = task
        self._minute = f"{older_than:%Y/%m%d/%H%M}/"
        self.after = dict(after)

    def orphans(self, most: int | None) -> list[str]:
        """Return the blobs that nothing refers to; stop looking when there are more than `most`."""
        found: list[str] = []
        for area in AREAS:
            for keys in self._pages(area):
                self._task.check()
                with self._task.node.archive.read() as tx:
                    known = tx.instances.by_blob_keys(keys)
                found += [key for key in keys if key not in known]
                self.after[area] = keys[-1]
                if most is not None and len(found) > most:
                    return found
        return found

    def _pages(self, area: str) -> Iterator[list[str]]:
        limit = f"{area}/{self._minute}"
        keys = self._task.node.blobs.keys(area, after=self.after.get(area, ""))
        while page := list(islice(keys, _PAGE)):
            old = [key for key in page if key < limit]
            if old:
                yield old
            if len(old) < len(page):
                return
