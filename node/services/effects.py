"""What decisions come to, in a form that can be counted and compared. Pure.

Two decisions are told apart by what would be done, not by which rule asks for it.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from rules.actions import Assign, Deidentify, Discard, Hold, Infer, Route, Tag, from_plain
from rules.planning import Planned, merge

EXAMPLES = 3
"""UIDs that are named of each difference."""

_WITHHELD = ("deliver", "deidentify", "infer", "discard")
_ASKING = ("rules", "priority", "not_before", "held")


@dataclass(frozen=True, slots=True, order=True)
class Unit:
    """One thing that is done to one instance, series or study.

    Attributes
    ----------
    action
        ``deliver``, or a word for an action of a rule file.
    what
        To whom, or by what.
    row
        Of the instance, series or study in its table.
    """

    action: str
    what: str
    level: str
    row: int


Effects = dict[Unit, bool]
"""What is done, and whether it waits for a person first."""


def collect(
    found: Effects, actions: Iterable[Planned], level: str, row: int, instances: Iterable[int] | None = None
) -> None:
    """Add to `found` what `actions` come to; what is there already stays as it is, as in the ledger.

    Parameters
    ----------
    instances
        Rows of the instances that a delivery or a discarding is about; None: it counts as one.
    """
    rows = None if instances is None else list(instances)
    for planned in actions:
        for action, what, each in _units(planned):
            if each and rows is not None:
                for instance in rows:
                    found.setdefault(Unit(action, what, "instance", instance), bool(planned.held))
            else:
                found.setdefault(Unit(action, what, level, row), bool(planned.held))


def withhold(
    found: Effects, contents: Mapping[tuple[str, int], Collection[int]], held: Collection[int]
) -> None:
    """Let everything wait for a person that goes out of instances on hold, whichever rule asked for it first.

    Parameters
    ----------
    contents
        Rows of the instances of each thing, by its level and row.
    held
        Rows of the instances that a hold is on.
    """
    on_hold = set(held)
    for unit in found:
        rows = (unit.row,) if unit.level == "instance" else contents.get((unit.level, unit.row), ())
        if unit.action in _WITHHELD and not on_hold.isdisjoint(rows):
            found[unit] = True


def holds(planned: Planned) -> bool:
    """Tell whether an action puts a hold on what it is about."""
    return isinstance(planned.action, Hold) and not planned.held


def _units(planned: Planned) -> Iterator[tuple[str, str, bool]]:
    """Yield each thing to do, and whether it is done to each instance by itself."""
    match planned.action:
        case Route(to=to):
            for peer in to:
                yield "deliver", f"to {peer}", True
        case Deidentify(profile=profile, to=to, keep=keep):
            places = [f"to {peer}" for peer in to] + (["kept"] if keep else [])
            for place in places:
                yield "deidentify", f"by {profile}, {place}", False
        case Infer(model=model):
            yield "infer", f"with {model}", False
        case Assign() as action:
            parts = (("centre", action.centre), ("reader", action.reader), ("urgency", action.urgency))
            yield "assign", ", ".join(f"{name} {value}" for name, value in parts if value), False
        case Tag(label=label):
            yield "tag", label, False
        case Hold(reason=reason):
            yield "hold", reason, False
        case Discard(reason=reason):
            yield "discard", reason, True


def planned_of(data: Mapping[str, Any]) -> Planned:
    """Read what `Planned.plain` returned.

    Raises
    ------
    KeyError, TypeError, ValueError
        It did not.
    """
    action = from_plain({key: value for key, value in data.items() if key not in _ASKING})
    not_before = data.get("not_before")
    return Planned(
        action,
        tuple(data["rules"]),
        int(data["priority"]),
        None if not_before is None else datetime.fromisoformat(not_before),
        str(data.get("held", "")),
    )


def actions_of(outcomes: Iterable[Mapping[str, Any]]) -> tuple[Planned, ...]:
    """Return what is to be done for recorded `outcomes` (`Decision.plain`), each action once."""
    return merge(planned_of(action) for outcome in outcomes for action in outcome.get("actions", ()))


@dataclass
class Count:
    """How often something would be done.

    Attributes
    ----------
    number
        Things to which it would be done.
    studies
        In so many studies; None: that was not counted.
    examples
        UIDs of some.
    """

    number: int = 0
    studies: int | None = None
    examples: list[str] = field(default_factory=list)


@dataclass
class Change:
    """What one of two rule sets does and the other does not.

    Attributes
    ----------
    level
        What it is done to.
    held
        It waits for a person first.
    new, missing
        Where only the second does it, and where only the first does.
    """

    action: str
    what: str
    level: str
    held: bool
    new: Count = field(default_factory=Count)
    missing: Count = field(default_factory=Count)


class Comparison:
    """Two rule sets, compared study by study in memory that does not grow with their number.

    Parameters
    ----------
    by_study
        What is added at a time is a whole study, so that these can be counted.
    """

    def __init__(self, *, by_study: bool = True) -> None:
        self._by_study = by_study
        self._changes: dict[tuple[str, str, str, bool], Change] = {}

    @property
    def changes(self) -> list[Change]:
        """What differs: deliveries first."""
        return sorted(
            self._changes.values(), key=lambda each: (each.action != "deliver", each.action, each.what)
        )

    def add(self, before: Effects, after: Effects, uids: Mapping[tuple[str, int], str]) -> bool:
        """Compare what the first and the second do to the same; return whether it differs.

        Parameters
        ----------
        uids
            UID of each thing by its level and row.
        """
        touched: set[int] = set()
        for unit in sorted({**before, **after}):
            old, new = before.get(unit), after.get(unit)
            if old == new:
                continue
            if old is not None:
                self._count(unit, old, "missing", uids, touched)
            if new is not None:
                self._count(unit, new, "new", uids, touched)
        return bool(touched)

    def _count(
        self, unit: Unit, held: bool, way: str, uids: Mapping[tuple[str, int], str], touched: set[int]
    ) -> None:
        key = (unit.action, unit.what, unit.level, held)
        change = self._changes.setdefault(key, Change(*key))
        count: Count = getattr(change, way)
        count.number += 1
        if id(count) not in touched and self._by_study:
            count.studies = (count.studies or 0) + 1
        touched.add(id(count))
        uid = uids.get((unit.level, unit.row), "")
        if uid and len(count.examples) < EXAMPLES:
            count.examples.append(uid)
