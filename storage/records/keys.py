"""The row of a table from the attributes of a header: each value as sent, and the keys it is matched by."""

from collections.abc import Mapping
from functools import lru_cache

from storage.records.attributes import ATTRIBUTES, BY_KEYWORD, Attribute, Kind, Level
from storage.records.schema import key_columns
from storage.records.text import date_key, name_groups, name_key, time_key

Cell = str | int | None

_LARGEST = 2**63 - 1


def number_key(value: str) -> int | None:
    """Return the first value of an IS or US as a number, None when it is none."""
    try:
        number = int(value.split("\\", 1)[0])
    except ValueError:
        return None
    return number if abs(number) <= _LARGEST else None


def keys_of(attribute: Attribute, value: str) -> tuple[Cell, ...]:
    """Return the keys of `value`, in the order of `storage.records.schema.key_columns`."""
    if attribute.kind is Kind.NAME:
        return tuple(name_key(group) for group in name_groups(value))
    first = value.split("\\", 1)[0]
    if attribute.kind is Kind.DATE:
        return (date_key(first),)
    if attribute.kind is Kind.TIME:
        return (time_key(first),)
    return (number_key(first),) if attribute.kind is Kind.NUMBER else ()


_AS_SENT: dict[Level, tuple[tuple[str, str], ...]] = {
    level: tuple((a.keyword, a.column) for a in ATTRIBUTES if a.level is level and not key_columns(a))
    for level in Level
}
_KEYED: dict[Level, tuple[str, ...]] = {
    level: tuple(a.keyword for a in ATTRIBUTES if a.level is level and key_columns(a)) for level in Level
}
_SHORT = 128  # characters of what is worth remembering


def row_of(level: Level, attributes: Mapping[str, str]) -> dict[str, Cell]:
    """Return column to value for every attribute column of `level`; what is absent is empty.

    Parameters
    ----------
    attributes
        Keyword to value, as in `storage.records.arrival.Arrival`.
    """
    get = attributes.get
    row: dict[str, Cell] = {column: get(keyword, "") for keyword, column in _AS_SENT[level]}
    for keyword in _KEYED[level]:
        value = get(keyword, "")
        row.update(_known_cells(keyword, value) if len(value) <= _SHORT else _cells(keyword, value))
    return row


def _cells(keyword: str, value: str) -> Mapping[str, Cell]:
    """Return column to value of an attribute that has keys."""
    attribute = BY_KEYWORD[keyword]
    keys = zip(key_columns(attribute), keys_of(attribute, value), strict=True)
    return {attribute.column: value, **dict(keys)}


# The instances of a series have most of it in common.
_known_cells = lru_cache(maxsize=4096)(_cells)
