"""Patterns that may take for ever are refused: a rule runs while a scanner waits.

Python's `re` backtracks. A repetition within a repetition, as in ``(a+)+``, lets the time grow
exponentially with the text, so it is not allowed; several one after another let it grow with a power of
its length, so the text that they may see is limited.
"""

import re
from dataclasses import dataclass
from math import factorial

_ATOM = re.compile(r"\\.|\[\^?\]?(?:\\.|[^\]\\])*\]|\(\?[aiLmsux]+\)|\(\?#[^)]*\)|.", re.DOTALL)
_REPEAT = re.compile(r"[*+]|\{\d*,\d*\}|\{(?:[2-9]|\d\d+)\}")
_MOST_REPEATS, _MOST_OPTIONS = 5, 10
_STEPS = 1e8
"""About a second, for the worst text that there is."""


@dataclass(frozen=True, slots=True)
class _Pace:
    """How much a pattern backtracks; `doubt` says why it may not."""

    repeats: int = 0
    doubt: str = ""


def check_regex(pattern: str) -> str:
    """Return what is wrong with `pattern`, empty when nothing is."""
    try:
        re.compile(pattern)
    except (re.error, RecursionError, OverflowError) as error:
        return f"not a pattern: {error}"
    return _pace(pattern).doubt


def longest(pattern: str, *, anywhere: bool) -> int:
    """Return how long a text `pattern` may see, in characters.

    Parameters
    ----------
    anywhere
        It is looked for in the whole text, not only at its beginning.
    """
    power = _pace(pattern).repeats + anywhere
    return int((_STEPS * factorial(power)) ** (1 / power)) if power > 1 else int(_STEPS)


def _pace(pattern: str) -> _Pace:
    groups = [False]  # for each open group: is anything repeated, or chosen from, within it
    repeats = options = at = 0
    while at < len(pattern) and (atom := _ATOM.match(pattern, at)):
        at = atom.end()
        if atom[0] == "(":
            groups.append(False)
            at += pattern.startswith("?", at)
            continue
        if atom[0] == "|":
            groups[-1] = True
            continue
        within = groups.pop() if atom[0] == ")" and len(groups) > 1 else False
        if repeat := _REPEAT.match(pattern, at):
            at, repeats = repeat.end(), repeats + 1
            if within:
                return _Pace(repeats, f"the pattern repeats a repetition or choice: {pattern[:at]!r}")
        elif pattern.startswith("?", at):
            options += 1
        at += pattern.startswith("?", at)  # an option, or a repetition that takes as little as it can
        groups[-1] = groups[-1] or within or bool(repeat)
    if repeats > _MOST_REPEATS or options > _MOST_OPTIONS:
        return _Pace(
            repeats, f"the pattern has more than {_MOST_REPEATS} repetitions or {_MOST_OPTIONS} options"
        )
    return _Pace(repeats)
