"""Scrub: read stored bytes again and compare them with their size and SHA-256, a share each night.

Disks lose bytes in silence. A round reads everything that a record refers to within [scheduler]
scrub_days; each night reads its part of what is left of the round, and a bookmark tells where the next one
goes on. What is damaged is recorded as an event and logged as an error; it is never touched.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from math import ceil
from typing import Any, Self

import structlog

from node.core import clock
from node.jobs.task import Task
from storage.records.arrival import BlobRef
from storage.records.history import ConflictKind
from storage.records.trail import Event
from storage.repos.totals import DAMAGED, Part
from storage.transaction import Transaction
from storage.verify import Comparison, Kind

BOOKMARK = "scrub"
_PAGE = 50  # items between two moves of the bookmark
_PARTS = tuple(Part)

Fault = tuple[Kind, str]

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Item:
    """A record that refers to bytes, and the event to record should they be damaged.

    Attributes
    ----------
    blob
        None when the bytes are another record's too, and read for that one.
    """

    row: int
    blob: BlobRef | None
    event: str
    study_instance_uid: str = ""
    series_instance_uid: str = ""
    sop_instance_uid: str = ""


@dataclass(frozen=True, slots=True)
class Place:
    """How far the round has come.

    Attributes
    ----------
    began
        When the round began.
    part, row
        The last item that was read.
    job, left
        The job that reads now, and how many items it has still to read.
    """

    began: datetime
    part: Part = Part.INSTANCES
    row: int = 0
    job: int = 0
    left: int = 0

    @classmethod
    def read(cls, tree: Mapping[str, Any], now: datetime) -> Self:
        """Return the place in a bookmark, the beginning of a round when it has none."""
        if not tree:
            return cls(now)
        began = datetime.fromisoformat(tree["began"])
        return cls(began, Part(tree["part"]), tree["row"], tree["job"], tree["left"])

    def tree(self) -> dict[str, Any]:
        """Return it as a bookmark keeps it."""
        return {
            "began": self.began.isoformat(),
            "part": self.part.value,
            "row": self.row,
            "job": self.job,
            "left": self.left,
        }


def run(task: Task) -> None:
    """Read this night's share."""
    place = _begin(task)
    checked = damaged = 0
    while place.left > 0:
        task.check()
        with task.node.archive.read() as tx:
            items = _PAGES[place.part](tx, place.row, min(place.left, _PAGE))
        faults = dict(_faults(task, items))
        place = _advance(task, place, items, faults)
        checked += len(items)
        damaged += len(faults)
    _log.info("scrub.done", checked=checked, damaged=damaged)


def _begin(task: Task) -> Place:
    """Return where to go on; a job that was interrupted keeps the share it was given."""
    now = clock.now()
    days = task.node.config.scheduler.scrub_days
    with task.node.archive.begin() as tx:
        place = Place.read(tx.bookmarks.get(BOOKMARK), now)
        if place.job != task.job.id:
            if (place.part, place.row) == (Part.INSTANCES, 0):
                place = Place(now)
            rows = {part: place.row if part is place.part else 0 for part in _rest(place.part)}
            ahead = sum(tx.totals.after(part, row) for part, row in rows.items())
            nights = max(1, days - (now - place.began) // timedelta(days=1))
            place = _settle(tx, replace(place, job=task.job.id, left=ceil(ahead / nights)), now)
            tx.bookmarks.put(BOOKMARK, place.tree(), now)
            tx.commit()
    return place


def _advance(task: Task, place: Place, items: Sequence[Item], faults: Mapping[Item, Fault]) -> Place:
    """Move the bookmark behind `items`, and record what is damaged with the same commit."""
    now = clock.now()
    if items:
        place = replace(place, row=items[-1].row, left=place.left - len(items))
    with task.node.archive.begin() as tx:
        known = tx.instances.by_blob_keys([item.blob.key for item in faults if item.blob])
        for item, fault in faults.items():
            if item.blob and item.blob.key in known:  # else its record was removed while we read
                _report(tx, item, fault, now)
        place = _settle(tx, place, now)
        tx.bookmarks.put(BOOKMARK, place.tree(), now)
        tx.commit()
    return place


def _settle(tx: Transaction, place: Place, now: datetime) -> Place:
    """Return the place at which there is something to read; behind the last one begins another round."""
    while not _PAGES[place.part](tx, place.row, 1):
        rest = _rest(place.part)[1:]
        if not rest:
            return Place(now, job=place.job)  # read by the next job
        place = replace(place, part=rest[0], row=0)
    return place


def _rest(part: Part) -> Sequence[Part]:
    return _PARTS[_PARTS.index(part) :]


def _report(tx: Transaction, item: Item, fault: Fault, now: datetime) -> None:
    kind, words = fault
    tx.events.add(
        Event(
            at=now,
            kind=item.event,
            study_instance_uid=item.study_instance_uid,
            series_instance_uid=item.series_instance_uid,
            sop_instance_uid=item.sop_instance_uid,
            detail={"found_by": "scrub", "fault": kind.value, "words": words},
        )
    )
    _log.error(item.event, sop_instance_uid=item.sop_instance_uid, fault=kind.value, words=words)


def _faults(task: Task, items: Sequence[Item]) -> Iterator[tuple[Item, Fault]]:
    """Yield those of `items` whose bytes are not what they were, with what is wrong."""
    comparison = Comparison(task.node.blobs, task.check)
    for item in items:
        fault = comparison.fault_of(item.blob) if item.blob else None
        if fault is not None:
            yield item, fault


def _instances(tx: Transaction, after: int, limit: int) -> list[Item]:
    return [
        Item(
            row,
            stored.blob,
            DAMAGED,
            stored.study_instance_uid,
            stored.series_instance_uid,
            stored.sop_instance_uid,
        )
        for row, stored in tx.instances.page(after, limit)
    ]


def _conflicts(tx: Transaction, after: int, limit: int) -> list[Item]:
    return [
        Item(
            each.id,
            each.blob if each.kind is ConflictKind.CONTENT else None,
            "conflict.damaged",
            each.study_instance_uid,
            sop_instance_uid=each.sop_instance_uid,
        )
        for each in tx.conflicts.list(unresolved=False, after=after, limit=limit)
    ]


def _quarantine(tx: Transaction, after: int, limit: int) -> list[Item]:
    return [
        Item(each.id, BlobRef(each.blob_key, 0, each.blob_size, each.digest), "quarantine.damaged")
        for each in tx.quarantine.list(after=after, limit=limit)
    ]


_PAGES: Mapping[Part, Callable[[Transaction, int, int], list[Item]]] = {
    Part.INSTANCES: _instances,
    Part.CONFLICTS: _conflicts,
    Part.QUARANTINE: _quarantine,
}
