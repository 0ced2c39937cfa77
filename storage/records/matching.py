"""What a query asks for: each key parsed once into a criterion (PS3.4 C.2.2.2).

Example
-------
>>> parse({"PatientID": "A-17", "StudyDate": "20240101-", "StudyDescription": ""})
{'PatientID': Single(value='A-17'), 'StudyDate': Range(low='20240101', high=None)}
"""

import re
from collections.abc import Mapping

from storage.records.attributes import BY_KEYWORD, Kind
from storage.records.computed import COMPUTED
from storage.records.criteria import Criterion, DateTimeRange, Either, Name, OneOf, Range, Single, Wildcard
from storage.records.moments import BadMoment, date_range, is_range, time_range
from storage.records.patterns import group_of, shape_of
from storage.records.schema import INDEXABLE, clean

LONGEST_LIST = 10_000
"""UIDs that a list may have."""

LONGEST_CLASS_LIST = 100
"""And SOP classes, which no index finds."""


class BadKey(ValueError):
    """A key that no matching can be done with.

    Attributes
    ----------
    keyword
        Whose key it is.
    reason
        What is wrong with it, in a few words that do not repeat its value.
    """

    def __init__(self, keyword: str, reason: str) -> None:
        super().__init__(f"{keyword}: {reason}")
        self.keyword = keyword
        self.reason = reason


PAIRS = {
    "StudyDate": "StudyTime",
    "SeriesDate": "SeriesTime",
    "PerformedProcedureStepStartDate": "PerformedProcedureStepStartTime",
    "ContentDate": "ContentTime",
}
"""Dates and the times that belong to them."""

_INTEGER = re.compile(r"[+-]?[0-9]{1,18}")


def parse(keys: Mapping[str, str], *, combined: bool = True) -> dict[str, Criterion]:
    """Return the criteria that `keys` (keyword to value as asked) amount to, leaving out universal ones.

    Parameters
    ----------
    combined
        Take a range of dates with its range of times as one interval, instead of two on their own.

    Raises
    ------
    BadKey
    KeyError
        A keyword that is neither indexed nor computed.
    """
    criteria: dict[str, Criterion] = {}
    for keyword, value in keys.items():
        criterion = _criterion(keyword, clean(value).strip())
        if criterion is not None:
            criteria[keyword] = criterion
    if combined:
        _combine(criteria, keys)
    return criteria


def _combine(criteria: dict[str, Criterion], keys: Mapping[str, str]) -> None:
    for date, time in PAIRS.items():
        dates, times = criteria.get(date), criteria.get(time)
        if not (isinstance(dates, Range) and isinstance(times, Range)):
            continue
        if is_range(keys[date]) and is_range(keys[time]):
            criteria[date] = DateTimeRange(dates, times, time)
            del criteria[time]


def _criterion(keyword: str, value: str) -> Criterion | None:
    kind = BY_KEYWORD[keyword].kind if keyword in BY_KEYWORD else COMPUTED[keyword].kind
    if kind is None or value in ("", "*"):  # C.2.2.2.3; some send an asterisk where none is allowed
        return None
    try:
        if kind is Kind.UID:
            return _uids(value, LONGEST_CLASS_LIST if keyword == "SOPClassesInStudy" else LONGEST_LIST)
        return _of_kind(kind, value)
    except (BadMoment, _Bad) as error:
        raise BadKey(keyword, str(error)) from None


class _Bad(ValueError):
    """A reason on its way to becoming a `BadKey`."""


def _of_kind(kind: Kind, value: str) -> Criterion | None:
    if len(value) > INDEXABLE:
        raise _Bad(f"longer than {INDEXABLE} characters")
    if kind is Kind.DATE:
        return date_range(value)
    if kind is Kind.TIME:
        return time_range(value)
    if kind is Kind.NUMBER:
        return _numbers(value)
    if kind is Kind.CODE:
        return _codes(value)
    return _name(value) if kind is Kind.NAME else shape_of(value)


def _uids(value: str, longest: int) -> Criterion | None:
    if "*" in value or "?" in value:
        raise _Bad("a UID takes no wildcard")
    values = tuple(dict.fromkeys(uid for each in value.split("\\") if (uid := each.strip())))
    if len(values) > longest:
        raise _Bad(f"more than {longest} UIDs")
    return _list(values)


def _list(values: tuple[str | int, ...]) -> Criterion | None:
    if not values:
        return None
    return Single(values[0]) if len(values) == 1 else OneOf(values)


def _numbers(value: str) -> Criterion | None:
    numbers = [each.strip() for each in value.split("\\")]
    if not all(_INTEGER.fullmatch(each) for each in numbers):
        raise _Bad("not a whole number")
    return _list(tuple(dict.fromkeys(int(each) for each in numbers)))


def _codes(value: str) -> Criterion | None:
    r"""Several codes are asked for as one of them, which is what is meant by ``CT\MR``."""
    options = [shape_of(each.strip()) for each in value.split("\\") if each.strip()]
    if not options or None in options:
        return None
    if all(isinstance(option, Single) for option in options):
        return _list(tuple(dict.fromkeys(option.value for option in options if isinstance(option, Single))))
    given = tuple(option for option in options if isinstance(option, Single | Wildcard))
    return given[0] if len(given) == 1 else Either(given)


def _name(value: str) -> Name | None:
    """Parse a PN key: ``alphabetic=ideographic=phonetic``, or one text that any of the three may match."""
    given = value.split("=")
    if len(given) > 3:
        raise _Bad("more than three component groups")
    groups = tuple(group_of(each) for each in given)
    if all(group is None for group in groups):
        return None
    return Name(groups, anywhere=len(groups) == 1)
