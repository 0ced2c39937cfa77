"""Decisions in words, for people who must understand them at night."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from node.services.accounts import RuleAccount
from rules.trace import lines as trace_lines

_WIDTH = 16
_INDENT = " " * _WIDTH


def moment(at: datetime | None) -> str:
    """Return a moment as all commands write it."""
    return "-" if at is None else f"{at.astimezone(UTC):%Y-%m-%d %H:%M:%S}Z"


def action_words(action: Mapping[str, Any]) -> str:
    """Return what a planned action does (`rules.planning.Planned.plain`)."""
    words = _doing(action)
    if action.get("not_before"):
        words += f", not before {datetime.fromisoformat(action['not_before']):%Y-%m-%d %H:%M}"
    if action.get("held"):
        words += f"; held for a person: {action['held']}"
    return words


def _doing(action: Mapping[str, Any]) -> str:
    to = ", ".join(action.get("to", ()))
    alternate = f" (or {action['alternate']} when it is down)" if action.get("alternate") else ""
    match action["action"]:
        case "route":
            return f"deliver to {to}{alternate}"
        case "deidentify":
            kept = "keep the copy" if action.get("keep") else ""
            sent = f"deliver it to {to}{alternate}" if to else ""
            then = " and ".join(part for part in (kept, sent) if part)
            return f"de-identify by profile {action['profile']}, then {then}"
        case "infer":
            return f"let model {action['model']} look at it"
        case "tag":
            return f"label it {action['label']}"
        case "assign":
            fields = ("centre", "reader", "urgency")
            return "give it to " + ", ".join(f"{name} {action[name]}" for name in fields if action.get(name))
    return f"{action['action']}: {action.get('reason', '')}"


def rule_lines(rules: Iterable[RuleAccount], *, brief: bool = False) -> Iterator[str]:
    """Yield what each rule came to, and why, a rule after the other.

    Parameters
    ----------
    brief
        Of a rule that did not fire, only say so.
    """
    for rule in rules:
        yield from _rule(rule, brief=brief)


def _rule(rule: RuleAccount, *, brief: bool) -> Iterator[str]:
    reason = f": {rule.reason}" if rule.reason else ""
    yield f"{rule.outcome:<{_WIDTH}}{rule.rule}{reason}"
    if rule.doubt:
        yield f"{_INDENT}! {rule.doubt}"
    if rule.trace is not None and not (brief and rule.outcome == "not fired"):
        for line in trace_lines(rule.trace):
            yield _INDENT + line
    for action in rule.actions:
        yield f"{_INDENT}-> {action_words(action)}"
    for dropped in rule.dropped:
        yield f"{_INDENT}-> nothing to {dropped['peer']}: {dropped['reason']}"
    if rule.outcome == "unknown" and not rule.actions and not rule.dropped:
        yield f"{_INDENT}-> nothing: the rule is skipped when it is unknown"


def indented(lines: Iterable[str], by: str = "  ") -> Iterator[str]:
    """Yield `lines` further to the right."""
    for line in lines:
        yield by + line


def counted(number: int, one: str, many: str = "") -> str:
    """Return a number with its noun.

    Example
    -------
    >>> counted(1, "study", "studies"), counted(2000, "instance")
    ('1 study', '2,000 instances')
    """
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def listed_some(parts: Sequence[str], most: int = 3) -> str:
    """Return the first of `parts`, and how many more there are."""
    some = ", ".join(parts[:most])
    return some + (f" and {len(parts) - most:,} more" if len(parts) > most else "")
