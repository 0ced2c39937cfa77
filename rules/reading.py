r"""Rule files: TOML to a `RuleSet`, or all that is wrong with it, each with line and column.

Example
-------
>>> file = '[[rule]]\nname = "CT"\nwhen = "Modality == 5"\nthen = [{action = "tag", label = "x"}]'
>>> print(read(file).problems[0])
3:9: rule "CT".when: text is never a number (expected values of one type)
"""

import re
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass, field, fields
from typing import Any

from rules.actions import KINDS, PRIORITIES, URGENCIES, Action, lacking, required
from rules.language import ConditionError, parse
from rules.places import Path, Places
from rules.problems import BadRules, Problem, listed, nearest
from rules.ruleset import Rule, RuleSet, WhenUnknown
from rules.symbols import On
from rules.window import Window, parse_span, parse_weekday

NAME_LENGTH = 64
"""Most characters of a rule's name."""


@dataclass
class Reading:
    """A rule file as far as it could be read.

    Attributes
    ----------
    places
        None when it is not TOML.
    rules
        Those that are right, with the number of each in the file.
    """

    places: Places | None = None
    rules: list[tuple[int, Rule]] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)

    def ruleset(self) -> RuleSet:
        """Return the rule set.

        Raises
        ------
        BadRules
            Something is wrong.
        """
        if errors := [problem for problem in self.problems if not problem.warning]:
            raise BadRules(errors)
        return RuleSet(tuple(rule for _, rule in self.rules))

    def add(self, path: Path, key: str, message: str, expected: str = "", **how: bool) -> None:
        """Note what is wrong at `path`, or with its key (``at_key``); or only doubtful (``warning``)."""
        line, column = self.places.of(path, key=how.get("at_key", False)) if self.places else (0, 0)
        self.problems.append(Problem(line, column, key, message, expected, how.get("warning", False)))

    def add_condition(self, path: Path, key: str, error: ConditionError, *, warning: bool = False) -> None:
        """Note what is wrong with a condition that is the value at `path`."""
        line, column = self.places.within(path, error.start) if self.places else (0, 0)
        self.problems.append(Problem(line, column, key, error.message, error.expected, warning))


def read(text: str) -> Reading:
    """Read a rule file. Never raises: what is wrong is among the problems."""
    try:
        data = tomllib.loads(text)
        places = Places(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        return Reading(problems=[_not_toml(text, error)])
    reading = Reading(places)
    for key in data:
        if key != "rule":
            reading.add((key,), key, "unknown setting", "[[rule]]", at_key=True)
    rules = data.get("rule", [])
    if not isinstance(rules, list) or not all(isinstance(rule, dict) for rule in rules):
        reading.add(("rule",), "rule", "not a list of tables", "[[rule]]")
        return reading
    for number, table in enumerate(rules):
        rule = _rule(reading, number, table)
        if rule is not None:
            reading.rules.append((number, rule))
    return reading


def _not_toml(text: str, error: Exception) -> Problem:
    found = re.search(r" \(at line (\d+), column (\d+)\)$", str(error))
    message = re.sub(r" \(at .*\)$", "", str(error))
    end = text.rstrip("\n").count("\n") + 1
    line, column = (int(found[1]), int(found[2])) if found else (end, 1)
    return Problem(line, column, "file", f"not TOML: {message[:1].lower()}{message[1:]}")


_MISSING = object()


class _Table:
    """One table of the file, read key by key; remembers whether anything was wrong."""

    def __init__(self, reading: Reading, path: Path, data: dict[str, Any], label: str) -> None:
        self.reading, self.path, self.data, self.label = reading, path, data, label
        self.right = True

    def wrong(self, key: str, message: str, expected: str = "", **how: bool) -> None:
        self.reading.add((*self.path, key), f"{self.label}.{key}", message, expected, **how)
        self.right = False

    def take(self, key: str, kind: type, what: str, default: Any = _MISSING) -> Any:
        """Return the value of `key` if it is a `kind`; note when it is not, and return None."""
        value = self.data.get(key, _MISSING)
        if value is _MISSING:
            if default is _MISSING:
                self.reading.add(self.path, f"{self.label}.{key}", "missing", what)
                self.right = False
                return None
            return default
        if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
            self.wrong(key, f"wrong type: {_type_name(value)}", what)
            return None
        return value

    def text(self, key: str, default: Any = _MISSING) -> Any:
        """Return a text that is not empty."""
        value = self.take(key, str, "text", default)
        if value is not None and value is not default and not value.strip():
            self.wrong(key, "empty", "text")
        return value

    def texts(self, key: str, default: Any = _MISSING) -> Any:
        """Return a tuple of texts; one text stands for a list of it."""
        value = self.data.get(key)
        if isinstance(value, str):
            value = [value]
        elif value is None or not isinstance(value, list):
            value = self.take(key, list, "a list of texts", default)
            return () if value is None else value
        for number, part in enumerate(value):
            if not isinstance(part, str) or not part.strip():
                path = (*self.path, key, number)
                what = "empty" if isinstance(part, str) else f"wrong type: {_type_name(part)}"
                self.reading.add(path, f"{self.label}.{key}", what, "text")
                self.right = False
        return tuple(part for part in value if isinstance(part, str))

    def choice(self, key: str, choices: Iterable[str], default: Any) -> Any:
        """Return one of a few words."""
        choices = [*choices]
        value = self.take(key, str, listed(choices), default)
        if value is not None and value not in choices and value is not default:
            self.wrong(key, f"{value!r} is none of them", nearest(value, choices) or listed(choices))
            return default
        return value

    def priority(self, default: int | None) -> int | None:
        """Return a priority, given as a number or a word."""
        value = self.data.get("priority", default)
        if isinstance(value, str) and value in PRIORITIES:
            return PRIORITIES[value]
        if value is default or (type(value) is int and 0 <= value <= 99):
            return value if value is None else int(value)
        self.wrong("priority", f"{value!r} is no priority", f"0 to 99, {listed(PRIORITIES)}")
        return default

    def others(self, known: Iterable[str]) -> None:
        """Note every key that is not `known`."""
        known = [*known]
        for key in self.data:
            if key not in known:
                self.wrong(key, "unknown setting", nearest(key, known) or listed(known), at_key=True)


_TYPE_NAMES = {
    str: "text",
    bool: "true or false",
    int: "a number",
    float: "a number",
    list: "a list",
    dict: "a table",
}


def _type_name(value: Any) -> str:
    return _TYPE_NAMES.get(type(value), "a date or time")


def _rule(reading: Reading, number: int, data: dict[str, Any]) -> Rule | None:
    name = data.get("name")
    label = f'rule "{name}"' if isinstance(name, str) and name else f"rule {number + 1}"
    table = _Table(reading, ("rule", number), data, label)
    table.others(part.name for part in fields(Rule))
    name = table.text("name")
    if isinstance(name, str) and len(name) > NAME_LENGTH:
        table.wrong("name", f"{len(name)} characters", f"at most {NAME_LENGTH}")
    when = table.take("when", str, 'a condition such as Modality == "CT"')
    if when is not None:
        _condition(table, ("when",), when)
    on = table.choice("on", On, On.INSTANCE)
    unknown = table.choice("unknown", WhenUnknown, WhenUnknown.HOLD)
    stop = table.take("stop", bool, "true or false", False)
    requires = table.texts("requires", ())
    for index, text in enumerate(requires):
        listed_ = isinstance(data["requires"], list)
        _condition(table, ("requires", index) if listed_ else ("requires",), text)
    priority = table.priority(PRIORITIES["ordinary"])
    window, then = _window(table), _then(table)
    if not table.right or priority is None:
        return None
    return Rule(name, when, then, On(on), priority, window, stop, WhenUnknown(unknown), requires)


def _condition(table: _Table, path: Path, text: str) -> None:
    try:
        parse(text)
    except ConditionError as error:
        table.reading.add_condition((*table.path, *path), f"{table.label}.{path[0]}", error)
        table.right = False


def _window(table: _Table) -> Window | None:
    data = table.take("window", dict, 'a table such as { hours = "22:00-06:00" }', None)
    if data is None:
        return None
    inner = _Table(table.reading, (*table.path, "window"), data, f"{table.label}.window")
    inner.others(("hours", "weekdays"))
    hours, weekdays = [], set()
    for text in inner.texts("hours", ()):
        try:
            hours.append(parse_span(text))
        except ValueError as error:
            inner.wrong("hours", str(error), "for example 22:00-06:00")
    for text in inner.texts("weekdays", ()):
        try:
            weekdays.add(parse_weekday(text))
        except ValueError as error:
            inner.wrong("weekdays", str(error), "Monday to Sunday")
    if not data:
        table.wrong("window", "empty", "hours, weekdays or both")
    table.right = table.right and inner.right
    return Window(tuple(hours), tuple(sorted(weekdays)))


def _then(table: _Table) -> tuple[Action, ...]:
    items = table.take("then", list, "a list of actions")
    found = []
    for number, data in enumerate(items or ()):
        path = (*table.path, "then", number)
        if not isinstance(data, dict):
            what = 'a table such as { action = "route", to = ["PACS"] }'
            table.reading.add(path, f"{table.label}.then", f"wrong type: {_type_name(data)}", what)
            table.right = False
            continue
        inner = _Table(table.reading, path, data, f"{table.label}.then[{number + 1}]")
        action = _action(inner)
        table.right = table.right and inner.right
        if action is not None:
            found.append(action)
    return tuple(found)


def _action(table: _Table) -> Action | None:
    word = table.take("action", str, listed(KINDS))
    if word is None:
        return None
    if word not in KINDS:
        table.wrong("action", f"{word!r} is no action", nearest(word, KINDS) or listed(KINDS))
        return None
    kind = KINDS[word]
    table.others(("action", *(part.name for part in fields(kind))))
    values: dict[str, Any] = {}
    for part in fields(kind):
        default = _MISSING if required(part) else part.default
        if part.name == "priority":
            values["priority"] = table.priority(None)
        elif part.name == "urgency":
            values["urgency"] = table.choice("urgency", URGENCIES, "")
        elif part.type is bool:
            values[part.name] = table.take(part.name, bool, "true or false", default)
        elif part.type is str:
            values[part.name] = table.text(part.name, default)
        else:
            values[part.name] = table.texts(part.name, default)
    if not table.right:
        return None
    action = kind(**values)
    if what := lacking(action):
        table.reading.add(table.path, table.label, f"{word} says too little", what)
        table.right = False
    return action
