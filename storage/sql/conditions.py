"""A criterion of a query as a condition on columns, on SQLite and on PostgreSQL.

Text compares by code point on both, so that a wildcard with a literal beginning is a range of an index;
everything that a user may have typed goes in as a bound value, and has no meaning but its own.
"""

from typing import Any

from sqlalchemy import ColumnElement, Text, UnaryExpression, and_, false, func, literal, or_, true
from sqlalchemy.sql.operators import custom_op

from storage.records.attributes import BY_KEYWORD
from storage.records.criteria import (
    Criterion,
    DateTimeRange,
    Either,
    Mark,
    Name,
    OneOf,
    Range,
    Single,
    Wildcard,
)
from storage.records.schema import key_columns
from storage.records.tables import METADATA

Condition = ColumnElement[bool]
Cell = ColumnElement[Any]

_LIKE_ESCAPE = "/"
_SEVERAL = frozenset({"ImageType"})  # keep all of their values in one column, joined by a backslash
_LAST = chr(0x10FFFF)


class Conditions:
    """Makes conditions for one kind of database.

    Parameters
    ----------
    dialect
        ``sqlite`` or ``postgresql``.
    """

    def __init__(self, dialect: str) -> None:
        self._sqlite = dialect == "sqlite"

    def of(self, keyword: str, criterion: Criterion, *, leads: bool = True) -> Condition:
        """Return the condition that an indexed attribute meets `criterion`.

        Parameters
        ----------
        leads
            Let the database find rows by an index on this attribute. SQLite, which counts nothing before
            it chooses, could otherwise take the sex of a patient to be as telling as the identifier.
        """
        columns = tuple(self.shade(column, leads) for column in columns_of(keyword))
        if isinstance(criterion, Name):
            return self._name(columns, criterion)
        if isinstance(criterion, DateTimeRange):
            (times,) = (self.shade(column, False) for column in columns_of(criterion.time))
            return _moments(columns[0], times, criterion)
        if keyword in _SEVERAL:
            return self._several(columns[0], criterion)
        return self.matches(columns[0], criterion)

    def shade(self, column: Cell, leads: bool) -> Cell:
        """Keep SQLite from using an index on `column` unless it `leads`, by a unary plus."""
        if leads or not self._sqlite:
            return column
        return UnaryExpression(column, operator=custom_op("+"), type_=column.type)

    def _name(self, columns: tuple[Cell, ...], name: Name) -> Condition:
        if name.anywhere:
            (only,) = name.groups
            return or_(*(self.matches(column, only) for column in columns)) if only else true()
        pairs = zip(columns, name.groups, strict=False)
        return and_(*(self.matches(column, group) for column, group in pairs if group is not None))

    def matches(self, column: Cell, criterion: Criterion) -> Condition:
        """Return the condition that one column meets a criterion on one value."""
        if isinstance(criterion, Single):
            return column == criterion.value
        if isinstance(criterion, OneOf):
            return column.in_(criterion.values)
        if isinstance(criterion, Range):
            return _within(column, criterion)
        if isinstance(criterion, Either):
            return or_(*(self.matches(column, option) for option in criterion.options))
        if isinstance(criterion, Wildcard):
            return self._wildcard(column, criterion)
        raise TypeError(f"{type(criterion).__name__} is not about one value")

    def _wildcard(self, column: Cell, criterion: Wildcard) -> Condition:
        prefix, tokens = criterion.prefix, criterion.tokens
        parts = _begins(column, prefix) if prefix else []
        if not (prefix and tokens[1:] == (Mark.ANY,)):
            parts.append(self._shaped(column, tokens))
        return and_(*parts)

    def _shaped(self, column: Cell, tokens: tuple[str | Mark, ...]) -> Condition:
        if self._sqlite:  # its LIKE ignores case
            return column.op("GLOB", is_comparison=True)(literal(_glob(tokens), Text()))
        return column.like(literal(_like(tokens), Text()), escape=_LIKE_ESCAPE)

    def _several(self, column: Cell, criterion: Criterion) -> Condition:
        """Match any of the values that `column` joins; an asterisk may reach over several of them."""
        if isinstance(criterion, Either):
            return or_(*(self._several(column, option) for option in criterion.options))
        if isinstance(criterion, Wildcard):
            joined = literal("\\", Text()) + column + literal("\\", Text())
            return self._shaped(joined, (Mark.ANY, "\\", *criterion.tokens, "\\", Mark.ANY))
        return self.holds(column, criterion)

    def holds(self, column: Cell, criterion: Criterion) -> Condition:
        """Return the condition that one of the values that `column` joins by backslashes is asked for."""
        values = criterion.values if isinstance(criterion, OneOf) else (getattr(criterion, "value", ""),)
        joined = literal("\\", Text()) + column + literal("\\", Text())
        find = func.instr if self._sqlite else func.strpos
        return or_(false(), *(find(joined, literal(f"\\{value}\\", Text())) > 0 for value in values))


def columns_of(keyword: str) -> tuple[Cell, ...]:
    """Return the columns that an indexed attribute is matched by."""
    attribute = BY_KEYWORD[keyword]
    table = METADATA.tables[{"STUDY": "study", "SERIES": "series", "IMAGE": "instance"}[attribute.level]]
    return tuple(table.c[name] for name in key_columns(attribute) or (attribute.column,))


def _within(column: Cell, span: Range) -> Condition:
    if span.low is not None and span.low == span.high:
        return column == span.low
    low = column > "" if span.low is None else column >= span.low  # what is empty lies nowhere
    return low if span.high is None else and_(low, column <= span.high)


def _moments(date: Cell, time: Cell, span: DateTimeRange) -> Condition:
    """Compare date and time as one; a time that is not known counts only within the days between."""
    parts = [_within(date, span.dates)]
    if span.dates.low is not None and span.times.low is not None:
        parts.append(or_(date > span.dates.low, time >= span.times.low))
    if span.dates.high is not None and span.times.high is not None:
        parts.append(or_(date < span.dates.high, and_(time > "", time <= span.times.high)))
    return and_(*parts)


def _begins(column: Cell, prefix: str) -> list[Condition]:
    after = successor(prefix)
    parts = [column >= literal(prefix, Text())]
    if after:
        parts.append(column < literal(after, Text()))
    return parts


def successor(prefix: str) -> str:
    """Return the first text, by code point, after all that begin with `prefix`; "" when there is none."""
    kept = prefix.rstrip(_LAST)
    if not kept:
        return ""
    code = ord(kept[-1]) + 1
    if 0xD800 <= code <= 0xDFFF:  # surrogates are no characters, and no database keeps one
        code = 0xE000
    return kept[:-1] + chr(code)


def _glob(tokens: tuple[str | Mark, ...]) -> str:
    return "".join(token.value if isinstance(token, Mark) else token.replace("[", "[[]") for token in tokens)


def _like(tokens: tuple[str | Mark, ...]) -> str:
    return "".join(
        {Mark.ANY: "%", Mark.ONE: "_"}[token] if isinstance(token, Mark) else _escaped(token)
        for token in tokens
    )


def _escaped(text: str) -> str:
    for special in (_LIKE_ESCAPE, "%", "_"):
        text = text.replace(special, _LIKE_ESCAPE + special)
    return text
