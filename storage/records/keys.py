"""The row of a table from the attributes of a header: each value as sent, and the keys it is matched by."""

from collections.abc import Mapping

from storage.records.attributes import ATTRIBUTES, Attribute, Kind, Level
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


_OF_LEVEL: dict[Level, tuple[tuple[Attribute, str, str, tuple[str, ...]], ...]] = {
    level: tuple((a, a.keyword, a.column, key_columns(a)) for a in ATTRIBUTES if a.level is level)
    for level in Level
}


def row_of(level: Level, attributes: Mapping[str, str]) -> dict[str, Cell]:
    """Return column to value for every attribute column of `level`; what is absent is empty.

    Parameters
    ----------
    attributes
        Keyword to value, as in `storage.records.arrival.Arrival`.
    """
    row: dict[str, Cell] = {}
    for attribute, keyword, column, keys in _OF_LEVEL[level]:
        value = attributes.get(keyword, "")
        row[column] = value
        if keys:
            row.update(zip(keys, keys_of(attribute, value), strict=True))
    return row
