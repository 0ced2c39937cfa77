"""Decisions: a rule set and facts in, for each rule what it came to and why, and what is to be done out.

Pure: the same rule set, facts, moment and peers give the same decisions, so that what is kept of a
decision (`Decided.seen`) is enough to explain it at any later time.

Example
-------
>>> rules = RuleSet((Rule("CT", 'Modality == "CT"', (Route(("PACS",)),)),))
>>> decided = decide(rules, Facts({"Modality": "CT"}), datetime(2024, 3, 1, 12, 0))
>>> decided.decisions[0].outcome, decided.actions[0].action
(<Outcome.FIRED: 'fired'>, Route(to=('PACS',), alternate='', priority=None))
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from functools import lru_cache
from types import MappingProxyType
from typing import Any

from rules import actions
from rules.facts import Facts, clock_facts
from rules.planning import NOWHERE, Asking, Dropped, Origins, Planned, merge, plan
from rules.program import Row
from rules.ruleset import ORIGIN, Compilation, Compiled, Rule, RuleSet, WhenUnknown
from rules.symbols import FIXED, On
from rules.unknown import Unknown
from rules.values import convert

_OF_COPIES = "about copies that this node made, only rules are asked that look at origin.way or origin.path"
_NO_PEERS: Mapping[str, str] = MappingProxyType({})


class Outcome(StrEnum):
    """What one rule came to."""

    FIRED = "fired"
    NOT_FIRED = "not fired"
    UNKNOWN = "unknown"
    OUTSIDE_WINDOW = "outside window"  # it fired, and its actions wait for the window to open
    STOPPED = "stopped"  # a rule before it fired and let no other be asked
    NOT_ASKED = "not asked"  # about a copy of ours, since its condition does not look at the origin


@dataclass(frozen=True, slots=True)
class Decision:
    """What one rule came to.

    Attributes
    ----------
    reason
        Why it is unknown or not asked, by which rule it was stopped, until when it waits; else empty.
    actions
        What it asks for, before the same of several rules is made one.
    dropped
        Deliveries that would have gone back to where the instance came from.
    """

    rule: str
    outcome: Outcome
    reason: str = ""
    actions: tuple[Planned, ...] = ()
    dropped: tuple[Dropped, ...] = ()

    def plain(self) -> dict[str, Any]:
        """Return it as plain data, for JSON; what is empty is left out."""
        data: dict[str, Any] = {"rule": self.rule, "outcome": str(self.outcome)}
        if self.reason:
            data["reason"] = self.reason
        for name, parts in (("actions", self.actions), ("dropped", self.dropped)):
            if parts:
                data[name] = [part.plain() for part in parts]
        return data


@dataclass(frozen=True, slots=True)
class Decided:
    """What a rule set came to.

    Attributes
    ----------
    decisions
        One for each rule that is asked about such a thing, in their order.
    actions
        What is to be done, each action once, in this order.
    """

    ruleset: RuleSet = field(repr=False)
    facts: Facts = field(repr=False)
    on: On
    now: datetime
    decisions: tuple[Decision, ...]
    actions: tuple[Planned, ...]

    def seen(self) -> dict[str, Any]:
        """Return the facts that were looked at, as plain data that `Facts.from_plain` reads."""
        return self.facts.plain(sorted(self.ruleset.symbols.union(ORIGIN)))

    def plain(self) -> dict[str, Any]:
        """Return all as plain data, for JSON."""
        return {
            "ruleset": self.ruleset.digest,
            "on": str(self.on),
            "at": self.now.isoformat(),
            "decisions": [decision.plain() for decision in self.decisions],
            "actions": [planned.plain() for planned in self.actions],
            "seen": self.seen(),
        }


def decide(
    ruleset: RuleSet,
    facts: Facts,
    now: datetime,
    on: On | str = On.INSTANCE,
    peers: Mapping[str, str] = _NO_PEERS,
) -> Decided:
    """Ask every rule of `ruleset` that is asked `on` such a thing. Never raises for what facts hold.

    Parameters
    ----------
    now
        By the clock on the wall of the node: windows and ``time.*`` go by its hour and weekday.
    peers
        AE title of each peer by its name, so that nothing is sent back to where it came from.
    """
    on = On(on)
    return answer(ruleset, fresh_row(ruleset.compiled, facts, now), facts, now, on, peers)


def fresh_row(compiled: Compilation, facts: Facts, now: datetime) -> Row:
    """Return a row that knows `facts` and what time it is."""
    row = compiled.program.row(facts)
    if compiled.clock:
        clock = clock_facts(now)
        for name, key in compiled.clock.items():
            row[key] = convert(FIXED[name], clock[name])
    return row


def answer(
    ruleset: RuleSet, row: Row, facts: Facts, now: datetime, on: On, peers: Mapping[str, str]
) -> Decided:
    """Return what the rules come to on a row that may have been looked at already."""
    compiled = ruleset.compiled
    decisions: list[Decision] = []
    origins: Origins | None = None
    stopped = ""
    derived = row[compiled.way] == "derived"
    for one in compiled.rules[on]:
        if stopped:
            decisions.append(Decision(one.rule.name, Outcome.STOPPED, stopped))
            continue
        if derived and not one.of_copies:
            decisions.append(Decision(one.rule.name, Outcome.NOT_ASKED, _OF_COPIES))
            continue
        truth = row[one.key]
        if truth is False:
            decisions.append(_not_fired(one))
            continue
        if origins is None:
            origins = _origins(compiled, row, peers)
        decision = _decision(one, truth, now, origins)
        decisions.append(decision)
        if one.rule.stop and (truth is True or one.rule.unknown is WhenUnknown.FIRE):
            stopped = f"by {one.rule.name}"
    planned = [p for decision in decisions for p in decision.actions]
    return Decided(ruleset, facts, on, now, tuple(decisions), merge(planned) if planned else ())


@lru_cache(maxsize=4096)
def _not_fired(one: Compiled) -> Decision:
    return Decision(one.rule.name, Outcome.NOT_FIRED)


@lru_cache(maxsize=4096)
def _ready(one: Compiled) -> tuple[Decision, tuple[str, ...], bool]:
    """Return what it comes to when a rule simply fires, the peers it names, and whether it discards."""
    rule = one.rule
    asked = tuple(dict.fromkeys(name for action in rule.then for name in actions.peers(action)))
    planned, _ = plan(rule.then, Asking(rule.name, rule.priority), NOWHERE)
    return Decision(rule.name, Outcome.FIRED, "", planned), asked, actions.discards(rule.then)


def _decision(one: Compiled, truth: Any, now: datetime, origins: Origins) -> Decision:
    rule = one.rule
    if truth is True:
        ready, asked, discards = _ready(one)
        loops = any(origins.returns(peer) for peer in asked)
        if rule.window is None and not loops and not (discards and origins.upload):
            return ready
        return _fired(rule, Outcome.FIRED, "", now, origins)
    reason = truth.reason if isinstance(truth, Unknown) else "the condition is neither true nor false"
    match rule.unknown:
        case WhenUnknown.SKIP:
            return Decision(rule.name, Outcome.UNKNOWN, reason)
        case WhenUnknown.FIRE:
            return _fired(rule, Outcome.UNKNOWN, reason, now, origins)
    asking = Asking(rule.name, rule.priority, held=f"rule {rule.name} is unknown: {reason}")
    planned, dropped = plan(rule.then, asking, origins)
    return Decision(rule.name, Outcome.UNKNOWN, reason, planned, dropped)


def _fired(rule: Rule, outcome: Outcome, reason: str, now: datetime, origins: Origins) -> Decision:
    opens = None
    if rule.window is not None and not rule.window.is_open(now):
        opens = rule.window.opens(now)
        if outcome is Outcome.FIRED:
            outcome, reason = Outcome.OUTSIDE_WINDOW, f"until {opens:%Y-%m-%d %H:%M}"
    planned, dropped = plan(rule.then, Asking(rule.name, rule.priority, opens), origins)
    return Decision(rule.name, outcome, reason, planned, dropped)


def _origins(compiled: Compilation, row: Row, peers: Mapping[str, str]) -> Origins:
    way, path, calling = row[compiled.way], row[compiled.path], row[compiled.calling_ae]
    been = [*path] if isinstance(path, tuple) else []
    if isinstance(calling, str):
        been.append(calling)
    upload = "a person uploaded it" if way == "upload" else ""
    if isinstance(way, Unknown):
        upload = "nobody knows how it came in"
    return Origins(frozenset(title.strip().casefold() for title in been), upload, peers)
