"""What comes of rules that fired: their actions, each once, and no delivery back to where it came from."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from rules.actions import Action, Deidentify, Discard, Hold, Infer, Route, plain

WITHHELD = (Route, Deidentify, Infer, Discard)
"""What an action ``hold`` holds back; labels and assignments help the person who looks."""


@dataclass(frozen=True, slots=True)
class Planned:
    """One action that is to be done.

    Attributes
    ----------
    action
        A `Route` has exactly one peer.
    rules
        Names of the rules that ask for it.
    priority
        0 to 99, the smaller first.
    not_before
        When the window of its rule opens; None: at once.
    held
        Why it waits for a person; empty: it does not.
    """

    action: Action
    rules: tuple[str, ...]
    priority: int
    not_before: datetime | None = None
    held: str = ""

    def plain(self) -> dict[str, Any]:
        """Return it as plain data, for JSON."""
        data: dict[str, Any] = {**plain(self.action), "rules": list(self.rules), "priority": self.priority}
        if self.not_before is not None:
            data["not_before"] = self.not_before.isoformat()
        if self.held:
            data["held"] = self.held
        return data


@dataclass(frozen=True, slots=True)
class Dropped:
    """A delivery that a rule asks for and that is not made."""

    rule: str
    peer: str
    reason: str

    def plain(self) -> dict[str, Any]:
        """Return it as plain data, for JSON."""
        return {"rule": self.rule, "peer": self.peer, "reason": self.reason}


@dataclass(frozen=True, slots=True)
class Origins:
    """Where an instance has been.

    Attributes
    ----------
    been
        AE titles and names of peers, case folded.
    upload
        A person uploaded it, or nobody knows: then nothing discards it.
    peers
        AE title of each peer, by its name.
    """

    been: Collection[str]
    upload: str
    peers: Mapping[str, str]

    def returns(self, peer: str) -> bool:
        """Tell whether delivering to `peer` would send it back."""
        title = self.peers.get(peer, peer)
        return peer.strip().casefold() in self.been or title.strip().casefold() in self.been


NOWHERE = Origins((), "", {})
"""Of what has been nowhere."""


@dataclass(frozen=True, slots=True)
class Asking:
    """The rule in whose name actions are planned, and how."""

    rule: str
    priority: int
    not_before: datetime | None = None
    held: str = ""


def plan(
    actions: Iterable[Action], asking: Asking, origins: Origins
) -> tuple[tuple[Planned, ...], tuple[Dropped, ...]]:
    """Return what is to be done for one rule that fired, and what of it is not because it would be a loop."""
    planned: list[Planned] = []
    dropped: list[Dropped] = []
    for action in actions:
        match action:
            case Discard() if origins.upload:
                action = Hold(f"{origins.upload}, so it is not discarded")
            case Route() | Deidentify():
                to, back = _without_loops(action, asking, origins)
                dropped += back
                if isinstance(to, Route):
                    parts = [replace(to, to=(peer,)) for peer in to.to]
                    planned += [_planned(part, asking) for part in parts]
                    continue
                if not to.to and not to.keep:
                    continue
                action = to
        planned.append(_planned(action, asking))
    return tuple(planned), tuple(dropped)


def _without_loops(
    action: Route | Deidentify, asking: Asking, origins: Origins
) -> tuple[Route | Deidentify, list[Dropped]]:
    back = [peer for peer in action.to if origins.returns(peer)]
    to = tuple(peer for peer in action.to if peer not in back)
    alternate = action.alternate
    if alternate and to and origins.returns(alternate):
        back.append(alternate)
        alternate = ""
    if not back:
        return action, []
    reason = "it came from there"
    return replace(action, to=to, alternate=alternate), [Dropped(asking.rule, peer, reason) for peer in back]


def _planned(action: Action, asking: Asking) -> Planned:
    own = getattr(action, "priority", None)
    not_before = None if isinstance(action, Hold) else asking.not_before  # what holds does not wait itself
    priority = asking.priority if own is None else own
    return Planned(action, (asking.rule,), priority, not_before, asking.held)


def merge(plans: Iterable[Planned]) -> tuple[Planned, ...]:
    """Return each action once, in the order in which rules asked for it; what discards comes last.

    Of two that are the same, the sooner, the more urgent and the one that is not held counts. An action
    ``hold`` holds back every delivery, inference and discarding among them.
    """
    found: dict[Any, Planned] = {}
    for one in plans:
        key = _key(one)
        found[key] = _both(found[key], one) if key in found else one
    hold = next((p.action for p in found.values() if isinstance(p.action, Hold) and not p.held), None)
    planned = [_held(p, hold) for p in found.values()]
    return tuple(sorted(planned, key=lambda p: isinstance(p.action, Discard)))


def _held(planned: Planned, hold: Action | None) -> Planned:
    if not isinstance(hold, Hold) or planned.held or not isinstance(planned.action, WITHHELD):
        return planned
    return replace(planned, held=hold.reason)


def _key(planned: Planned) -> Any:
    match planned.action:
        case Route(to=to):
            return ("route", to)
        case Deidentify(profile=profile):
            return ("deidentify", profile, planned.not_before, planned.held)
        case Infer(model=model):
            return ("infer", model)
        case Discard():
            return "discard"
    return planned.action


def _both(first: Planned, second: Planned) -> Planned:
    action = first.action
    if isinstance(action, Deidentify) and isinstance(second.action, Deidentify):
        to = tuple(dict.fromkeys((*action.to, *second.action.to)))
        keep = action.keep or second.action.keep
        action = replace(action, to=to, keep=keep, alternate=action.alternate or second.action.alternate)
    elif isinstance(action, Route) and isinstance(second.action, Route):
        action = replace(action, alternate=action.alternate or second.action.alternate)
    moments = (first.not_before, second.not_before)
    return Planned(
        action,
        tuple(dict.fromkeys((*first.rules, *second.rules))),
        min(first.priority, second.priority),
        None if None in moments else min(moment for moment in moments if moment is not None),
        first.held if first.held and second.held else "",
    )
