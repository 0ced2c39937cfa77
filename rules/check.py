"""Whether a rule file may be used here: what it names is there, and every rule can come to something.

Example
-------
>>> found = check(text, Known(peers={"PACS"}))
>>> found.errors, found.warnings
"""

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from typing import Any

from rule_engine import ast

from rules.actions import Deidentify, Infer, discards, peers
from rules.closures import add
from rules.facts import Facts
from rules.language import Condition, ConditionError, parse
from rules.problems import Problem, listed, nearest
from rules.program import Program
from rules.reading import Reading, read
from rules.ruleset import Rule, RuleSet, WhenUnknown
from rules.strict import descendants, symbol_of, texts_of
from rules.symbols import On, Symbol
from rules.unknown import Unknown

_CS = re.compile(r"[A-Z0-9 _]{0,16}")


@dataclass(frozen=True, slots=True)
class Known:
    """What rules may name. None: it is not known what there is, so any name goes."""

    peers: Collection[str] | None = None
    models: Collection[str] | None = None
    profiles: Collection[str] | None = None


@dataclass(frozen=True, slots=True)
class Checked:
    """What came of checking a rule file.

    Attributes
    ----------
    ruleset
        None when there are errors.
    """

    ruleset: RuleSet | None
    problems: tuple[Problem, ...] = field(default=())

    @property
    def errors(self) -> tuple[Problem, ...]:
        """What is wrong."""
        return tuple(problem for problem in self.problems if not problem.warning)

    @property
    def warnings(self) -> tuple[Problem, ...]:
        """What is doubtful."""
        return tuple(problem for problem in self.problems if problem.warning)


def check(text: str, known: Known | None = None) -> Checked:
    """Read a rule file and say all that is wrong with it, in the order of the file."""
    reading = read(text)
    names: dict[str, int] = {}
    ends: dict[On, str] = {}
    for number, rule in reading.rules:
        _Rule(reading, number, rule).check(known or Known(), names, ends)
    problems = tuple(sorted(reading.problems))
    right = all(problem.warning for problem in problems)
    return Checked(reading.ruleset() if right else None, problems)


@dataclass(frozen=True, slots=True)
class _Rule:
    """One rule that could be read."""

    reading: Reading
    number: int
    rule: Rule

    def note(self, path: tuple[str | int, ...], message: str, expected: str = "", **how: bool) -> None:
        key = f'rule "{self.rule.name}"' + "".join(f".{part}" for part in path if isinstance(part, str))
        self.reading.add(("rule", self.number, *path), key, message, expected, **how)

    def check(self, known: Known, names: dict[str, int], ends: dict[On, str]) -> None:
        rule = self.rule
        if rule.name in names:
            self.note(("name",), f"the name is taken by rule {names[rule.name] + 1}", "another name")
        names.setdefault(rule.name, self.number)
        if not rule.then:
            self.note(("then",), "empty", "at least one action")
        if rule.requires and rule.on is On.INSTANCE:
            self.note(("requires",), "an instance has no series to wait for", 'on = "series" or "study"')
        self.names(known)
        self.conditions()
        self.reach(ends)
        self.discarding()

    def names(self, known: Known) -> None:
        for index, action in enumerate(self.rule.then):
            path = ("then", index)
            for name in peers(action):
                self.named(path, "peer", name, known.peers)
            if isinstance(action, Deidentify):
                self.named(path, "profile", action.profile, known.profiles)
            if isinstance(action, Infer):
                self.named(path, "model", action.model, known.models)

    def named(self, path: tuple[str | int, ...], what: str, name: str, known: Collection[str] | None) -> None:
        if known is None or name in known:
            return
        choices = listed(sorted(known)) if known else f"a {what}, but there is none"
        self.note(self.place_of(path, name), f"unknown {what} {name}", nearest(name, known) or choices)

    def place_of(self, path: tuple[str | int, ...], name: str) -> tuple[str | int, ...]:
        """Return the path of the value `name` in an action of the file."""
        action = self.rule.then[int(path[1])]
        for key in ("to", "alternate", "profile", "model"):
            value = getattr(action, key, None)
            if value == name:
                return (*path, key)
            if isinstance(value, tuple) and name in value:
                return (*path, key, value.index(name))
        return path

    def conditions(self) -> None:
        texts = [(("when",), self.rule.when, self.rule.on)]
        for index, text in enumerate(self.rule.requires):
            texts.append((("requires", index), text, On.SERIES))  # type: ignore[arg-type]
        for path, text, on in texts:
            condition = parse(text)
            full = ("rule", self.number, *path)
            key = f'rule "{self.rule.name}".{path[0]}'
            for error in misplaced(condition, on):
                self.reading.add_condition(full, key, error)
            for doubt in doubts(condition):
                self.reading.add_condition(full, key, doubt, warning=True)

    def reach(self, ends: dict[On, str]) -> None:
        rule = self.rule
        if rule.on in ends:
            message = f'never asked: rule "{ends[rule.on]}" before it always fires and stops'
            self.note((), message, "another order")
        always = alone(rule.when)
        if always is False:
            self.note(("when",), "the condition is never true", "a condition that can be true")
        if always is True and rule.stop:
            ends.setdefault(rule.on, rule.name)

    def discarding(self) -> None:
        if not discards(self.rule.then):
            return
        if self.rule.unknown is WhenUnknown.FIRE:
            self.note(("unknown",), "what discards may not fire when unknown", "hold or skip")
        if alone(self.rule.when, {"origin.way": "upload"}) is not False:
            message = "uploads that match are held, never discarded"
            self.note(("when",), message, 'and origin.way != "upload"', warning=True)


def alone(text: str, facts: dict[str, object] | None = None) -> Any:
    """Return what a condition comes to when nothing is known but `facts`: then its truth needs no more."""
    program = Program()
    key = add(program, parse(text))
    return program.row(_Nothing(facts or {}))[key]


class _Nothing(Facts):
    """Facts of which most are there and cannot be read, so that not even their absence is known."""

    def get(self, name: str) -> object:
        return self.values.get(name, Unknown("nothing is known"))


def misplaced(condition: Condition, on: On) -> Iterator[ConditionError]:
    """Yield each use of a fact that rules `on` this cannot have."""
    for symbol, (start, end) in condition.uses():
        if on not in symbol.on:
            where = listed(sorted(f'on = "{value}"' for value in symbol.on))
            yield ConditionError(start, end, f"{symbol.name} is not known to a rule on {on}", where)


def doubts(condition: Condition) -> Iterator[ConditionError]:
    """Yield what is probably not meant: texts that an attribute never has."""
    for node in descendants(condition.root):
        if type(node) is ast.ComparisonExpression:
            pairs = ((node.left, node.right), (node.right, node.left))
        elif isinstance(node, ast.ContainsExpression):
            pairs = ((node.member, node.container), (node.container, node.member))
        else:
            continue
        for side, constants in pairs:
            symbol = symbol_of(side)
            if symbol is not None:
                yield from _doubts(symbol, texts_of(constants))


def _doubts(symbol: Symbol, texts: list[Any]) -> Iterator[ConditionError]:
    for text in texts:
        start, end = getattr(text, "place", (0, 0))
        if not text.value:
            yield ConditionError(start, end, f"an empty {symbol.name} is unknown", "null")
        elif symbol.vr == "CS" and not _CS.fullmatch(text.value):
            expected = "at most 16 capitals, digits, spaces or underscores"
            yield ConditionError(start, end, f"{symbol.name} is never {text.value!r}", expected)
