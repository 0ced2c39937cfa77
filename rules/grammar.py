"""rule-engine's parser, made to remember where in the text each part of a condition stands.

The grammar and the type checker are rule-engine's own. Only here is anything of it touched that its
documentation does not describe: the productions of its parser, so that a wrong type can be pointed at.
"""

import copy
from collections.abc import Callable, Iterable
from typing import Any

from rule_engine import Rule, errors

DEPTH = 100
"""Most parts within each other; a chain of ``and`` counts one for each."""


class ConditionError(ValueError):
    """A condition is wrong.

    Attributes
    ----------
    start, end
        The characters of its text that are meant.
    expected
        What could stand there, empty when the message says it all.
    """

    def __init__(self, start: int, end: int, message: str, expected: str = "") -> None:
        self.start, self.end, self.message, self.expected = start, end, message, expected
        super().__init__(message)


class Placed:
    """A part of a condition before it is built, with its place in the text."""

    __slots__ = ("built", "depth", "end", "node", "start", "wrap")

    def __init__(self, node: Any, start: int, end: int, depth: int, wrap: "Wrap") -> None:
        self.node, self.start, self.end, self.depth, self.wrap = node, start, end, depth, wrap
        self.built: Any = None

    def build(self) -> Any:
        """Build the part and those within it; rule-engine calls this from the outside in.

        Raises
        ------
        ConditionError
            With the place of the innermost part that is wrong.
        """
        if self.depth > DEPTH:
            raise ConditionError(
                self.start,
                self.end,
                f"more than {DEPTH} parts within each other",
                "several rules, or in [...]",
            )
        try:
            built = self.wrap(self, self.node.build())
        except ConditionError:
            raise
        except Exception as error:  # constants are computed while building: division by zero and the like
            raise ConditionError(self.start, self.end, *explain(error, self)) from None
        built.place = (self.start, self.end)
        self.built = built
        return built

    def operands(self) -> "list[Placed]":
        """Return the parts directly within this one that are built already."""
        return [part for part in _parts(self.node.args) if part.built is not None]


Wrap = Callable[[Placed, Any], Any]


def _parts(items: Iterable[Any]) -> "Iterable[Placed]":
    for item in items:
        if isinstance(item, Placed):
            yield item
        elif isinstance(item, tuple | list) or type(item).__name__ == "deque":
            yield from _parts(item)


def explain(error: Exception, part: Placed) -> tuple[str, str]:
    """Return in our words what rule-engine found wrong with `part`, and what it expected."""
    if isinstance(error, errors.SymbolResolutionError | errors.AttributeResolutionError):
        return error.message.replace("'", ""), error.suggestion or ""
    message = getattr(error, "message", "") or type(error).__name__
    if message.startswith("data type mismatch"):
        kinds = [operand.built.result_type for operand in part.operands()]
        what = " and ".join(type_name(kind) for kind in kinds if kind.name != "FUNCTION")
        hint = message.removeprefix("data type mismatch").strip(" ()").removeprefix("not ")
        return f"wrong type: {what or 'this'} cannot be used so", hint or "values of one type"
    return message.removesuffix(" at: EOF"), ""


def type_name(kind: Any) -> str:
    """Return what people call a type of rule-engine's."""
    names = {
        "STRING": "text",
        "FLOAT": "a number",
        "BOOLEAN": "true or false",
        "DATETIME": "a date or moment",
        "TIMEDELTA": "a duration or time of day",
        "NULL": "null",
        "UNDEFINED": "something of any type",
        "FUNCTION": "a function",
        "BYTES": "bytes",
        "MAPPING": "a mapping",
    }
    if kind.name in ("ARRAY", "SET"):
        what = "list" if kind.name == "ARRAY" else "set"
        member = type_name(kind.value_type).removeprefix("a ")
        return f"a {what}" if kind.value_type.name == "UNDEFINED" else f"a {what} of {member}"
    return names.get(kind.name, str(kind.name))


_INSTEAD = {
    "=": "==",
    "&": "and",
    "|": "or",
    "!": "not, or !=",
    "'": "a closing quote",
    '"': "a closing quote",
}
"""What was probably meant where the text cannot be understood."""


class _Lexer:
    """rule-engine's lexer, whose tokens know where they end."""

    def __init__(self, lexer: Any) -> None:
        self._lexer = lexer.clone()
        self._lexer.lineno = 1

    def __getattr__(self, name: str) -> Any:
        return getattr(self._lexer, name)

    def token(self) -> Any:
        token = self._lexer.token()
        if token is not None:
            token.endlexpos = self._lexer.lexpos
        return token


class Parser:
    """Parses conditions into rule-engine's tree, each node with ``place``: start and end in the text.

    Parameters
    ----------
    wrap
        Called with each part and its node; returns the node that takes its place. May raise
        `ConditionError`.
    """

    def __init__(self, wrap: Wrap) -> None:
        self._wrap = wrap
        self._parser = copy.copy(Rule.parser)
        self._parser._parser = copy.copy(Rule.parser._parser)
        self._parser._parser.productions = [self._placing(p) for p in Rule.parser._parser.productions]

    def _placing(self, production: Any) -> Any:
        if not isinstance(getattr(production, "name", None), str) or not getattr(production, "func", None):
            return production
        placing = copy.copy(production)
        act = production.callable.__func__.__get__(self._parser)

        def place(p: Any) -> None:
            symbol = p.slice[0]
            try:
                act(p)
            except errors.SyntaxError as error:  # a text, number or date that is not written as one
                raise ConditionError(symbol.lexpos, symbol.endlexpos, error.message) from None
            value = p[0]
            if hasattr(value, "build") and not isinstance(value, Placed):
                depth = 1 + max(
                    (part.depth for part in _parts(item.value for item in p.slice[1:])), default=0
                )
                p[0] = Placed(value, symbol.lexpos, symbol.endlexpos, depth, self._wrap)

        placing.callable = place
        return placing

    def parse(self, text: str, context: Any) -> Any:
        """Return the tree of `text`.

        Raises
        ------
        ConditionError
        """
        if not text.strip():
            raise ConditionError(0, 0, "the condition is empty", 'a comparison such as Modality == "CT"')
        try:
            return self._parser.parse(
                text, context, lexer=_Lexer(self._parser._lexer), tracking=True
            ).expression
        except errors.RuleSyntaxError as error:
            token = error.token
            if token is None:
                raise ConditionError(len(text), len(text), "the condition ends too early", "more") from None
            start = token.lexpos
            message = f"cannot be understood from {text[start : start + 12]!r} on"
            raise ConditionError(start, start + 1, message, _INSTEAD.get(text[start], "")) from None
