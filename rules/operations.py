"""What the operators, attributes and functions of conditions do with values that are known.

Numbers are computed in one decimal context, so that 0.1 + 0.2 is 0.3 on every thread. These functions
may raise; whoever calls them (`rules.program`) makes an `Unknown` of that by `reason`.
"""

import operator
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import ROUND_CEILING, ROUND_FLOOR, Context, Decimal
from typing import Any

from rules.symbols import WEEKDAYS

_DECIMAL = Context(prec=28)
_FLOAT = re.compile(r"\s*(-?(?:\d{1,400}(?:\.\d{0,400})?|\.\d{1,400})(?:[eE][+-]?\d{1,4})?)\s*", re.ASCII)
_INDEX_MAX = 1_000_000


class Mixed(TypeError):
    """Two values of types that cannot be brought together."""


def reason(error: Exception) -> str:
    """Return why an operation failed, in words that hold no value."""
    if isinstance(error, ZeroDivisionError):
        return "division by zero"
    if isinstance(error, ArithmeticError):
        return "a number is out of range"
    if isinstance(error, Mixed | TypeError | AttributeError):
        return "the values are of types that do not go together"
    if isinstance(error, IndexError | LookupError):
        return "there is no such item"
    return f"it cannot be computed ({type(error).__name__})"


def _same(left: Any, right: Any) -> None:
    if type(left) is not type(right):
        raise Mixed


def _numbers(*values: Any) -> None:
    if not all(type(value) is Decimal for value in values):
        raise Mixed


def _collection(value: Any) -> Any:
    if not isinstance(value, tuple | frozenset):
        raise Mixed
    return value


def equal(left: Any, right: Any) -> bool:
    """Compare two values of the same type."""
    _same(left, right)
    return bool(left == right)


def unequal(left: Any, right: Any) -> bool:
    """Compare two values of the same type."""
    return not equal(left, right)


def _ordered(compare: Callable[[Any, Any], bool]) -> Callable[[Any, Any], bool]:
    def ordered(left: Any, right: Any) -> bool:
        _same(left, right)
        if isinstance(left, tuple | frozenset | bool):
            raise Mixed
        return compare(left, right)

    return ordered


def contains(member: Any, container: Any) -> bool:
    """Tell whether a list or set has `member`, or a text has it as a part."""
    if isinstance(container, str):
        _same(member, container)
    elif not isinstance(container, tuple | frozenset) or (
        container and not any(type(part) is type(member) for part in container)
    ):
        raise Mixed
    return member in container


def _durable(*values: Any) -> None:
    if not all(isinstance(value, datetime | timedelta) for value in values):
        raise Mixed


def add(left: Any, right: Any) -> Any:
    """Add numbers, join texts, move a moment by a duration."""
    if type(left) is Decimal:
        _numbers(right)
        return _DECIMAL.add(left, right)
    if isinstance(left, str):
        _same(left, right)
    else:
        _durable(left, right)
    return left + right


def subtract(left: Any, right: Any) -> Any:
    """Subtract numbers, moments or durations."""
    if type(left) is Decimal:
        _numbers(right)
        return _DECIMAL.subtract(left, right)
    _durable(left, right)
    return left - right


def _arithmetic(compute: Callable[[Decimal, Decimal], Decimal]) -> Callable[[Any, Any], Decimal]:
    def arithmetic(left: Any, right: Any) -> Decimal:
        _numbers(left, right)
        return compute(left, right)

    return arithmetic


def _dividing(compute: Callable[[Decimal, Decimal], Decimal]) -> Callable[[Any, Any], Decimal]:
    def dividing(left: Any, right: Any) -> Decimal:
        _numbers(left, right)
        if not right:
            raise ZeroDivisionError
        return compute(left, right)

    return dividing


def negative(value: Any) -> Any:
    """Return a number or duration with the other sign."""
    if isinstance(value, timedelta):
        return -value
    _numbers(value)
    return _DECIMAL.minus(value)


BINARY: dict[str, Callable[[Any, Any], Any]] = {
    "eq": equal,
    "ne": unequal,
    "lt": _ordered(operator.lt),
    "le": _ordered(operator.le),
    "gt": _ordered(operator.gt),
    "ge": _ordered(operator.ge),
    "add": add,
    "sub": subtract,
    "mul": _arithmetic(_DECIMAL.multiply),
    "tdiv": _dividing(_DECIMAL.divide),
    "fdiv": _dividing(_DECIMAL.divide_int),
    "mod": _dividing(_DECIMAL.remainder),
    "pow": _arithmetic(_DECIMAL.power),
}
"""Operators by rule-engine's names for them."""


def item(container: Any, index: Any) -> Any:
    """Return one item of a list, or character of a text, counted from 0; from the end when negative."""
    if not isinstance(container, str | tuple):
        raise Mixed
    return container[_index(index)]


def part(container: Any, start: Any, stop: Any) -> Any:
    """Return the items from `start` up to `stop`, either of which may be None."""
    if not isinstance(container, str | tuple):
        raise Mixed
    return container[slice(*(None if at is None else _index(at) for at in (start, stop)))]


def _index(number: Any) -> int:
    _numbers(number)
    if abs(number) > _INDEX_MAX or number != number.to_integral_value():
        raise IndexError
    return int(number)


def _length(value: Any) -> Decimal:
    return Decimal(len(_items(value)))


def _items(value: Any) -> Any:
    return value if isinstance(value, str) else _collection(value)


def _parsed(value: Any) -> Decimal:
    if isinstance(value, str):
        found = _FLOAT.fullmatch(value)
        if found is None:
            raise ValueError
        return Decimal(found[1])
    _numbers(value)
    return Decimal(value)


def _whole(value: Any) -> Decimal:
    number = _parsed(value)
    if number != number.to_integral_value():
        raise ValueError
    return number


def _of(kind: type, read: Callable[[Any], Any]) -> Callable[[Any], Any]:
    def attribute(value: Any) -> Any:
        if not isinstance(value, kind):
            raise Mixed
        result = read(value)
        return Decimal(repr(result)) if type(result) in (int, float) else result

    return attribute


def _rounded(mode: str) -> Callable[[Any], Decimal]:
    return _of(Decimal, lambda value: value.to_integral_value(mode))


_PARTS = ("year", "month", "day", "hour", "minute", "second")
ATTRIBUTES: dict[str, Callable[[Any], Any]] = {
    "length": _length,
    "is_empty": lambda value: _length(value) == 0,
    "as_lower": _of(str, str.lower),
    "as_upper": _of(str, str.upper),
    "to_str": lambda value: value if isinstance(value, str) else _of(Decimal, str)(value),
    "to_flt": _parsed,
    "to_int": _whole,
    "to_ary": lambda value: tuple(_items(value)),
    "to_set": lambda value: frozenset(_items(value)),
    "ceiling": _rounded(ROUND_CEILING),
    "floor": _rounded(ROUND_FLOOR),
    **{name: _of(datetime, operator.attrgetter(name)) for name in _PARTS},
    "date": _of(datetime, lambda value: value.replace(hour=0, minute=0, second=0, microsecond=0)),
    "weekday": _of(datetime, lambda value: WEEKDAYS[value.weekday()]),
    "to_epoch": _of(datetime, lambda value: (value - datetime(1970, 1, 1, tzinfo=UTC)).total_seconds()),
    "days": _of(timedelta, operator.attrgetter("days")),
    "seconds": _of(timedelta, operator.attrgetter("seconds")),
    "total_seconds": _of(timedelta, timedelta.total_seconds),
}
"""What may stand behind a dot."""


def starts_with(value: Any, prefix: Any) -> bool:
    """Tell whether a text or list begins with another."""
    _same(value, prefix)
    return bool(value[: len(prefix)] == prefix)


def ends_with(value: Any, suffix: Any) -> bool:
    """Tell whether a text or list ends with another."""
    _same(value, suffix)
    return bool(value[len(value) - len(suffix) :] == suffix) if len(suffix) <= len(value) else False


METHODS: dict[str, Callable[[Any, Any], bool]] = {"starts_with": starts_with, "ends_with": ends_with}
"""What may stand behind a dot and takes a value in parentheses."""


def _absolute(value: Any) -> Decimal:
    _numbers(value)
    return _DECIMAL.abs(value)


def _total(values: Any) -> Decimal:
    _numbers(*values)
    total = Decimal(0)
    for value in values:
        total = _DECIMAL.add(total, value)
    return total


def _extreme(choose: Callable[[Any], Any]) -> Callable[[Any], Decimal]:
    def extreme(values: Any) -> Decimal:
        _numbers(*values)
        return Decimal(choose(values))

    return extreme


def _split(text: Any, separator: Any = None, most: Any = None) -> tuple[str, ...]:
    if not isinstance(text, str):
        raise Mixed
    return tuple(text.split(separator, -1 if most is None else _index(most)))


FUNCTIONS: dict[str, Callable[..., Any]] = {
    "abs": _absolute,
    "all": all,
    "any": any,
    "max": _extreme(max),
    "min": _extreme(min),
    "split": _split,
    "sum": _total,
}
"""What may stand behind a dollar sign."""
