"""A criterion of a query as a condition on columns, on SQLite and on PostgreSQL.

Text compares by code point on both, so that a wildcard with a literal beginning is a range of an index;
everything that a user may have typed goes in as a bound value, and has no meaning but its own. Values may be
slots (`storage.sql.slots`): then the condition is made once, and its parameters for each query.
"""

from collections.abc import Callable, Mapping
from typing import Any, cast

from sqlalchemy import (
    BindParameter,
    ColumnElement,
    Text,
    UnaryExpression,
    and_,
    bindparam,
    false,
    func,
    literal_column,
    or_,
    true,
)
from sqlalchemy.sql.operators import custom_op
from sqlalchemy.types import TypeEngine

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
from storage.records.schema import INDEXABLE, key_columns
from storage.records.tables import METADATA
from storage.sql.slots import Value, Values, filled

Condition = ColumnElement[bool]
Cell = ColumnElement[Any]
Token = str | Mark

_LIKE_ESCAPE = "/"
_SEVERAL = frozenset({"ImageType"})  # keep all of their values in one column, joined by a backslash
_LAST = chr(0x10FFFF)


class Parameters:
    """The parameters of one statement: their names, and how each comes of the values of a query."""

    def __init__(self) -> None:
        self._makers: dict[str, Callable[[Values], Value]] = {}

    def add(self, make: Callable[[Values], Value], kind: TypeEngine[Any]) -> BindParameter[Any]:
        """Return a new parameter, whose value `make` says."""
        name = f"p{len(self._makers)}"
        self._makers[name] = make
        return bindparam(name, type_=kind)

    def of(self, values: Values) -> Mapping[str, Value]:
        """Return name to value of all parameters."""
        return {name: make(values) for name, make in self._makers.items()}


class Conditions:
    """Makes conditions for one kind of database.

    Parameters
    ----------
    dialect
        ``sqlite`` or ``postgresql``.
    parameters
        Takes what is compared with.
    """

    def __init__(self, dialect: str, parameters: Parameters) -> None:
        self.on_sqlite = dialect == "sqlite"
        self._parameters = parameters

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
            return self._moments(columns[0], times, criterion)
        if keyword in _SEVERAL:
            return self._several(columns[0], criterion)
        return self.matches(columns[0], criterion)

    def shade(self, column: Cell, leads: bool) -> Cell:
        """Keep SQLite from using an index on `column` unless it `leads`, by a unary plus."""
        if leads or not self.on_sqlite:
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
            return column == self._value(column, criterion.value)
        if isinstance(criterion, OneOf):
            return column.in_([self._value(column, value) for value in criterion.values])
        if isinstance(criterion, Range):
            return self._within(column, criterion)
        if isinstance(criterion, Either):
            return or_(*(self.matches(column, option) for option in criterion.options))
        if isinstance(criterion, Wildcard):
            return self._wildcard(column, criterion)
        raise TypeError(f"{type(criterion).__name__} is not about one value")

    def _value(self, column: Cell, value: Value) -> BindParameter[Any]:
        return self._parameters.add(lambda values: cast(Value, filled(value, values)), column.type)

    def _text(self, make: Callable[[str], str], value: Value) -> BindParameter[Any]:
        return self._parameters.add(lambda values: make(str(filled(value, values))), Text())

    def _wildcard(self, column: Cell, criterion: Wildcard) -> Condition:
        prefix, tokens = criterion.prefix, criterion.tokens
        parts: list[Condition] = []
        if prefix:
            parts += (column >= self._text(str, prefix), column < self._text(successor, prefix))
        if not (prefix and tokens[1:] == (Mark.ANY,)):
            parts.append(self._shaped(column, tokens))
        return and_(*parts)

    def _shaped(self, column: Cell, tokens: tuple[Token, ...]) -> Condition:
        write = _glob if self.on_sqlite else _like
        pattern = self._parameters.add(
            lambda values: write(tuple(cast(Token, filled(token, values)) for token in tokens)), Text()
        )
        if self.on_sqlite:  # its LIKE ignores case
            return column.op("GLOB", is_comparison=True)(pattern)
        return column.like(pattern, escape=_LIKE_ESCAPE)

    def _several(self, column: Cell, criterion: Criterion) -> Condition:
        """Match any of the values that `column` joins; an asterisk may reach over several of them."""
        if isinstance(criterion, Either):
            return or_(*(self._several(column, option) for option in criterion.options))
        if isinstance(criterion, Wildcard):
            tokens = (Mark.ANY, "\\", *criterion.tokens, "\\", Mark.ANY)
            return self._shaped(self._between_backslashes(column), tokens)
        return self.holds(column, criterion)

    def holds(self, column: Cell, criterion: Criterion) -> Condition:
        """Return the condition that one of the values that `column` joins by backslashes is asked for."""
        values = criterion.values if isinstance(criterion, OneOf) else (getattr(criterion, "value", ""),)
        joined = self._between_backslashes(column)
        find = func.instr if self.on_sqlite else func.strpos
        found = (find(joined, self._text("\\{}\\".format, value)) for value in values)
        return or_(false(), *(place > literal_column("0") for place in found))

    def _between_backslashes(self, column: Cell) -> Cell:
        return self._text(str, "\\") + column + self._text(str, "\\")

    def _within(self, column: Cell, span: Range) -> Condition:
        low, high = span.low, span.high
        if low is not None and low == high:
            return column == self._value(column, low)
        # What is empty lies nowhere.
        begun = column > self._value(column, "") if low is None else column >= self._value(column, low)
        return begun if high is None else and_(begun, column <= self._value(column, high))

    def _moments(self, date: Cell, time: Cell, span: DateTimeRange) -> Condition:
        """Compare date and time as one; a time that is not known counts only within the days between."""
        dates, times, value = span.dates, span.times, self._value
        parts = [self._within(date, dates)]
        if dates.low is not None and times.low is not None:
            parts.append(or_(date > value(date, dates.low), time >= value(time, times.low)))
        if dates.high is not None and times.high is not None:
            ended = and_(time > value(time, ""), time <= value(time, times.high))
            parts.append(or_(date < value(date, dates.high), ended))
        return and_(*parts)


def columns_of(keyword: str) -> tuple[Cell, ...]:
    """Return the columns that an indexed attribute is matched by."""
    attribute = BY_KEYWORD[keyword]
    table = METADATA.tables[{"STUDY": "study", "SERIES": "series", "IMAGE": "instance"}[attribute.level]]
    return tuple(table.c[name] for name in key_columns(attribute) or (attribute.column,))


def successor(prefix: str) -> str:
    """Return a text, by code point, after all in a column of an index that begin with `prefix`."""
    kept = prefix.rstrip(_LAST)
    if not kept:
        return _LAST * (INDEXABLE + 1)
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
