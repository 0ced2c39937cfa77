"""The closures: Kleene's logic, total on anything, and what rule-engine says whenever nothing is unknown."""

from types import SimpleNamespace

import pytest
from hypothesis import given, settings

from rules.closures import add
from rules.facts import Facts, Unknown
from rules.language import ConditionError, parse
from rules.program import Program
from rules.symbols import FIXED, resolve
from rules.values import convert
from tests.rules import generated

SEEN = Facts(
    {
        "Modality": "CT",
        "Rows": 512,
        "SliceThickness": "0.30",
        "ImageType": "ORIGINAL\\PRIMARY\\AXIAL",
        "StudyDate": "20240301",
        "StudyTime": "183000",
        "PatientAge": "006M",
        "StationName": "",
        "BodyPartExamined": Unknown("BodyPartExamined is not in its character set"),
        'private["0019,ACME,10"]': 4,
        'private["0019,ACME,11"]': "4",
        'private["0019,ACME,12"]': "a\\b",
    }
)


def result(text, facts=SEEN):
    program = Program()
    return program.row(facts)[add(program, parse(text))]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('Modality == "CT"', True),
        ('Modality != "CT"', False),
        ("Rows >= 512 and Rows < 513", True),
        ("SliceThickness * 3 == 0.9", True),
        ('"PRIMARY" in ImageType', True),
        ('"PRIMARY" not in ImageType', False),
        ('Modality in ["CT", "MR"]', True),
        ('Modality in {"US", "MR"}', False),
        ('"T" in Modality', True),
        ('ImageType[0] == "ORIGINAL" and ImageType[-1] == "AXIAL"', True),
        ('ImageType[1:] == ["PRIMARY", "AXIAL"]', True),
        ("ImageType.length == 3", True),
        ('$any([x =~ "AX" for x in ImageType])', True),
        ('[x.as_lower for x in ImageType if x != "AXIAL"] == ["original", "primary"]', True),
        ('StudyDate >= d"2024-03-01"', True),
        ('StudyDate + t"P1D" > d"2024-03-01"', True),
        ('StudyDate.weekday == "Friday"', True),
        ('StudyTime > t"PT18H"', True),
        ("PatientAge < 1", True),
        ('Modality =~ "C"', True),
        ('Modality =~ "T"', False),
        ('Modality =~~ "T"', True),
        ('Modality !~ "T"', True),
        ('Modality.starts_with("C") and Modality.ends_with("T")', True),
        ('Rows > 100 ? Modality == "CT" : Modality == "MR"', True),
        ("-Rows == -512", True),
        ("-7 // 2 == -3", True),
        ('$split("a b", " ").length == 2', True),
        ("true", True),
        ("not true", False),
        ('private["0019,ACME,10"] > 3', True),
        ('private["0019,ACME,11"].to_int > 3', True),
        ('"b" in private["0019,ACME,12"]', True),
        # Kleene
        ('Manufacturer == "x" or Modality == "CT"', True),
        ('Modality == "CT" or Manufacturer == "x"', True),
        ('Manufacturer == "x" and Modality == "MR"', False),
        ('not (Manufacturer == "x" and Modality == "MR")', True),
        # absent
        ("Manufacturer == null", True),
        ("Manufacturer != null", False),
        ("Modality == null", False),
        ("StationName == null", True),
        ('(Manufacturer ?? "") == ""', True),
        ('(Modality ?? "") == "CT"', True),
        ("ImageType[9] == null", True),
    ],
)
def test_known(text, expected):
    assert result(text) is expected


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ('Manufacturer == "x"', "Manufacturer is missing"),
        ('Manufacturer == "x" and Modality == "CT"', "Manufacturer is missing"),
        ('Manufacturer == "x" or Modality == "MR"', "Manufacturer is missing"),
        ('not (Manufacturer == "x")', "Manufacturer is missing"),
        ('StationName == "x"', "StationName is empty"),
        ('BodyPartExamined == "HEAD"', "BodyPartExamined is not in its character set"),
        ("BodyPartExamined == null", "BodyPartExamined is not in its character set"),
        ('(BodyPartExamined ?? "") == ""', "BodyPartExamined is not in its character set"),
        ("Rows / 0 > 1", "division by zero"),
        ("Rows % 0 > 1", "division by zero"),
        ("Rows ** 1e9 > 1", "a number is out of range"),
        ('ImageType[9] == "x"', "there is no such item"),
        ('private["0019,ACME,10"] == "4"', "the values are of types that do not go together"),
        ('private["0019,ACME,11"] > 3', "the values are of types that do not go together"),
        ('private["0019,ACME,11"]', "a value is neither true nor false"),
        ('[x for x in ImageType if Manufacturer == "x"].length == 0', "Manufacturer is missing"),
        ("Modality.to_flt > 1", "it cannot be computed (ValueError)"),
        ("$max([x.length for x in ImageType if x.length > 99]) > 1", "it cannot be computed (ValueError)"),
    ],
)
def test_unknown(text, reason):
    assert result(text) == Unknown(reason, absent=result(text).absent)


def test_a_text_too_long_for_its_pattern_is_unknown():
    text = 'SeriesDescription =~ ".*a.*b.*c.*d"'
    assert result(text, Facts({"SeriesDescription": "a b c d"})) is True
    assert (
        result(text, Facts({"SeriesDescription": "a" * 5000})).reason == "a text is too long for its pattern"
    )


def test_equal_parts_are_computed_once():
    program = Program()
    add(program, parse('Modality == "CT" and Rows > 5'))
    before = len(program.makers)
    add(program, parse('Rows > 5 and Modality == "CT"'))
    assert len(program.makers) == before + 1  # the other order of the two


def test_equal_comprehensions_do_not_share_their_variable():
    program = Program()
    key = add(program, parse('$any([x == "AXIAL" for x in ImageType]) and [x for x in ["q"]][0] == "q"'))
    assert program.row(SEEN)[key] is True


def test_comprehensions_within_each_other():
    text = "[[y for y in ImageType if y.length > x.length].length for x in ImageType] == [0, 1, 2]"
    assert result(text) is True


@settings(max_examples=300)
@given(generated.truths(), generated.any_facts())
def test_total(text, facts):
    try:
        condition = parse(text)
    except ConditionError:
        return
    program = Program()
    value = program.row(facts)[add(program, condition)]
    assert value is True or value is False or isinstance(value, Unknown)


def thing(condition, facts):
    """Return what rule-engine reads the same values from, None when it could not hold them."""
    found = {}
    for name in condition.symbols:
        value = convert(resolve(name), facts.get(name))
        if isinstance(value, Unknown):
            return None
        root, _, attribute = name.partition(".")
        if name in FIXED and attribute:
            found.setdefault(root, SimpleNamespace())
            setattr(found[root], attribute, value)
        else:
            found[name] = value
    return found


@settings(max_examples=300)
@given(generated.truths(), generated.facts())
def test_agrees_with_rule_engine(text, facts):
    try:
        condition = parse(text)
    except ConditionError:
        return
    program = Program()
    ours = program.row(facts)[add(program, condition)]
    values = thing(condition, facts)
    if values is None or isinstance(ours, Unknown):
        return
    try:
        theirs = condition.root.evaluate(values)
    except Exception:  # it has no third value: one operand that cannot be computed is enough
        return
    assert ours is theirs


def test_agreement_is_not_empty():
    condition = parse('Modality == "CT" and origin.way == "dimse" and StudyDate > d"2020-01-01"')
    facts = Facts({"Modality": "CT", "origin.way": "dimse", "StudyDate": "20240301"})
    assert condition.root.evaluate(thing(condition, facts)) is True
