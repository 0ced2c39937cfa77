"""The parts of a condition as its author sees them: what is joined by and, or, not, and the comparisons."""

from dataclasses import dataclass
from typing import Any

from rule_engine import ast

from rules.closures import operands, truth_of
from rules.language import Condition
from rules.program import Program
from rules.strict import descendants, symbol_of


@dataclass(frozen=True, slots=True)
class Shape:
    """One part of a condition.

    Attributes
    ----------
    text
        As written.
    key
        Of its result in every row of the program.
    join
        ``and``, ``or``, ``not``; empty for a comparison, which has no parts.
    symbols
        Names and keys of the facts that a comparison uses, in the order of the text.
    """

    text: str
    key: int
    join: str
    parts: "tuple[Shape, ...]"
    symbols: tuple[tuple[str, int], ...]


def shape_of(program: Program, condition: Condition) -> Shape:
    """Take a condition into `program` and return its shape."""
    return _shape(program, condition.text, condition.root)


def _shape(program: Program, text: str, node: Any) -> Shape:
    key = truth_of(program, node)
    start, end = getattr(node, "place", (0, len(text)))
    written = " ".join(text[start:end].split())
    if isinstance(node, ast.LogicExpression):
        parts = tuple(_shape(program, text, part) for part in operands(node, node.type))
        return Shape(written, key, node.type, parts, ())
    if isinstance(node, ast.UnaryExpression) and node.type == "not":
        return Shape(written, key, "not", (_shape(program, text, node.right),), ())
    return Shape(written, key, "", (), _symbols(program, node))


def _symbols(program: Program, node: Any) -> tuple[tuple[str, int], ...]:
    used = (symbol_of(part) for part in descendants(node))
    return tuple({s.name: (s.name, program.symbol(s)) for s in used if s is not None}.values())
