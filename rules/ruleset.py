"""A rule set: rules in the order in which they are asked, frozen, with a digest by which it is known.

Example
-------
>>> rules = RuleSet((Rule("CT", 'Modality == "CT"', (Route(("PACS",)),)),))
>>> RuleSet.from_plain(rules.plain()) == rules
True
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from typing import Any

from rules import actions, closures
from rules.actions import PRIORITIES, Action
from rules.facts import Needs, needs
from rules.language import ConditionError, parse
from rules.problems import BadRules, Problem
from rules.program import Program
from rules.shape import Shape, shape_of
from rules.symbols import FIXED, On
from rules.window import Window

ORIGIN = ("origin.way", "origin.path", "origin.calling_ae")
"""Facts that decisions look at whatever the conditions are: uploads, and loops."""

_DERIVATION = frozenset(("origin.way", "origin.path"))

FORMAT = 1
"""Of the plain data, to be raised when older data reads differently."""


class WhenUnknown(StrEnum):
    """What a rule does when its condition is unknown."""

    HOLD = "hold"  # its actions wait for a person
    SKIP = "skip"  # nothing
    FIRE = "fire"  # as if it were true


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule.

    Attributes
    ----------
    when
        Its condition.
    then
        What is done when it is true, in this order.
    on
        What it is asked about.
    priority
        Of the work that follows: 0 to 99, the smaller first.
    window
        When that work may be done; outside, it waits for the window to open.
    stop
        Once it has fired, the rules after it are not asked about the same thing.
    unknown
        What it does when its condition is unknown.
    requires
        Conditions on series: a series or study is complete once each is true of some series that is there.
    """

    name: str
    when: str
    then: tuple[Action, ...]
    on: On = On.INSTANCE
    priority: int = PRIORITIES["ordinary"]
    window: Window | None = None
    stop: bool = False
    unknown: WhenUnknown = WhenUnknown.HOLD
    requires: tuple[str, ...] = ()

    def plain(self) -> dict[str, Any]:
        """Return it as plain data, as in a rule file; what is as by default is left out."""
        data: dict[str, Any] = {"name": self.name, "on": str(self.on), "when": self.when}
        data["then"] = [actions.plain(action) for action in self.then]
        if self.priority != PRIORITIES["ordinary"]:
            data["priority"] = self.priority
        if self.window is not None:
            data["window"] = self.window.plain()
        if self.stop:
            data["stop"] = True
        if self.unknown is not WhenUnknown.HOLD:
            data["unknown"] = str(self.unknown)
        if self.requires:
            data["requires"] = list(self.requires)
        return data

    @classmethod
    def from_plain(cls, data: Mapping[str, Any]) -> "Rule":
        """Read what `plain` returned."""
        window = data.get("window")
        return cls(
            str(data["name"]),
            str(data["when"]),
            tuple(actions.from_plain(action) for action in data["then"]),
            On(data["on"]),
            int(data.get("priority", PRIORITIES["ordinary"])),
            None if window is None else Window.from_plain(window),
            bool(data.get("stop", False)),
            WhenUnknown(data.get("unknown", WhenUnknown.HOLD)),
            tuple(data.get("requires", ())),
        )


@dataclass(frozen=True, slots=True, eq=False)
class Compiled:
    """A rule with what decides it; each is itself only, so that it serves as a key.

    Attributes
    ----------
    number
        Its place in the rule set, from 0.
    shape
        Its condition, to be explained.
    key
        Of the result of its condition in every row of the program.
    requires
        Likewise of what it requires.
    of_copies
        Its condition looks at where an instance comes from, so that it is asked about copies of ours too.
    """

    rule: Rule
    number: int
    shape: Shape
    key: int
    requires: tuple[int, ...]
    of_copies: bool


@dataclass(frozen=True, slots=True)
class Compilation:
    """All conditions of a rule set, ready to be evaluated.

    Attributes
    ----------
    rules
        By what they are asked about.
    clock
        The facts ``time.*`` that are used, with their keys.
    way, path, calling_ae
        Keys of facts of the origin that decisions look at whatever the conditions are.
    """

    program: Program
    rules: Mapping[On, tuple[Compiled, ...]]
    clock: Mapping[str, int]
    way: int
    path: int
    calling_ae: int


@dataclass(frozen=True)
class RuleSet:
    """Rules, in the order in which they are asked."""

    rules: tuple[Rule, ...] = ()

    def plain(self) -> dict[str, Any]:
        """Return it as plain data, for JSON."""
        return {"format": FORMAT, "rules": [rule.plain() for rule in self.rules]}

    @classmethod
    def from_plain(cls, data: Mapping[str, Any]) -> "RuleSet":
        """Read what `plain` returned.

        Raises
        ------
        BadRules
            It did not, or a condition is not valid any more.
        """
        try:
            if data["format"] != FORMAT:
                raise ValueError(f"format {data['format']} is not {FORMAT}")
            found = cls(tuple(Rule.from_plain(rule) for rule in data["rules"]))
        except (KeyError, TypeError, ValueError) as error:
            raise BadRules([Problem(0, 0, "rule set", f"not a stored rule set: {error}")]) from error
        _ = found.compiled  # raises when a condition is not valid
        return found

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the plain data in one canonical spelling, hexadecimal."""
        text = json.dumps(self.plain(), sort_keys=True, separators=(",", ":"), ensure_ascii=True)
        return hashlib.sha256(text.encode()).hexdigest()

    @cached_property
    def compiled(self) -> Compilation:
        """All conditions, ready to be evaluated.

        Raises
        ------
        BadRules
            A condition is not valid.
        """
        program = Program()  # made whole before anyone else sees it: several threads may come here at once
        problems: list[Problem] = []
        found: dict[On, list[Compiled]] = {on: [] for on in On}
        for number, rule in enumerate(self.rules):
            try:
                condition = parse(rule.when)
                shape = shape_of(program, condition)
                required = tuple(closures.add(program, parse(text)) for text in rule.requires)
            except ConditionError as error:
                problems.append(Problem(0, 0, f'rule "{rule.name}"', error.message, error.expected))
                continue
            of_copies = not _DERIVATION.isdisjoint(condition.symbols)
            found[rule.on].append(Compiled(rule, number, shape, shape.key, required, of_copies))
        if problems:
            raise BadRules(problems)
        clock = {name: key for name, key in program.symbols.items() if name.startswith("time.")}
        way, path, calling = (program.symbol(FIXED[name]) for name in ORIGIN)
        rules = {on: tuple(compiled) for on, compiled in found.items()}
        return Compilation(program, rules, clock, way, path, calling)

    @cached_property
    def symbols(self) -> frozenset[str]:
        """Names of all facts that a condition uses."""
        texts = (text for rule in self.rules for text in (rule.when, *rule.requires))
        return frozenset(name for text in texts for name in parse(text).symbols)

    def needs(self, indexed: "frozenset[str] | set[str]" = frozenset()) -> Needs:
        """Return the attributes beyond those of `indexed`, a set of keywords, that must be read for it."""
        return needs(self.symbols, indexed)
