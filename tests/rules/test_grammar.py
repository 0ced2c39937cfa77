"""rule-engine's parser keeps its grammar and gains places; this is what a newer rule-engine could break."""

import pytest
import rule_engine
from rule_engine import DataType

from rules.grammar import DEPTH, ConditionError, Parser, type_name

TYPES = {"Modality": DataType.STRING, "Rows": DataType.FLOAT, "ImageType": DataType.ARRAY(DataType.STRING)}

WRONG = "wrong type: a number and text cannot be used so"


def parse(text):
    context = rule_engine.Context(type_resolver=TYPES, default_timezone="utc")
    return Parser(lambda part, node: node).parse(text, context)


def written(text, node):
    return text[slice(*node.place)]


def test_places():
    text = '( Modality  == "CT") and not\n Rows>3'
    root = parse(text)
    assert written(text, root) == text
    assert written(text, root.left) == 'Modality  == "CT"'
    assert written(text, root.left.right) == '"CT"'
    assert written(text, root.right) == "not\n Rows>3"
    assert written(text, root.right.right.right) == "3"


@pytest.mark.parametrize(
    ("text", "at", "message", "expected"),
    [
        (
            'Rows > "x" and true',
            'Rows > "x"',
            "wrong type: a number and text cannot be used so",
            "values of one type",
        ),
        (
            'true and Rows + "x" > 3',
            'Rows + "x"',
            "wrong type: a number and text cannot be used so",
            "values of one",
        ),
        ("Rws > 3", "Rws", "unknown symbol: Rws", "Rows"),
        ("Modality.as_uper == 1", "Modality.as_uper", "unknown attribute: as_uper", "as_upper"),
        ("1/0 == Rows", "1/0", "arithmetic error: division by zero", ""),
        ('Rows > d"2024-13-01"', 'd"2024-13-01"', "invalid datetime literal", ""),
        ('Modality == "\\x"', '"\\x"', "invalid string literal", ""),
        ("Modality = 3", "=", "cannot be understood from '= 3' on", "=="),
        ("true && true", "&", "cannot be understood from '& true' on", "and"),
        ("Modality ==", "", "the condition ends too early", "more"),
        (" \n", "", "the condition is empty", "a comparison"),
        ("not " * (DEPTH + 1) + "true", None, f"more than {DEPTH} parts within each other", "several rules"),
    ],
)
def test_wrong(text, at, message, expected):
    with pytest.raises(ConditionError) as caught:
        parse(text)
    error = caught.value
    assert error.message == message
    assert error.expected.startswith(expected)
    if at is not None:
        assert text[error.start : error.end] == at


def test_as_deep_as_it_may_be():
    assert parse("not " * (DEPTH - 2) + "true").result_type == DataType.BOOLEAN


def test_rule_engine_itself_is_as_it_was():
    assert rule_engine.Rule('Modality == "CT"').matches({"Modality": "CT"})
    with pytest.raises(rule_engine.errors.RuleSyntaxError):
        rule_engine.Rule("Modality =")


def test_type_names():
    assert type_name(DataType.ARRAY(DataType.FLOAT)) == "a list of number"
    assert type_name(DataType.SET) == "a set"
    assert type_name(DataType.TIMEDELTA) == "a duration or time of day"
