"""What a criterion can be: frozen types that say what matches (PS3.4 C.2.2.2).

Text of a criterion is in the form of the column that it is compared with, as
`storage.records.schema.key_columns` says: names folded, dates ``YYYYMMDD``, times ``HHMMSS.FFFFFF``.
Universal matching is no criterion at all. `storage.records.matching` makes them, `storage.sql.conditions`
turns them into SQL.
"""

from dataclasses import dataclass
from enum import Enum


class Mark(Enum):
    """A wildcard within a pattern (PS3.4 C.2.2.2.4)."""

    ANY = "*"
    ONE = "?"


@dataclass(frozen=True, slots=True)
class Single:
    """The value is this one (PS3.4 C.2.2.2.1)."""

    value: str | int


@dataclass(frozen=True, slots=True)
class Wildcard:
    """The value has this shape: literal text with wildcards between (PS3.4 C.2.2.2.4)."""

    tokens: tuple[str | Mark, ...]

    @property
    def prefix(self) -> str:
        """The literal text that every match begins with."""
        first = self.tokens[0]
        return first if isinstance(first, str) else ""


@dataclass(frozen=True, slots=True)
class OneOf:
    """The value is one of these (PS3.4 C.2.2.2.2, and taken for codes and numbers too)."""

    values: tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Either:
    """One of these holds."""

    options: tuple[Single | Wildcard, ...]


@dataclass(frozen=True, slots=True)
class Name:
    """What each component group of a name must be; None for any.

    When `anywhere`, the one criterion in `groups` may hold in any of the three component groups.
    """

    groups: tuple[Single | Wildcard | Either | None, ...]
    anywhere: bool


@dataclass(frozen=True, slots=True)
class Range:
    """The value lies between `low` and `high`, both included; None is open. Nothing matches that is empty.

    PS3.4 C.2.2.2.5.
    """

    low: str | None
    high: str | None


@dataclass(frozen=True, slots=True)
class DateTimeRange:
    """Date and time together lie between two moments, both included (PS3.4 C.2.2.2.5.4).

    The criterion of the date's keyword; `time` is the keyword of the other half.
    """

    dates: Range
    times: Range
    time: str


Criterion = Single | Wildcard | OneOf | Either | Name | Range | DateTimeRange
