"""Scrub: read stored bytes again and compare them with their size and SHA-256, a share each night.

Disks lose bytes in silence. A round reads everything that a record refers to within [scheduler]
scrub_days; each night reads its part of what is left of the round, and a bookmark tells where the next one
goes on. What is damaged is recorded as an event and logged as an error; it is never touched.
"""

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from math import ceil
from typing import Any, Self

import structlog

from node.core import clock
from node.jobs.task import Task
from storage.blobs.protocol import BlobStore
from storage.errors import Damaged, NotFound, Unavailable
from storage.records.arrival import BlobRef
from storage.records.trail import Event
from storage.repos.totals import DAMAGED, Part
from storage.transaction import Transaction

BOOKMARK = "scrub"
_PAGE = 50  # items between two moves of the bookmark
_STORE_DOWN = 3  # items in a row that cannot be read: then it is the store, not the items
_PARTS = tuple(Part)

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Item:
    """Bytes that a record refers to, and the event to record should they be damaged."""

    row: int
    blob: BlobRef
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
            rows = {part: place.row if part is place.part else 0 for part in _rest(place.part)}
            ahead = sum(tx.totals.after(part, row) for part, row in rows.items())
            nights = max(1, days - (now - place.began) // timedelta(days=1))
            place = replace(place, job=task.job.id, left=ceil(ahead / nights))
            if not ahead:
                place = Place(now, job=task.job.id)
            tx.bookmarks.put(BOOKMARK, place.tree(), now)
            tx.commit()
    return place


def _advance(task: Task, place: Place, items: Sequence[Item], faults: Mapping[Item, str]) -> Place:
    """Move the bookmark behind `items`, and record what is damaged with the same commit."""
    now = clock.now()
    if items:
        place = replace(place, row=items[-1].row, left=place.left - len(items))
    with task.node.archive.begin() as tx:
        gone = {item.blob.key for item in faults}
        gone -= tx.instances.by_blob_keys(gone)
        for item, fault in faults.items():
            if item.blob.key not in gone:  # else its record was removed while we read
                _report(tx, item, fault, now)
        if not items or (not place.left and not _more(tx, place)):
            place = _next_part(place, now)
        tx.bookmarks.put(BOOKMARK, place.tree(), now)
        tx.commit()
    return place


def _next_part(place: Place, now: datetime) -> Place:
    rest = _rest(place.part)[1:]
    if rest:
        return replace(place, part=rest[0], row=0)
    return Place(now, job=place.job)  # the round is complete; the next job begins another


def _rest(part: Part) -> Sequence[Part]:
    return _PARTS[_PARTS.index(part) :]


def _more(tx: Transaction, place: Place) -> bool:
    return tx.totals.after(place.part, place.row) > 0


def _report(tx: Transaction, item: Item, fault: str, now: datetime) -> None:
    tx.events.add(
        Event(
            at=now,
            kind=item.event,
            study_instance_uid=item.study_instance_uid,
            series_instance_uid=item.series_instance_uid,
            sop_instance_uid=item.sop_instance_uid,
            detail={"found_by": "scrub", "fault": fault, "blob": item.blob.key},
        )
    )
    _log.error(item.event, sop_instance_uid=item.sop_instance_uid, fault=fault, blob=item.blob.key)


def _faults(task: Task, items: Sequence[Item]) -> Iterator[tuple[Item, str]]:
    """Yield those of `items` whose bytes are not what they were, with what is wrong."""
    unreadable = 0
    for item in items:
        try:
            fault = fault_of(task.node.blobs, item.blob, task.check)
            unreadable = 0
        except Unavailable:
            unreadable += 1
            if unreadable == _STORE_DOWN:
                raise
            fault = "unreadable"
        if fault:
            yield item, fault


def fault_of(blobs: BlobStore, blob: BlobRef, check: Callable[[], None] = lambda: None) -> str:
    """Read `blob` and say what is wrong with it: "missing", "size" or "digest"; empty when nothing is.

    Parameters
    ----------
    check
        Called between pieces; may raise to interrupt.

    Raises
    ------
    Unavailable
        It cannot be read now.
    """
    digest = hashlib.sha256()
    try:
        with blobs.open(blob.key) as reader:
            if reader.size != blob.offset + blob.size:
                return "size"
            for chunk in reader.chunks(blob.offset):
                check()
                digest.update(chunk)
    except NotFound:
        return "missing"
    except Damaged:
        return "digest"
    return "" if digest.hexdigest() == blob.digest else "digest"


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
            each.blob,
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
