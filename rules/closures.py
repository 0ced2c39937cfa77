"""Conditions made into closures of three values: true, false, and `Unknown` with its reason.

rule-engine takes some 70 microseconds to evaluate a condition; here one takes about one. Equal parts of
all conditions of a rule set, such as ``Modality == "CT"``, become one closure that runs at most once in a
decision. Kleene's logic: unknown or true is true, unknown and false is false.

Example
-------
>>> program = Program()
>>> key = add(program, parse('Modality == "CT" or Rows > 512'))
>>> program.row(Facts({"Modality": "CT"}))[key]
True
"""

import re
from collections.abc import Callable, Iterator
from typing import Any

from rule_engine import DataType, ast

from rules.language import Condition
from rules.operations import ATTRIBUTES, BINARY, FUNCTIONS, METHODS, contains, item, negative, part
from rules.program import Maker, Program, Row
from rules.regexes import longest
from rules.strict import symbol_of
from rules.symbols import Kind
from rules.unknown import Unknown

Variables = dict[str, int]
"""Keys of the variables of the comprehensions around a node."""


def add(program: Program, condition: Condition) -> int:
    """Take a condition into `program` and return the key of its result in every row."""
    return truth_of(program, condition.root)


def truth_of(program: Program, node: Any) -> int:
    """Return the key under which a part of a condition is found true, false or unknown, and nothing else."""
    key = key_of(program, node, {})
    return key if node.result_type == DataType.BOOLEAN else _against(program, "truth", truth, key)


def key_of(program: Program, node: Any, variables: Variables) -> int:
    """Return the key under which the value of `node` is found in every row of `program`."""
    return _COMPILERS[type(node)](program, node, variables)


def constant_of(node: Any) -> Any:
    """Return the value that `node` is, written out; `Unknown` when it is not."""
    if isinstance(node, ast.ArrayExpression | ast.SetExpression):
        values = [constant_of(member) for member in node.value]
        if any(isinstance(value, Unknown) for value in values):
            return Unknown("not a constant")
        return tuple(values) if isinstance(node, ast.ArrayExpression) else frozenset(values)
    return node.value if type(node) in _LITERALS else Unknown("not a constant")


_LITERALS = {
    ast.BooleanExpression,
    ast.DatetimeExpression,
    ast.FloatExpression,
    ast.NullExpression,
    ast.StringExpression,
    ast.TimedeltaExpression,
}


def _literal(program: Program, node: Any, variables: Variables) -> int:
    value = constant_of(node)
    if not isinstance(value, Unknown):
        return program.constant(value)
    make = tuple if isinstance(node, ast.ArrayExpression) else frozenset
    keys = tuple(key_of(program, member, variables) for member in node.value)
    return _strict(program, make.__name__, lambda *values: make(values), keys)


def _strict(program: Program, name: Any, compute: Callable[..., Any], keys: tuple[int, ...]) -> int:
    """Intern a computation that is unknown when any of its operands is."""

    def two() -> Maker:
        left, right = keys

        def maker(row: Row) -> Any:
            x = row[left]
            if x.__class__ is Unknown:
                return x
            y = row[right]
            return y if y.__class__ is Unknown else compute(x, y)

        return maker

    def many() -> Maker:
        def maker(row: Row) -> Any:
            values = []
            for key in keys:
                value = row[key]
                if value.__class__ is Unknown:
                    return value
                values.append(value)
            return compute(*values)

        return maker

    return program.intern((name, *keys), two() if len(keys) == 2 else many())


def _against(program: Program, name: Any, compute: Callable[[Any], Any], key: int) -> int:
    """Intern a computation on one operand."""

    def maker(row: Row) -> Any:
        value = row[key]
        return value if value.__class__ is Unknown else compute(value)

    return program.intern((name, key), maker)


def _symbol(program: Program, node: Any, variables: Variables) -> int:
    if node.name in variables:
        return variables[node.name]
    symbol = symbol_of(node)
    assert symbol is not None  # the language has no other names  # noqa: S101
    return program.symbol(symbol)


def operands(node: Any, kind: str) -> Iterator[Any]:
    """Yield the operands of a chain of one logical operator, ``and`` or ``or``, in their order."""
    waiting = [node]
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.LogicExpression) and node.type == kind:
            waiting += [node.right, node.left]
        else:
            yield node


def _logic(program: Program, node: Any, variables: Variables) -> int:
    keys = tuple(dict.fromkeys(key_of(program, n, variables) for n in operands(node, node.type)))
    decisive = node.type == "or"  # one true decides an or, one false an and
    other = not decisive

    def maker(row: Row) -> Any:
        unknown = other
        for key in keys:
            value = row[key]
            if value is decisive:
                return value
            if value is not other and unknown is other:
                unknown = truth(value)
        return unknown

    return program.intern((node.type, *keys), maker)


def truth(value: Any) -> Any:
    """Return `value` as one of the three; what is no truth at all is unknown."""
    if value is True or value is False or value.__class__ is Unknown:
        return value
    return Unknown("a value is neither true nor false")


def _unary(program: Program, node: Any, variables: Variables) -> int:
    key = key_of(program, node.right, variables)
    if node.type == "uminus":
        return _against(program, "negative", negative, key)

    def maker(row: Row) -> Any:
        value = truth(row[key])
        return value if value.__class__ is Unknown else not value

    return program.intern(("not", key), maker)


def _comparison(program: Program, node: Any, variables: Variables) -> int:
    left, right = node.left, node.right
    if isinstance(left, ast.NullExpression):
        left, right = right, left
    if isinstance(right, ast.NullExpression):
        return _absence(program, key_of(program, left, variables), node.type == "eq")
    return _binary(program, node, variables)


def _absence(program: Program, key: int, wanted: bool) -> int:
    def maker(row: Row) -> Any:
        value = row[key]
        if value.__class__ is Unknown:
            return wanted if value.absent else value
        return (value is None) is wanted

    return program.intern(("absent", key, wanted), maker)


def _binary(program: Program, node: Any, variables: Variables) -> int:
    key = key_of(program, node.left, variables)
    constant = constant_of(node.right)
    if node.type == "eq" and constant.__class__ is str and _is_text(node.left):

        def maker(row: Row) -> Any:  # the commonest of all: a text is a constant
            value = row[key]
            return value if value.__class__ is Unknown else value == constant

        return program.intern(("is", key, constant), maker)
    return _strict(program, node.type, BINARY[node.type], (key, key_of(program, node.right, variables)))


def _is_text(node: Any) -> bool:
    """Tell whether `node` is a symbol whose value, if known, is one text, so that types need no look."""
    symbol = symbol_of(node)
    return symbol is not None and symbol.kind is Kind.TEXT and not symbol.many


def _fuzzy(program: Program, node: Any, variables: Variables) -> int:
    pattern = re.compile(node.right.value)
    anywhere, wanted = node.type.endswith("fzs"), node.type.startswith("eq")
    look = pattern.search if anywhere else pattern.match
    limit = longest(node.right.value, anywhere=anywhere)

    def match(value: Any) -> Any:
        if len(value) > limit:
            return Unknown("a text is too long for its pattern")
        return (look(value) is not None) is wanted

    return _against(program, (node.type, node.right.value), match, key_of(program, node.left, variables))


def _contains(program: Program, node: Any, variables: Variables) -> int:
    member = key_of(program, node.member, variables)
    values = constant_of(node.container)
    if isinstance(values, tuple | frozenset) and _is_text(node.member):
        chosen = frozenset(values)
        return _against(program, ("among", repr(sorted(chosen))), chosen.__contains__, member)
    return _strict(program, "in", contains, (member, key_of(program, node.container, variables)))


def _coalesce(program: Program, node: Any, variables: Variables) -> int:
    left, right = key_of(program, node.left, variables), key_of(program, node.right, variables)

    def maker(row: Row) -> Any:
        value = row[left]
        return row[right] if value.__class__ is Unknown and value.absent else value

    return program.intern(("??", left, right), maker)


def _ternary(program: Program, node: Any, variables: Variables) -> int:
    keys = tuple(key_of(program, n, variables) for n in (node.condition, node.case_true, node.case_false))
    condition, yes, no = keys

    def maker(row: Row) -> Any:
        value = truth(row[condition])
        return value if value.__class__ is Unknown else row[yes if value else no]

    return program.intern(("?", *keys), maker)


def _attribute(program: Program, node: Any, variables: Variables) -> int:
    symbol = symbol_of(node)
    if symbol is not None:
        return program.symbol(symbol)
    return _against(
        program, ("attribute", node.name), ATTRIBUTES[node.name], key_of(program, node.object, variables)
    )


def _item(program: Program, node: Any, variables: Variables) -> int:
    def one(container: Any, index: Any) -> Any:
        try:
            return item(container, index)
        except IndexError:
            return Unknown("there is no such item", absent=True)

    keys = (key_of(program, node.container, variables), key_of(program, node.item, variables))
    return _strict(program, "item", one, keys)


def _slice(program: Program, node: Any, variables: Variables) -> int:
    keys = tuple(key_of(program, n, variables) for n in (node.container, node.start, node.stop))
    return _strict(program, "slice", part, keys)


def _comprehension(program: Program, node: Any, variables: Variables) -> int:
    source = key_of(program, node.iterable, variables)
    variable = program.intern(("variable", id(node)), lambda row: Unknown("a variable out of its place"))
    inner = {**variables, node.variable: variable}
    result = key_of(program, node.result, inner)
    condition = program.constant(True) if node.condition is None else key_of(program, node.condition, inner)

    def maker(row: Row) -> Any:
        values = row[source]
        if values.__class__ is Unknown:
            return values
        if not isinstance(values, tuple | frozenset):
            return Unknown("there is nothing to go through")
        found = []
        for value in values:
            within = row.fork(variable, value)
            chosen = truth(within[condition])
            taken = chosen if chosen is False or chosen.__class__ is Unknown else within[result]
            if taken.__class__ is Unknown:
                return taken
            if chosen is True:
                found.append(taken)
        return tuple(found)

    return program.intern(("for", source, variable, result, condition), maker)


def _call(program: Program, node: Any, variables: Variables) -> int:
    function = node.function
    keys = tuple(key_of(program, argument, variables) for argument in node.arguments)
    if isinstance(function, ast.SymbolExpression):
        return _strict(program, f"${function.name}", FUNCTIONS[function.name], keys)
    keys = (key_of(program, function.object, variables), *keys)
    return _strict(program, f".{function.name}", METHODS[function.name], keys)


_COMPILERS: dict[type, Callable[[Program, Any, Variables], int]] = {
    ast.LogicExpression: _logic,
    ast.ComparisonExpression: _comparison,
    ast.ArithmeticComparisonExpression: _binary,
    ast.FuzzyComparisonExpression: _fuzzy,
    ast.AddExpression: _binary,
    ast.SubtractExpression: _binary,
    ast.ArithmeticExpression: _binary,
    ast.CoalesceExpression: _coalesce,
    ast.UnaryExpression: _unary,
    ast.TernaryExpression: _ternary,
    ast.ContainsExpression: _contains,
    ast.GetAttributeExpression: _attribute,
    ast.GetItemExpression: _item,
    ast.GetSliceExpression: _slice,
    ast.ComprehensionExpression: _comprehension,
    ast.FunctionCallExpression: _call,
    ast.SymbolExpression: _symbol,
    **dict.fromkeys(_LITERALS, _literal),
    ast.ArrayExpression: _literal,
    ast.SetExpression: _literal,
}
