"""What one decision computes, and keeps: each part of all conditions at most once."""

from collections.abc import Callable, Sequence
from typing import Any

from rules.facts import Facts
from rules.operations import reason
from rules.symbols import Symbol
from rules.unknown import Unknown
from rules.values import convert

Maker = Callable[["Row"], Any]


class Row(dict[int, Any]):
    """What was computed so far in one decision, by key; the rest computes itself when asked for."""

    __slots__ = ("facts", "makers")

    def __init__(self, makers: Sequence[Maker], facts: Facts) -> None:
        super().__init__()
        self.makers = makers
        self.facts = facts

    def __missing__(self, key: int) -> Any:
        try:
            value = self.makers[key](self)
        except Exception as error:  # total: no value, and no pattern, stops a decision
            value = Unknown(reason(error))
        self[key] = value
        return value

    def fork(self, key: int, value: Any) -> "Row":
        """Return a row that knows the same, and one thing more: the variable of a comprehension."""
        row = Row(self.makers, self.facts)
        row.update(self)
        row[key] = value
        return row


class Program:
    """The closures of any number of conditions, equal ones only once.

    Attributes
    ----------
    makers
        What computes the value of each key.
    symbols
        The key of each symbol that is used, by its name.
    """

    def __init__(self) -> None:
        self.makers: list[Maker] = []
        self.symbols: dict[str, int] = {}
        self._known: dict[Any, int] = {}

    def row(self, facts: Facts) -> Row:
        """Return a fresh row, to decide on `facts`."""
        return Row(self.makers, facts)

    def intern(self, what: Any, maker: Maker) -> int:
        """Return the key of what is computed in the way `what`; `maker` computes it when that is new."""
        key = self._known.get(what)
        if key is None:
            key = self._known[what] = len(self.makers)
            self.makers.append(maker)
        return key

    def constant(self, value: Any) -> int:
        """Return the key of a value that never changes."""
        return self.intern(("constant", type(value), repr(value)), lambda row: value)

    def symbol(self, symbol: Symbol) -> int:
        """Return the key of the value of a symbol."""
        name = symbol.name
        key = self.intern(("symbol", name), lambda row: convert(symbol, row.facts.get(name)))
        self.symbols[name] = key
        return key
