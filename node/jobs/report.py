"""Report: what became of everything that each destination was to get on the day before, every night.

One event a destination and day. A night that was missed is made up for, as far as a month back.
"""

from collections.abc import Iterator
from datetime import date, datetime, time, timedelta

import structlog

from node.core import clock
from node.jobs.task import Task
from node.services.reports import REPORT, Report
from storage.records.trail import Event
from storage.transaction import Transaction

BOOKMARK = "report"

_NAMED = 100  # missing instances that a report names
_LONGEST = 31  # days that are made up for

_log = structlog.get_logger()


def run(task: Task) -> None:
    """Report on each day that has ended and was not reported on."""
    for day in _days(task):
        task.check()
        with task.node.archive.read() as tx:
            names = [each.name for each in tx.destinations.list()]
        reports = []
        for name in names:  # counting may take long, and nobody who writes waits for it
            task.check()
            with task.node.archive.read() as tx:
                reports.append(_report(tx, name, day))
        now = clock.now()
        with task.node.archive.begin() as tx:
            for report in reports:
                tx.events.add(Event(at=now, kind=REPORT, detail=report.plain()))
            tx.bookmarks.put(BOOKMARK, {"day": day.isoformat()}, now)
            tx.commit()
        for report in reports:
            _tell(report)


def _days(task: Task) -> Iterator[date]:
    """Yield the days to report on, by the clock on the wall: those after the last one, up to yesterday."""
    yesterday = clock.now().astimezone().date() - timedelta(days=1)
    with task.node.archive.read() as tx:
        last = tx.bookmarks.get(BOOKMARK).get("day")
    first = date.fromisoformat(last) + timedelta(days=1) if last else yesterday
    day = max(first, yesterday - timedelta(days=_LONGEST - 1))
    while day <= yesterday:
        yield day
        day += timedelta(days=1)


def _report(tx: Transaction, destination: str, day: date) -> Report:
    since, until = _midnight(day), _midnight(day + timedelta(days=1))
    return Report.of(destination, day, tx.ledger.tally(destination, since, until, _NAMED))


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time()).astimezone()


def _tell(report: Report) -> None:
    tell = _log.warning if report.missing else _log.info
    tell(REPORT, **{name: value for name, value in report.plain().items() if name != "uids"})
