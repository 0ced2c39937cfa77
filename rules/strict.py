"""What conditions may be made of: less than rule-engine's grammar has, and with stricter types.

rule-engine takes ``Modality == 5`` for valid and false. Here it is wrong, for whoever wrote it meant
something. What reads a clock, throws dice or works on bytes is not part of the language at all.
"""

from collections.abc import Callable, Iterator
from typing import Any

from rule_engine import DataType, ast

from rules.grammar import ConditionError, Placed, type_name
from rules.operations import ATTRIBUTES, FUNCTIONS, METHODS
from rules.problems import listed, nearest
from rules.regexes import check_regex
from rules.symbols import FIXED, ROOTS, NotASymbol, Symbol, private_name, resolve, tag_name

BRACKETS: dict[str, Callable[[str], str]] = {"tag": tag_name, "private": private_name}
"""Names whose brackets hold a tag, and what makes a symbol's name of that."""

_SIGNS = {"lt": "<", "le": "<=", "gt": ">", "ge": ">=", "eq": "==", "ne": "!="}


def enclose(part: Placed, node: Any) -> Any:
    """Return the node to take the place of `node`, as `rules.grammar.Parser` asks for each.

    Raises
    ------
    ConditionError
        It is not part of the language.
    """
    check = _CHECKS.get(type(node))
    if check is None:
        raise ConditionError(part.start, part.end, "this is not part of the language of conditions")
    for child in children(node):
        _operand(part, node, child)
    return check(part, node) or node


def children(node: Any) -> Iterator[Any]:
    """Yield the nodes directly within `node`."""
    for name in _FIELDS.get(type(node), ()):
        child = getattr(node, name)
        if isinstance(child, tuple | list | set):
            yield from child
        elif child is not None:
            yield child


_FIELDS: dict[type, tuple[str, ...]] = {
    ast.Statement: ("expression",),
    ast.LogicExpression: ("left", "right"),
    ast.ComparisonExpression: ("left", "right"),
    ast.ArithmeticComparisonExpression: ("left", "right"),
    ast.FuzzyComparisonExpression: ("left", "right"),
    ast.AddExpression: ("left", "right"),
    ast.SubtractExpression: ("left", "right"),
    ast.ArithmeticExpression: ("left", "right"),
    ast.CoalesceExpression: ("left", "right"),
    ast.UnaryExpression: ("right",),
    ast.TernaryExpression: ("condition", "case_true", "case_false"),
    ast.ContainsExpression: ("container", "member"),
    ast.GetAttributeExpression: ("object",),
    ast.GetItemExpression: ("container", "item"),
    ast.GetSliceExpression: ("container", "start", "stop"),
    ast.ComprehensionExpression: ("iterable", "result", "condition"),
    ast.FunctionCallExpression: ("function", "arguments"),
    ast.ArrayExpression: ("value",),
    ast.SetExpression: ("value",),
}


def _operand(part: Placed, node: Any, child: Any) -> None:
    """Refuse what cannot be a value: a bare root such as ``origin``, a function, null out of place."""
    kind = child.result_type
    start, end = _place(part, child)
    if DataType.is_type(kind, DataType.OBJECT) or kind.name == "MAPPING":
        inside = ast.GetItemExpression if kind.name == "MAPPING" else ast.GetAttributeExpression
        if isinstance(node, inside):
            return
        name = getattr(child, "name", "this")
        choices = [known for known in FIXED if known.startswith(f"{name}.")] or [f'{name}["…"]']
        raise ConditionError(start, end, f"{name} alone is no value", listed(choices))
    if kind.name == "FUNCTION" and not isinstance(node, ast.FunctionCallExpression):
        raise ConditionError(start, end, "a function needs its parentheses", "(…)")
    if kind.name == "NULL" and not _null_may(node, child):
        raise ConditionError(
            start, end, "null is no value", "x == null or x != null, to ask whether it is absent"
        )


def _null_may(node: Any, child: Any) -> bool:
    if isinstance(node, ast.GetSliceExpression):
        return child is not node.container
    return type(node) is ast.ComparisonExpression


def symbol_of(node: Any) -> Symbol | None:
    """Return the symbol that `node` reads, None when it is anything else."""
    name = ""
    if isinstance(node, ast.SymbolExpression) and node.scope is None:
        name = node.name
    elif isinstance(node, ast.GetAttributeExpression) and isinstance(node.object, ast.SymbolExpression):
        name = f"{node.object.name}.{node.name}"
    try:
        return resolve(name) if name else None
    except NotASymbol:
        return None


def texts_of(node: Any) -> list[Any]:
    """Return the nodes of constant texts that `node` is, or is a list or set of."""
    if isinstance(node, ast.StringExpression):
        return [node]
    if isinstance(node, ast.ArrayExpression | ast.SetExpression):
        return [member for member in node.value if isinstance(member, ast.StringExpression)]
    return []


def _place(part: Placed, *nodes: Any) -> tuple[int, int]:
    """Return where the first of `nodes` that has a place stands, else where `part` does."""
    found = (getattr(node, "place", None) for node in nodes)
    return next((place for place in found if place), (part.start, part.end))


def _boolean(part: Placed, node: Any) -> None:
    kind = node.result_type
    if kind not in (DataType.BOOLEAN, DataType.UNDEFINED):
        start, end = _place(part, node)
        raise ConditionError(start, end, f"{type_name(kind)} where a condition should be", "a comparison")


def _statement(part: Placed, node: Any) -> None:
    _boolean(part, node.expression)


def _logic(part: Placed, node: Any) -> None:
    _boolean(part, node.left)
    _boolean(part, node.right)


def _not(part: Placed, node: Any) -> None:
    if node.type == "not":
        _boolean(part, node.right)


def _ternary(part: Placed, node: Any) -> None:
    _boolean(part, node.condition)


def _equality(part: Placed, node: Any) -> None:
    left, right = node.left.result_type, node.right.result_type
    if DataType.NULL in (left, right):
        return
    _compatible(part, left, right, f"{type_name(left)} is never {type_name(right)}")
    _closed(part, node.left, node.right)
    _closed(part, node.right, node.left)


def _compatible(part: Placed, left: Any, right: Any, message: str) -> None:
    if DataType.is_compatible(left, right):
        return
    lists = {left.name, right.name} & {"ARRAY", "SET"} and {left.name, right.name} - {"ARRAY", "SET"}
    hint = '"A" in a list' if lists else "values of one type"
    raise ConditionError(part.start, part.end, message, hint)


def _closed(part: Placed, node: Any, constants: Any) -> None:
    symbol = symbol_of(node)
    if symbol is None or not symbol.values:
        return
    for text in texts_of(constants):
        if text.value not in symbol.values:
            start, end = _place(part, text, constants)
            near = nearest(text.value, symbol.values) or listed(symbol.values)
            raise ConditionError(start, end, f"{symbol.name} is never {text.value!r}", near)


def _order(part: Placed, node: Any) -> None:
    for side in (node.left, node.right):
        if side.result_type.name in ("ARRAY", "BOOLEAN", "NULL"):
            start, end = _place(part, side)
            raise ConditionError(
                start,
                end,
                f"{type_name(side.result_type)} has no order for {_SIGNS[node.type]}",
                "numbers, texts, dates or durations",
            )


def _regex(part: Placed, node: Any) -> None:
    start, end = _place(part, node.right)
    if not isinstance(node.right, ast.StringExpression):
        raise ConditionError(start, end, "a pattern must be written out", 'text as in =~ "T1.*"')
    if doubt := check_regex(node.right.value):
        raise ConditionError(start, end, doubt, "a pattern without repetition of a repetition")


def _contains(part: Placed, node: Any) -> None:
    container, member = node.container.result_type, node.member.result_type
    if container.name in ("ARRAY", "SET"):
        inner = container.value_type
        _compatible(part, member, inner, f"{type_name(member)} is never in {type_name(container)}")
    _closed(part, node.member, node.container)
    _closed(part, node.container, node.member)


def _attribute(part: Placed, node: Any) -> None:
    if isinstance(node.object, ast.SymbolExpression) and node.object.name in ROOTS:
        return
    if node.name not in ATTRIBUTES and node.name not in METHODS:
        near = nearest(node.name, [*ATTRIBUTES, *METHODS])
        raise ConditionError(
            part.start, part.end, f"there is no attribute {node.name}", near or listed(ATTRIBUTES)
        )


def _item(part: Placed, node: Any) -> Any:
    name = getattr(node.container, "name", "") if isinstance(node.container, ast.SymbolExpression) else ""
    if name not in BRACKETS:
        return None
    if not isinstance(node.item, ast.StringExpression):
        raise ConditionError(
            part.start, part.end, f"{name}[…] needs its tag written out", f'{name}["gggg,eeee"]'
        )
    try:
        return ast.SymbolExpression(node.context, BRACKETS[name](node.item.value))
    except NotASymbol as error:
        raise ConditionError(part.start, part.end, str(error), error.expected) from None


def _comprehension(part: Placed, node: Any) -> None:
    try:
        taken = node.variable in ROOTS or node.variable in BRACKETS or bool(resolve(node.variable))
    except NotASymbol:
        taken = False
    inner = (child for child in descendants(node) if isinstance(child, ast.ComprehensionExpression))
    taken = taken or any(child is not node and child.variable == node.variable for child in inner)
    if taken:
        raise ConditionError(part.start, part.end, f"{node.variable} is taken", "another name after for")
    if node.condition is not None:
        _boolean(part, node.condition)


def descendants(node: Any) -> Iterator[Any]:
    """Yield `node` and every node within it, outer ones first."""
    waiting = [node]
    while waiting:
        node = waiting.pop()
        yield node
        waiting.extend(reversed([*children(node)]))


def _call(part: Placed, node: Any) -> None:
    function = node.function
    if isinstance(function, ast.SymbolExpression) and function.scope and function.name in FUNCTIONS:
        return
    if (
        isinstance(function, ast.GetAttributeExpression)
        and function.name in METHODS
        and len(node.arguments) == 1
    ):
        return
    raise ConditionError(
        part.start, part.end, "this cannot be called", listed(f"${name}(…)" for name in FUNCTIONS)
    )


def _finite(part: Placed, node: Any) -> None:
    if not node.value.is_finite():
        raise ConditionError(part.start, part.end, "no value is ever infinite or not a number", "a number")


def _collection(part: Placed, node: Any) -> None:
    kinds = {member.result_type.name for member in node.value} - {"UNDEFINED"}
    if len(kinds) > 1:
        raise ConditionError(part.start, part.end, "the members are of several types", "members of one type")


def _fine(part: Placed, node: Any) -> None:
    pass


_CHECKS: dict[type, Callable[[Placed, Any], Any]] = {
    ast.Statement: _statement,
    ast.LogicExpression: _logic,
    ast.ComparisonExpression: _equality,
    ast.ArithmeticComparisonExpression: _order,
    ast.FuzzyComparisonExpression: _regex,
    ast.AddExpression: _fine,
    ast.SubtractExpression: _fine,
    ast.ArithmeticExpression: _fine,
    ast.CoalesceExpression: _fine,
    ast.UnaryExpression: _not,
    ast.TernaryExpression: _ternary,
    ast.ContainsExpression: _contains,
    ast.GetAttributeExpression: _attribute,
    ast.GetItemExpression: _item,
    ast.GetSliceExpression: _fine,
    ast.ComprehensionExpression: _comprehension,
    ast.FunctionCallExpression: _call,
    ast.SymbolExpression: _fine,
    ast.ArrayExpression: _collection,
    ast.SetExpression: _collection,
    ast.BooleanExpression: _fine,
    ast.DatetimeExpression: _fine,
    ast.FloatExpression: _finite,
    ast.NullExpression: _fine,
    ast.StringExpression: _fine,
    ast.TimedeltaExpression: _fine,
}
