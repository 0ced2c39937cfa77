"""The shape of a query, apart from what it asks for: queries of one shape are one statement.

Each value of a criterion gives way to a `Slot`, which stands for it in the statement. What the shape still
tells is all that the statement depends on: which kinds of criteria, where the wildcards are, whether a range
is open or a single day.

Example
-------
>>> from storage.records.criteria import Single
>>> split({"PatientID": Single("4711")})
((('PatientID', Single(value='v0')),), {'v0': '4711'})
"""

from collections.abc import Mapping, Sequence

from storage.records.criteria import (
    Criterion,
    DateTimeRange,
    Either,
    Name,
    OneOf,
    Range,
    Single,
    Wildcard,
)

Value = str | int
Values = Mapping[str, Value]
Shape = tuple[tuple[str, Criterion], ...]


class Slot(str):
    """Stands for a value of a criterion; its text is the value's name."""

    __slots__ = ()


def split(criteria: Mapping[str, Criterion]) -> tuple[Shape, Values]:
    """Return the shape of `criteria`, and the values that it has slots for by their names.

    A list is filled up to a power of two with its last value, so that few shapes serve all lengths.
    """
    taken = _Taken()
    shape = tuple((keyword, taken.out_of(criterion)) for keyword, criterion in criteria.items())
    return shape, taken.values


def filled(part: object, values: Values) -> object:
    """Return what stands in the place of `part`: of a slot its value, of anything else itself."""
    return values[part] if isinstance(part, Slot) else part


class _Taken:
    """Takes the values out of criteria."""

    def __init__(self) -> None:
        self.values: dict[str, Value] = {}

    def out_of(self, criterion: Criterion) -> Criterion:
        if isinstance(criterion, Name):
            groups = tuple(None if each is None else self._option(each) for each in criterion.groups)
            return Name(groups, criterion.anywhere)
        if isinstance(criterion, Range):
            return self._range(criterion)
        if isinstance(criterion, DateTimeRange):
            return DateTimeRange(self._range(criterion.dates), self._range(criterion.times), criterion.time)
        if isinstance(criterion, OneOf):
            return self._list(criterion.values)
        return self._option(criterion)

    def _option(self, criterion: Single | Wildcard | Either) -> Single | Wildcard | Either:
        if isinstance(criterion, Either):
            return Either(tuple(self._plain(each) for each in criterion.options))
        return self._plain(criterion)

    def _plain(self, criterion: Single | Wildcard) -> Single | Wildcard:
        if isinstance(criterion, Single):
            return Single(self._slot(criterion.value))
        return Wildcard(
            tuple(self._slot(token) if isinstance(token, str) else token for token in criterion.tokens)
        )

    def _list(self, values: Sequence[Value]) -> OneOf:
        last = len(values) - 1
        size = 1 << last.bit_length()
        return OneOf(tuple(self._slot(values[min(place, last)]) for place in range(size)))

    def _range(self, span: Range) -> Range:
        low = None if span.low is None else self._slot(span.low)
        if span.low is not None and span.low == span.high:
            return Range(low, low)
        return Range(low, None if span.high is None else self._slot(span.high))

    def _slot(self, value: Value) -> Slot:
        slot = Slot(f"v{len(self.values)}")
        self.values[slot] = value
        return slot
