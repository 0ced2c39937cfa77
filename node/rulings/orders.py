"""What decisions come to: actions that are planned, turned into what the archive keeps of them. Pure.

Example
-------
>>> about = About("instance", 7, 3, (Content(Place(7, 5, 3), 1),))
>>> [each.destination for each in orders(decided.actions, about, now).deliveries]   # doctest: +SKIP
['PACS']
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from rules.actions import Assign, Deidentify, Discard, Hold, Infer, Route, Tag
from rules.planning import Planned
from storage.records.arrival import Place
from storage.records.deliveries import NewDelivery
from storage.records.jobs import NewJob
from storage.records.jobs import about as about_
from storage.records.rulings import Assignment, Held, Label

_PATIENCE = 40  # failures, the later ones an hour apart: a disk may be full from Friday evening on


@dataclass(frozen=True, slots=True)
class Content:
    """An instance that an action is about, and its Instance Number (0 without one)."""

    place: Place
    number: int


@dataclass(frozen=True, slots=True)
class About:
    """What was decided on.

    Attributes
    ----------
    level
        ``instance``, ``series`` or ``study``.
    row
        Of that in its table.
    contents
        Every instance in it.
    generation
        Tells what is decided now from what was decided before the latest arrival; empty for an instance.
    held
        Why an instance may not go out, by its row: holds that are open.
    """

    level: str
    row: int
    study_row: int
    contents: Sequence[Content]
    generation: str = ""
    held: Mapping[int, str] = field(default_factory=dict)


@dataclass(slots=True)
class Orders:
    """What is to be written together with the decision."""

    deliveries: list[NewDelivery] = field(default_factory=list)
    jobs: list[NewJob] = field(default_factory=list)
    labels: list[Label] = field(default_factory=list)
    assignments: list[Assignment] = field(default_factory=list)
    holds: list[Held] = field(default_factory=list)

    def add(self, planned: Planned, about: About, at: datetime) -> None:
        """Add what one action comes to.

        Labels, assignments and holds of a rule that could not decide are not made: the decision says why, and
        what other rules deliver is not held by it (docs/rules.md).
        """
        author = ", ".join(planned.rules)
        match planned.action:
            case Route(to=to, alternate=alternate):
                for peer in to:
                    self.deliveries += _deliveries(planned, about, at, peer, alternate)
            case Deidentify() as action:
                payload = {
                    "profile": action.profile,
                    "to": list(action.to),
                    "alternate": action.alternate,
                    "keep": action.keep,
                    "priority": planned.priority,
                }
                self.jobs.append(_job("deidentify", action.profile, payload, planned, about))
            case Infer(model=model):
                self.jobs.append(_job("infer", model, {"model": model}, planned, about))
            case Discard(reason=reason):
                self.jobs += [_discard(each, reason, planned, about) for each in about.contents]
            case Hold(reason=reason) if not planned.held:
                self.holds.append(Held(about.level, about.row, about.study_row, reason, author, at))
            case Tag(label=label) if not planned.held:
                self.labels.append(Label(about.level, about.row, about.study_row, label, author, at))
            case Assign() as action if not planned.held:
                given = (action.centre, action.reader, action.urgency)
                self.assignments.append(Assignment(about.study_row, at, *given, author=author))


def orders(actions: Iterable[Planned], about: About, at: datetime) -> Orders:
    """Return what `actions` come to."""
    found = Orders()
    for planned in actions:
        found.add(planned, about, at)
    return found


def _deliveries(
    planned: Planned, about: About, at: datetime, peer: str, alternate: str
) -> Iterable[NewDelivery]:
    for content in about.contents:
        place = content.place
        yield NewDelivery(
            instance_row=place.instance_row,
            series_row=place.series_row,
            study_row=place.study_row,
            instance_number=content.number,
            destination=peer,
            priority=planned.priority,
            queued_at=at,
            rules=planned.rules,
            held=planned.held or about.held.get(place.instance_row, ""),
            due=planned.not_before,
            alternate=alternate,
        )


def _job(kind: str, what: str, payload: dict[str, Any], planned: Planned, about: About) -> NewJob:
    place = {"level": about.level, "row": about.row, "rules": list(planned.rules)}
    held = planned.held or _held_of(about)
    # Two that wait for different things are two: the one that goes first may not be all that is asked for.
    until = str(int(planned.not_before.timestamp())) if planned.not_before else ""
    dedupe = about_(kind, about.level, about.row) + f"{what}:{about.generation}:{until}:{held}"
    return NewJob(
        kind,
        payload | place,
        dedupe=dedupe,
        priority=planned.priority,
        run_after=planned.not_before,
        held=held,
        max_failures=_PATIENCE,
    )


def _discard(content: Content, reason: str, planned: Planned, about: About) -> NewJob:
    row = content.place.instance_row
    return NewJob(
        "discard",
        {"row": row, "reason": reason, "rules": list(planned.rules)},
        dedupe=about_("discard", "instance", row),
        priority=planned.priority,
        run_after=planned.not_before,
        held=planned.held or about.held.get(row, ""),
        max_failures=_PATIENCE,
    )


def _held_of(about: About) -> str:
    """Return why a job about several instances waits: one that is held holds it."""
    return next(iter(about.held.values()), "")
