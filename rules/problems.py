"""What is wrong with a rule file, where, and what was expected instead."""

import difflib
from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """One thing that is wrong, or doubtful, in a rule file.

    Attributes
    ----------
    line, column
        Where in the file, both counted from 1 and in characters; 0 when it is not from a file.
    key
        Which setting, for example ``rule "CT".when``.
    message
        What is wrong.
    expected
        What could stand there.
    warning
        The file may be used all the same.
    """

    line: int
    column: int
    key: str
    message: str
    expected: str = ""
    warning: bool = False

    def __str__(self) -> str:
        where = f"{self.line}:{self.column}: " if self.line else ""
        what = f"{'warning: ' if self.warning else ''}{self.key}: {self.message}"
        return where + what + (f" (expected {self.expected})" if self.expected else "")

    def plain(self) -> dict[str, object]:
        """Return it as plain data, for JSON."""
        return {
            "line": self.line,
            "column": self.column,
            "key": self.key,
            "message": self.message,
            "expected": self.expected,
            "warning": self.warning,
        }


class BadRules(ValueError):
    """A rule file, or a stored rule set, cannot be used.

    Attributes
    ----------
    problems
        All that is wrong, in the order of the file.
    """

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(sorted(problems))
        super().__init__("\n".join(map(str, self.problems)))


def nearest(word: str, choices: Iterable[str]) -> str:
    """Return the one of `choices` that `word` was probably meant to be, empty when none is near.

    Example
    -------
    >>> nearest("modality", ["Modality", "Manufacturer"])
    'Modality'
    """
    folded = {choice.casefold(): choice for choice in choices}
    found = difflib.get_close_matches(word.casefold(), folded, 1, 0.7)
    return folded[found[0]] if found else ""


def listed(choices: Iterable[str]) -> str:
    """Return `choices` as a sentence says them.

    Example
    -------
    >>> listed(["hold", "skip", "fire"])
    'hold, skip or fire'
    """
    *most, last = [*choices] or ["nothing"]
    return f"{', '.join(most)} or {last}" if most else last
