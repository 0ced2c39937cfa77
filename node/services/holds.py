"""Holds: what a person must look at before it goes anywhere, and what the person decides.

A hold is on an instance, a series or a study, and holds deliveries and jobs of it. When it is released they
go on, unless another open hold is on them too. What a rule holds because it could not decide is not a hold,
and is released by itself (`node.services.deliveries`, `node.services.jobs`).
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from node.core import clock
from node.core.errors import UserError
from node.root import Node
from storage.records.rulings import Held
from storage.records.trail import AuditEntry
from storage.transaction import Transaction

Chain = tuple[int | None, int | None, int | None]
"""Rows of an instance, its series and its study; None where it is about several."""


@dataclass(frozen=True, slots=True)
class Listed:
    """A hold as people look at it.

    Attributes
    ----------
    study_instance_uid
        Of the study that it is on or in; empty when that is no longer there.
    uid
        Of what it is on: study, series or instance.
    """

    id: int
    level: str
    study_instance_uid: str
    uid: str
    reason: str
    author: str
    at: datetime
    released_at: datetime | None
    released_by: str


@dataclass(frozen=True, slots=True)
class Decided:
    """What came of a person's decision on a hold.

    Attributes
    ----------
    deliveries, jobs
        How many went on, or were cancelled.
    kept
        How many stay held by another hold.
    """

    hold: Held
    deliveries: int
    jobs: int
    kept: int


def list_(node: Node, *, released: bool = False, limit: int = 100) -> Sequence[Listed]:
    """Return the newest holds first, the open ones alone unless `released`."""
    with node.archive.read() as tx:
        return [_listed(tx, each) for each in tx.holds.list(open_only=not released, limit=limit)]


def release(node: Node, number: int, author: str) -> Decided:
    """Let go what a hold holds.

    Raises
    ------
    UserError
        There is no open hold of that number.
    """
    now = clock.now()
    with node.archive.begin() as tx:
        hold, open_ = _close(tx, number, author, now)
        others = [(_place(tx, each.level, each.row), each.reason) for each in open_]
        deliveries = _sorted(_deliveries(tx, hold), others)
        jobs = _sorted(_jobs(tx, hold), others)
        for reason, ids in deliveries.items():
            tx.withheld.say_of_deliveries(ids if reason else (), reason)
        for reason, ids in jobs.items():
            tx.withheld.say_of_jobs(ids if reason else (), reason)
        free = deliveries.get("", [])
        released = tx.ledger.release(ids=free, at=now) if free else 0
        for job in jobs.get("", []):
            tx.jobs.release(job, now)
        _audit(tx, author, "hold.release", hold, released, len(jobs.get("", [])), now)
        tx.commit()
    kept = sum(len(ids) for found in (deliveries, jobs) for reason, ids in found.items() if reason)
    return Decided(hold, released, len(jobs.get("", [])), kept)


def reject(node: Node, number: int, author: str) -> Decided:
    """Close a hold and cancel what it holds: the person has looked, and it goes nowhere.

    Raises
    ------
    UserError
        There is no open hold of that number.
    """
    now = clock.now()
    with node.archive.begin() as tx:
        hold, _ = _close(tx, number, author, now)
        ids = [number for number, _ in _deliveries(tx, hold)]
        jobs = [number for number, _ in _jobs(tx, hold)]
        cancelled = tx.ledger.cancel(ids=ids, at=now) if ids else 0
        for job in jobs:
            tx.jobs.cancel(job, now)
        _audit(tx, author, "hold.reject", hold, cancelled, len(jobs), now)
        tx.commit()
    return Decided(hold, cancelled, len(jobs), 0)


def _audit(
    tx: Transaction, author: str, action: str, hold: Held, deliveries: int, jobs: int, now: datetime
) -> None:
    """Say who decided what on a hold."""
    study = tx.subjects.study(hold.study_row)
    detail = {
        "level": hold.level,
        "study": study.study_instance_uid if study else "",
        "reason": hold.reason,
        "deliveries": deliveries,
        "jobs": jobs,
    }
    tx.audit.add(AuditEntry(now, author, action, f"hold {hold.id}", detail=detail))


def _listed(tx: Transaction, hold: Held) -> Listed:
    study = tx.subjects.study(hold.study_row)
    study_uid = uid = study.study_instance_uid if study else ""
    if hold.level == "series":
        series = tx.subjects.series(hold.row)
        uid = series.series_instance_uid if series else ""
    elif hold.level == "instance":
        instance = tx.subjects.instance(hold.row)
        uid = instance.sop_instance_uid if instance else ""
    return Listed(
        hold.id,
        hold.level,
        study_uid,
        uid,
        hold.reason,
        hold.author,
        hold.at,
        hold.released_at,
        hold.released_by,
    )


def _close(tx: Transaction, number: int, author: str, now: datetime) -> tuple[Held, list[Held]]:
    """Close a hold; return it, and the others that are open in its study."""
    known = tx.holds.get(number)
    # Before it is closed: whoever holds something back for one of them at this moment is waited for.
    open_ = tx.holds.lock_open(known.study_row) if known else []
    hold = tx.holds.release(number, author, now)
    if hold is None:
        raise UserError(f"hold {number}: there is none that is open; isocentre holds list shows them")
    return hold, [each for each in open_ if each.id != number]


def _deliveries(tx: Transaction, hold: Held) -> Iterator[tuple[int, Chain]]:
    """Yield the deliveries that are held for the reason of `hold`, and lie within it."""
    about = _place(tx, hold.level, hold.row)
    for each in tx.withheld.deliveries(hold.study_row, hold.reason):
        chain = (each.instance_row, each.series_row, each.study_row)
        if _touch(about, chain):
            yield each.id, chain


def _jobs(tx: Transaction, hold: Held) -> Iterator[tuple[int, Chain]]:
    """Yield the jobs that are held for the reason of `hold`, and are about some of the same."""
    about = _place(tx, hold.level, hold.row)
    for each in tx.withheld.jobs(hold.reason):
        chain = _place(tx, each.level, each.row)
        if _touch(about, chain):
            yield each.id, chain


def _sorted(
    found: Iterable[tuple[int, Chain]], others: Sequence[tuple[Chain, str]]
) -> Mapping[str, list[int]]:
    """Return the numbers in `found` by the reason of another hold that is on each; empty: by none."""
    by_reason: dict[str, list[int]] = {}
    for number, chain in found:
        reason = next((reason for about, reason in others if _touch(about, chain)), "")
        by_reason.setdefault(reason, []).append(number)
    return by_reason


def _place(tx: Transaction, level: str, row: int) -> Chain:
    if level == "study":
        return None, None, row
    if level == "series":
        series = tx.subjects.series(row)
        return None, row, series.study_row if series else 0
    instance = tx.subjects.instance(row)
    return (row, instance.place.series_row, instance.place.study_row) if instance else (row, 0, 0)


def _touch(one: Chain, other: Chain) -> bool:
    """Tell whether one of the two lies within the other."""
    return all(a == b for a, b in zip(one, other, strict=True) if a is not None and b is not None)
