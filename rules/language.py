"""Conditions: text in rule-engine's syntax, checked when it is read, over the symbols of `rules.symbols`.

Example
-------
>>> sorted(parse('Modality == "CT" and Rows > 512').symbols)
['Modality', 'Rows']
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache, lru_cache
from typing import Any

from rule_engine import Context, DataType, errors

from rules.grammar import ConditionError, Parser
from rules.operations import FUNCTIONS
from rules.problems import nearest
from rules.strict import BRACKETS, descendants, enclose, symbol_of
from rules.symbols import FIXED, ROOTS, Kind, NotASymbol, Symbol, resolve

__all__ = ["Condition", "ConditionError", "parse"]

LENGTH = 10_000
"""Most characters of a condition."""


@dataclass(frozen=True, slots=True)
class Condition:
    """A condition that has been checked.

    Attributes
    ----------
    text
        As written.
    symbols
        Names of the facts that it uses.
    root
        rule-engine's tree, each node with its ``place`` in the text.
    """

    text: str
    symbols: frozenset[str] = field(compare=False)
    root: Any = field(compare=False, repr=False)

    def uses(self) -> Iterator[tuple[Symbol, tuple[int, int]]]:
        """Yield each use of a symbol with its place in the text."""
        for node in descendants(self.root):
            symbol = symbol_of(node)
            if symbol is not None:
                yield symbol, getattr(node, "place", (0, len(self.text)))


@lru_cache(maxsize=4096)
def parse(text: str) -> Condition:
    """Return the condition that `text` is.

    Raises
    ------
    ConditionError
        The first thing that is wrong with it, with its place.
    """
    if len(text) > LENGTH:
        raise ConditionError(0, 0, f"a condition of {len(text)} characters", f"at most {LENGTH}")
    root = _parser().parse(text, _Vocabulary())
    used = (symbol_of(node) for node in descendants(root))
    return Condition(text, frozenset(symbol.name for symbol in used if symbol is not None), root)


@cache
def _parser() -> Parser:
    return Parser(enclose)


class _Vocabulary(Context):  # type: ignore[misc]  # rule-engine says nothing of its types to checkers
    """Tells rule-engine which names there are, and of which type."""

    def __init__(self) -> None:
        super().__init__(type_resolver=_type_of, default_timezone="utc")

    def resolve_type(self, name: str, scope: str | None = None) -> Any:
        if scope and name not in FUNCTIONS:
            expected = "time.hour, time.minute or time.weekday" if name in ("now", "today") else ""
            near = nearest(name, FUNCTIONS)
            raise errors.SymbolResolutionError(f"${name}", suggestion=expected or (near and f"${near}"))
        return super().resolve_type(name, scope)


_TYPES = {
    Kind.TEXT: DataType.STRING,
    Kind.NUMBER: DataType.FLOAT,
    Kind.MOMENT: DataType.DATETIME,
    Kind.TIME: DataType.TIMEDELTA,
    Kind.TRUTH: DataType.BOOLEAN,
    Kind.ANY: DataType.UNDEFINED,
}


def type_of(symbol: Symbol) -> Any:
    """Return rule-engine's type for the values of `symbol`."""
    kind = _TYPES[symbol.kind]
    return DataType.ARRAY(kind) if symbol.many else kind


@cache
def _root(name: str) -> Any:
    facts = {
        symbol.name.partition(".")[2]: type_of(symbol)
        for symbol in FIXED.values()
        if symbol.name.startswith(f"{name}.")
    }
    return DataType.OBJECT(name, facts)


def _type_of(name: str) -> Any:
    if name in ROOTS:
        return _root(name)
    if name in BRACKETS:
        return DataType.MAPPING(DataType.STRING)
    try:
        return type_of(resolve(name))
    except NotASymbol as error:
        raise _Unusable(name, error) from None


class _Unusable(errors.SymbolResolutionError):  # type: ignore[misc]  # likewise
    def __init__(self, name: str, error: NotASymbol) -> None:
        super().__init__(name, suggestion=error.expected)
        self.message = str(error)
