"""What is kept of decisions, and what holds back what follows: written in the caller's transaction."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from node.rulings.book import InForce
from node.rulings.orders import Orders
from rules.decisions import Decided, Outcome
from storage.records.arrival import Place
from storage.records.rulings import Ruling
from storage.transaction import Transaction


def ruling(decided: Decided, one: InForce, level: str, row: int, at: datetime) -> Ruling:
    """Return what is kept of a decision: what came to more than "not fired", and what was seen.

    Parameters
    ----------
    at
        The moment that `decided` was made at, in UTC; its own is on the node's wall clock.
    """
    offset = decided.now.utcoffset() or timedelta(0)
    return Ruling(
        level=level,
        row=row,
        role=one.role,
        revision=one.revision,
        at=at,
        local=int(offset.total_seconds() // 60),
        seen=decided.seen(),
        outcomes=[each.plain() for each in decided.decisions if each.outcome is not Outcome.NOT_FIRED],
    )


def open_holds(tx: Transaction, places: Sequence[Place]) -> dict[int, str]:
    """Return why instances may not go out, by their row: holds on them, their series or study."""
    found: dict[int, str] = {}
    by_study: dict[int, list[Place]] = {}
    for place in places:
        by_study.setdefault(place.study_row, []).append(place)
    for hold in tx.holds.lock_open(*by_study):
        for place in by_study[hold.study_row]:
            rows = {"instance": place.instance_row, "series": place.series_row, "study": place.study_row}
            if rows[hold.level] == hold.row:
                found.setdefault(place.instance_row, hold.reason)
    return found


def save(tx: Transaction, rulings: Sequence[Ruling], found: Orders, at: datetime) -> None:
    """Write decisions and what follows from them."""
    if rulings:
        tx.rulings.add(rulings)
    if found.deliveries:
        tx.deliveries.add(found.deliveries)
    if found.jobs:
        tx.jobs.add(found.jobs, at)
    tx.labels.add(*found.labels)
    tx.assignments.add(*found.assignments)
    for hold in found.holds:
        tx.holds.add(hold)
        tx.withheld.withhold(hold)  # what other rules queued before waits for the person too
