"""Reports: what a destination was to get on a day, and what it has got; made by the nightly job `report`."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import date
from typing import Any, Self

from node.root import Node
from storage.records.deliveries import Tally
from storage.records.trail import Event

REPORT = "delivery.report"
"""Kind of the event that keeps a report."""

_LOOKED_AT = 10_000  # events


@dataclass(frozen=True, slots=True)
class Report:
    """What became of what a destination was to get on a day.

    Attributes
    ----------
    day
        By the node's clock on the wall, as ``2026-03-01``.
    received
        Instances that it was to get.
    forwarded
        Of them that it has got.
    open, held, dead, cancelled, diverted
        Where the others stood when the report was made.
    missing
        How many nobody has got.
    uids
        SOP Instance UIDs of some of them.
    """

    destination: str
    day: str
    received: int
    forwarded: int
    open: int
    held: int
    dead: int
    cancelled: int
    diverted: int
    missing: int
    uids: Sequence[str]

    @classmethod
    def of(cls, destination: str, day: date, tally: Tally) -> Self:
        """Make a report of what was counted."""
        counted = asdict(tally)
        uids = counted.pop("missing")
        missing = tally.received - tally.forwarded - tally.diverted
        return cls(destination, day.isoformat(), **counted, missing=missing, uids=list(uids))

    @property
    def words(self) -> str:
        """It in a line."""
        line = f"{self.day} {self.destination}: received {self.received}, forwarded {self.forwarded}"
        where = {name: getattr(self, name) for name in ("open", "held", "dead", "cancelled", "diverted")}
        line += "".join(f", {count} {name}" for name, count in where.items() if count)
        if not self.missing:
            return f"{line}, missing none"
        more = self.missing - len(self.uids)
        return f"{line}, missing [{' '.join(self.uids)}{f' and {more} more' if more > 0 else ''}]"

    def plain(self) -> dict[str, Any]:
        """Return it as an event keeps it."""
        return asdict(self)


def newest(node: Node, destination: str = "") -> Sequence[Report]:
    """Return the newest report of each destination, or of one, in order of name."""
    with node.archive.read() as tx:
        events = tx.events.latest(REPORT, _LOOKED_AT)
    found: dict[str, Report] = {}
    for each in events:
        report = _read(each)
        if not destination or report.destination == destination:
            found.setdefault(report.destination, report)
    return [found[name] for name in sorted(found)]


def _read(event: Event) -> Report:
    return Report(**event.detail)
