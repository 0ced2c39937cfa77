"""What differs between two rule sets: as plain data for the archive, as lines for people."""

import json
from collections.abc import Sequence
from difflib import SequenceMatcher
from typing import Any

from rules.actions import KINDS
from rules.ruleset import RuleSet


def difference(old: RuleSet, new: RuleSet) -> dict[str, Any]:
    """Return what `new` has that `old` had not, and the other way round.

    Returns
    -------
    dict
        ``added`` and ``removed``, names of rules; ``changed``, by name, each setting with its ``old`` and
        ``new`` value, None where there was none; ``moved``, names of rules that now stand elsewhere among
        those that both have. Order matters: a rule may stop those after it.
    """
    before = {rule.name: rule.plain() for rule in old.rules}
    after = {rule.name: rule.plain() for rule in new.rules}
    both = [name for name in after if name in before]
    changed = {name: _changes(before[name], after[name]) for name in both if before[name] != after[name]}
    return {
        "added": [name for name in after if name not in before],
        "removed": [name for name in before if name not in after],
        "changed": changed,
        "moved": _moved([name for name in before if name in after], both),
    }


def _changes(old: dict[str, Any], new: dict[str, Any]) -> dict[str, Any]:
    keys = dict.fromkeys((*old, *new))
    return {key: {"old": old.get(key), "new": new.get(key)} for key in keys if old.get(key) != new.get(key)}


def _moved(old: Sequence[str], new: Sequence[str]) -> list[str]:
    blocks = SequenceMatcher(None, old, new, autojunk=False).get_matching_blocks()
    stayed = {new[block.b + number] for block in blocks for number in range(block.size)}
    return [name for name in new if name not in stayed]


def is_same(data: dict[str, Any]) -> bool:
    """Tell whether a `difference` says that there is none."""
    return not any(data.values())


def lines(old: RuleSet, new: RuleSet) -> list[str]:
    """Return the difference as lines of text: ``+`` added, ``-`` removed, ``~`` changed, ``>`` moved."""
    data = difference(old, new)
    rules = {rule.name: rule.plain() for rule in old.rules} | {rule.name: rule.plain() for rule in new.rules}
    found = []
    for sign, group in (("-", "removed"), ("+", "added")):
        for name in data[group]:
            found.append(f"{sign} {name}")
            found += [f"{sign}   {key}: {said(value)}" for key, value in rules[name].items() if key != "name"]
    for name, changes in data["changed"].items():
        found.append(f"~ {name}")
        for key, change in changes.items():
            found += [f"{sign}   {key}: {said(change[age])}" for sign, age in (("-", "old"), ("+", "new"))]
    return found + [f"> {name}" for name in data["moved"]]


def said(value: Any) -> str:
    """Return a value of a rule's plain data as people read it."""
    if value is None:
        return "as by default"
    if isinstance(value, list):
        return "; ".join(said(part) for part in value)
    if isinstance(value, dict) and value.get("action") in KINDS:
        rest = ", ".join(f"{key} {said(part)}" for key, part in value.items() if key != "action")
        return f"{value['action']} {rest}".strip()
    if isinstance(value, dict):
        return ", ".join(f"{key} {said(part)}" for key, part in value.items())
    return value if isinstance(value, str) else json.dumps(value)
