"""What rules in force want to know of each instance that comes in."""

from dataclasses import dataclass

from rules.facts import Needs


@dataclass(frozen=True, slots=True)
class Wants:
    """What is to be read of a dataset beside the indexed attributes.

    Attributes
    ----------
    digest
        By which it is recognized later what was read; empty when nothing is wanted.
    """

    digest: str
    needs: Needs


NOTHING = Wants("", Needs({}, {}))
"""No rules, or none that look beyond the indexed attributes."""


def nothing() -> Wants:
    """Return `NOTHING`, for whoever must ask."""
    return NOTHING
