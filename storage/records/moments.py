"""Dates and times as a query asks for them: single values and ranges, both as ranges (PS3.4 C.2.2.2.5).

A value of less precision stands for all of its span: ``10`` is ten o'clock up to eleven, as a single value
and at either end of a range. Times are within one day and one (unsaid) zone.
"""

import re

from storage.records.criteria import Range
from storage.records.text import date_key


class BadMoment(ValueError):
    """Neither a date (or time) nor a range of them."""


_TIME = re.compile(r"([01][0-9]|2[0-3])(?::?([0-5][0-9])(?::?([0-5][0-9]|60)(?:\.([0-9]{1,6}))?)?)?")


def is_range(value: str) -> bool:
    """Say whether `value` was asked for as a range."""
    return "-" in value


def date_range(value: str) -> Range:
    """Return what a DA key asks for, in the form of `storage.records.text.date_key`.

    Raises
    ------
    BadMoment
    """
    low, high = _ends(value)
    return Range(low and _date(low), high and _date(high))


def _date(value: str) -> str:
    key = date_key(value)
    # The 31st of any month is let pass: many ask for a whole month so.
    if not key or not 1 <= int(key[4:6]) <= 12 or not 1 <= int(key[6:]) <= 31:
        raise BadMoment("neither a date (YYYYMMDD) nor a range of dates")
    return key


def time_range(value: str) -> Range:
    """Return what a TM key asks for, in the form of `storage.records.text.time_key`.

    Raises
    ------
    BadMoment
    """
    low, high = _ends(value)
    return Range(low and _span(low)[0], high and _span(high)[1])


def _span(value: str) -> tuple[str, str]:
    """Return the first and last moment of a TM value, to the microsecond."""
    match = _TIME.fullmatch(value)
    if match is None:
        raise BadMoment("neither a time (HHMMSS.FFFFFF) nor a range of times")
    hours, minutes, seconds, fraction = match.groups()
    first = f"{hours}{minutes or '00'}{seconds or '00'}.{fraction or '':0<6}"
    last = f"{hours}{minutes or '59'}{seconds or '59'}.{fraction or '':9<6}"
    return first, last


def _ends(value: str) -> tuple[str | None, str | None]:
    parts = [part.strip() for part in value.split("-")]
    if len(parts) > 2 or not any(parts):
        raise BadMoment("not a range: one hyphen, and a value on at least one side of it")
    return parts[0] or None, parts[-1] or None
