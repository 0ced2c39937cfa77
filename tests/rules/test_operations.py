from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from rules.operations import (
    ATTRIBUTES,
    BINARY,
    FUNCTIONS,
    METHODS,
    Mixed,
    contains,
    item,
    negative,
    part,
    reason,
)

D = Decimal
NOON = datetime(2024, 3, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


@pytest.mark.parametrize(
    ("operator", "left", "right", "result"),
    [
        ("eq", "a", "a", True),
        ("ne", "a", "b", True),
        ("lt", D(1), D(2), True),
        ("ge", NOON, NOON, True),
        ("add", D("0.1"), D("0.2"), D("0.3")),
        ("add", "a", "b", "ab"),
        ("add", NOON, HOUR, NOON + HOUR),
        ("sub", NOON, NOON, timedelta(0)),
        ("sub", D(1), D(3), D(-2)),
        ("mul", D(2), D(3), D(6)),
        ("tdiv", D(1), D(4), D("0.25")),
        ("fdiv", D(-7), D(2), D(-3)),
        ("mod", D(7), D(4), D(3)),
        ("pow", D(2), D(10), D(1024)),
    ],
)
def test_binary(operator, left, right, result):
    assert BINARY[operator](left, right) == result


@pytest.mark.parametrize("operator", BINARY)
def test_types_do_not_mix(operator):
    for left, right in ((D(1), "1"), ("1", D(1)), (NOON, D(1)), (True, D(1)), (("a",), "a"), (HOUR, "x")):
        with pytest.raises(Mixed):
            BINARY[operator](left, right)


def test_lists_and_truths_have_no_order():
    for value in (("a",), True, frozenset("a")):
        with pytest.raises(Mixed):
            BINARY["lt"](value, value)


def test_contains():
    assert contains("a", ("a", "b"))
    assert not contains("c", frozenset("ab"))
    assert contains("a", "cat")
    assert not contains("a", ())
    for member, container in ((D(1), "1"), (D(1), ("1",)), ("a", D(1))):
        with pytest.raises(Mixed):
            contains(member, container)


def test_items():
    assert item(("a", "b"), D(-1)) == "b"
    assert item("abc", D(1)) == "b"
    assert part(("a", "b", "c"), D(1), None) == ("b", "c")
    assert part("abc", None, D(-1)) == "ab"
    for index in (D(5), D("0.5"), D("1e99999")):
        with pytest.raises(IndexError):
            item("abc", index)
    with pytest.raises(Mixed):
        item(D(5), D(0))


@pytest.mark.parametrize(
    ("name", "value", "result"),
    [
        ("length", ("a", "b"), D(2)),
        ("is_empty", "", True),
        ("as_lower", "ÄB", "äb"),
        ("as_upper", "ab", "AB"),
        ("to_str", D("1.50"), "1.50"),
        ("to_flt", " -1.5 ", D("-1.5")),
        ("to_int", "7", D(7)),
        ("to_ary", "ab", ("a", "b")),
        ("to_set", ("a", "a"), frozenset("a")),
        ("ceiling", D("1.2"), D(2)),
        ("floor", D("-1.2"), D(-2)),
        ("year", NOON, D(2024)),
        ("hour", NOON, D(12)),
        ("date", NOON, NOON.replace(hour=0)),
        ("weekday", NOON, "Friday"),
        ("to_epoch", NOON, D("1709294400.0")),
        ("days", timedelta(days=2, hours=1), D(2)),
        ("seconds", HOUR, D(3600)),
        ("total_seconds", timedelta(days=1), D(86400)),
    ],
)
def test_attributes(name, value, result):
    found = ATTRIBUTES[name](value)
    assert found == result
    assert type(found) is type(result)


@pytest.mark.parametrize("name", ATTRIBUTES)
def test_attributes_of_something_else(name):
    with pytest.raises((Mixed, ValueError)):
        ATTRIBUTES[name](True)


def test_methods():
    assert METHODS["starts_with"]("abc", "ab")
    assert METHODS["ends_with"](("a", "b"), ("b",))
    assert METHODS["ends_with"]("abc", "")
    assert not METHODS["ends_with"]("c", "abc")
    with pytest.raises(Mixed):
        METHODS["starts_with"]("abc", ("a",))


def test_functions():
    assert FUNCTIONS["abs"](D(-2)) == 2
    assert FUNCTIONS["max"]((D(1), D(2))) == 2
    assert FUNCTIONS["min"]((D(1), D(2))) == 1
    assert FUNCTIONS["sum"]((D("0.1"), D("0.2"))) == D("0.3")
    assert FUNCTIONS["split"]("a,b,c", ",", D(1)) == ("a", "b,c")
    assert FUNCTIONS["split"](" a b ") == ("a", "b")
    assert FUNCTIONS["any"]((False, True))
    assert FUNCTIONS["all"](())
    with pytest.raises(Mixed):
        FUNCTIONS["sum"](("a",))


def test_negative():
    assert negative(D(2)) == -2
    assert negative(HOUR) == -HOUR
    with pytest.raises(Mixed):
        negative("a")


def test_reasons_hold_no_value():
    words = {
        "division by zero": ZeroDivisionError("Smith"),
        "a number is out of range": OverflowError("Smith"),
        "the values are of types that do not go together": Mixed("Smith"),
        "there is no such item": IndexError("Smith"),
        "it cannot be computed (ValueError)": ValueError("Smith"),
    }
    assert {reason(error): error for error in words.values()} == words
