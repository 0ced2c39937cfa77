"""Values as a data set or the archive has them, made into what conditions compare. Total: never raises.

Text becomes `str`, numbers `decimal.Decimal` (a DS of 0.9 is 0.9), dates and moments aware `datetime`,
times of day `timedelta` since midnight, several values a `tuple`. What cannot be made so is `Unknown`;
its reason names the symbol and never the value.
"""

import re
from collections.abc import Callable, Iterable
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Context, Decimal
from typing import TypeAlias

from rules.symbols import FIXED, Kind, Symbol
from rules.unknown import Unknown

Scalar: TypeAlias = str | Decimal | datetime | timedelta | bool
Value: TypeAlias = Scalar | tuple[Scalar, ...]

_WHOLE = frozenset({"LT", "ST", "UT", "UR"})  # in these a backslash separates nothing, PS3.5 6.2
_NUMBER = re.compile(r"[+-]?(?:\d{1,400}(?:\.\d{0,400})?|\.\d{1,400})(?:[eE][+-]?\d{1,4})?", re.ASCII)
_AGE = re.compile(r"(\d{1,4})([DWMY])", re.ASCII)
_PER_YEAR = {
    "D": Decimal("365.25"),
    "W": Decimal("52.17857142857142857142857143"),
    "M": Decimal(12),
    "Y": Decimal(1),
}
_YEARS = Context(prec=28)
_DATE = re.compile(r"(\d{4})(?:(\d\d)(\d\d)|\.(\d\d)\.(\d\d))", re.ASCII)
_MOMENT = re.compile(
    r"(\d{4})(?:(\d\d)(?:(\d\d)(?:(\d\d)(?:(\d\d)(?:(\d\d)(?:\.(\d{1,6}))?)?)?)?)?)?([+-]\d{4})?", re.ASCII
)
_TIME = re.compile(r"([01]\d|2[0-3]):?(?:([0-5]\d):?(?:([0-5]\d|60)(?:\.(\d{1,6}))?)?)?", re.ASCII)


def missing(name: str) -> Unknown:
    """Return what an attribute is that nobody has."""
    return Unknown(f"{name} is missing", absent=True)


def convert(symbol: Symbol, raw: object) -> Value | Unknown:
    """Return the value of `symbol` for what a data set or the archive has.

    Parameters
    ----------
    raw
        Text as sent (several values joined by a backslash), a number, date, time or truth, or a list of
        such; None when there is nothing; `Unknown` when it is there and cannot be read.
    """
    if isinstance(raw, Unknown):
        return raw
    if raw is None:
        return missing(symbol.name)
    try:
        return _several(symbol, raw) if symbol.many else _single(symbol, raw)
    except Exception:  # a value may be of any type, and do anything when looked at
        return _not(symbol)


def _not(symbol: Symbol) -> Unknown:
    return Unknown(f"{symbol.name} is not {_WORDS[symbol.kind]}")


_WORDS = {
    Kind.TEXT: "text",
    Kind.NUMBER: "a number",
    Kind.MOMENT: "a date",
    Kind.TIME: "a time",
    Kind.TRUTH: "true or false",
    Kind.ANY: "of a type that can be compared",
}


def _parts(symbol: Symbol, raw: object) -> "list[object]":
    if isinstance(raw, str):
        text = raw.strip(" \0")
        if "\\" in text and symbol.vr not in _WHOLE:
            return [part.strip(" \0") for part in text.split("\\")]
        return [text] if text else []
    if isinstance(raw, set | frozenset):
        return sorted(raw, key=str)
    if isinstance(raw, Iterable) and not isinstance(raw, bytes | bytearray | memoryview):
        return list(raw)
    return [raw]


def _several(symbol: Symbol, raw: object) -> Value | Unknown:
    values = []
    for part in _parts(symbol, raw):
        value = part if isinstance(part, Unknown) else _scalar(symbol, part)
        if isinstance(value, Unknown):
            return value
        values.append(value)
    # An empty list of labels, or of where it has been, is known: there are none.
    if values or (symbol.name in FIXED and not symbol.vr and not isinstance(raw, str)):
        return tuple(values)
    return Unknown(f"{symbol.name} is empty", absent=True)


def _single(symbol: Symbol, raw: object) -> Value | Unknown:
    parts = _parts(symbol, raw)
    if not parts or parts == [""]:
        return Unknown(f"{symbol.name} is empty", absent=True)
    if len(parts) > 1:
        return (
            _several(symbol, raw) if symbol.kind is Kind.ANY else Unknown(f"{symbol.name} has several values")
        )
    return _scalar(symbol, parts[0])


def _scalar(symbol: Symbol, raw: object) -> Scalar | Unknown:
    value = _MAKERS[symbol.kind](symbol, raw)
    return _not(symbol) if value is None else value


def _text(symbol: Symbol, raw: object) -> str | None:
    return str.__str__(raw) if isinstance(raw, str) else None


def _number(symbol: Symbol, raw: object) -> Decimal | None:
    if isinstance(raw, bool):
        return None
    if isinstance(raw, int):
        return Decimal(int(raw))
    if isinstance(raw, float | Decimal):
        number = Decimal(repr(float(raw))) if isinstance(raw, float) else Decimal(raw)
        return number if number.is_finite() else None
    if not isinstance(raw, str):
        return None
    if symbol.vr == "AS" and (age := _AGE.fullmatch(raw)):
        return _YEARS.divide(Decimal(age[1]), _PER_YEAR[age[2]])
    return Decimal(raw) if _NUMBER.fullmatch(raw) else None


def _moment(symbol: Symbol, raw: object) -> datetime | None:
    if isinstance(raw, datetime):
        return raw if raw.tzinfo else raw.replace(tzinfo=UTC)
    if isinstance(raw, date):
        return datetime(raw.year, raw.month, raw.day, tzinfo=UTC)
    if not isinstance(raw, str):
        return None
    if found := _DATE.fullmatch(raw):
        return datetime(int(found[1]), int(found[2] or found[4]), int(found[3] or found[5]), tzinfo=UTC)
    if symbol.vr != "DT" or not (found := _MOMENT.fullmatch(raw)):
        return None
    year, month, day, hour, minute, second = (int(found[i] or (1 if i in (2, 3) else 0)) for i in range(1, 7))
    fraction = int((found[7] or "0").ljust(6, "0"))
    return datetime(year, month, day, hour, minute, min(second, 59), fraction, tzinfo=_offset(found[8]))


def _offset(text: str | None) -> timezone:
    if not text:
        return UTC
    minutes = int(text[1:3]) * 60 + int(text[3:5])
    return timezone(timedelta(minutes=-minutes if text[0] == "-" else minutes))


def _time(symbol: Symbol, raw: object) -> timedelta | None:
    if isinstance(raw, timedelta):
        return raw
    if isinstance(raw, time):
        return timedelta(hours=raw.hour, minutes=raw.minute, seconds=raw.second, microseconds=raw.microsecond)
    found = _TIME.fullmatch(raw) if isinstance(raw, str) else None
    if found is None:
        return None
    hours, minutes, seconds = (int(found[i] or 0) for i in range(1, 4))
    fraction = int((found[4] or "0").ljust(6, "0"))
    return timedelta(hours=hours, minutes=minutes, seconds=seconds, microseconds=fraction)


def _truth(symbol: Symbol, raw: object) -> bool | None:
    return raw if isinstance(raw, bool) else None


def _any(symbol: Symbol, raw: object) -> Scalar | None:
    if isinstance(raw, str | bool):
        return raw if isinstance(raw, bool) else _text(symbol, raw)
    if isinstance(raw, date):
        return _moment(symbol, raw)
    return _time(symbol, raw) if isinstance(raw, time | timedelta) else _number(symbol, raw)


_MAKERS: dict[Kind, Callable[[Symbol, object], Scalar | None]] = {
    Kind.TEXT: _text,
    Kind.NUMBER: _number,
    Kind.MOMENT: _moment,
    Kind.TIME: _time,
    Kind.TRUTH: _truth,
    Kind.ANY: _any,
}


def clean(text: str) -> str:
    """Return `text` without what no database takes as JSON: NUL, and halves of surrogate pairs."""
    return str.__str__(text).strip(" \0").replace("\0", "\ufffd").encode("utf-8", "replace").decode("utf-8")


def shown(value: object) -> object:
    """Return a value as plain data that a person reads, for a trace."""
    if isinstance(value, Unknown):
        return None
    if isinstance(value, str):
        return clean(value)
    if isinstance(value, tuple):
        return [shown(part) for part in value]
    if isinstance(value, frozenset):
        return sorted((shown(part) for part in value), key=str)
    if isinstance(value, Decimal):
        if abs(value) >= 2**53:
            return str(value)
        return int(value) if value == value.to_integral_value() else float(value)
    if isinstance(value, datetime):
        return value.date().isoformat() if value.time() == time() else value.isoformat()
    return str(value) if isinstance(value, timedelta) else value
