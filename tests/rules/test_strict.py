"""What rule-engine would let pass and we do not."""

import pytest

from rules.language import ConditionError, parse


@pytest.mark.parametrize(
    ("text", "at", "message"),
    [
        ("Modality == 5", "Modality == 5", "text is never a number"),
        ('ImageType == "A"', 'ImageType == "A"', "a list of text is never text"),
        ("5 in ImageType", "5 in ImageType", "a number is never in a list of text"),
        ('Modality in ["CT", 3]', '["CT", 3]', "the members are of several types"),
        ("Modality", "Modality", "text where a condition should be"),
        ('Modality and Rows == "x"', 'Rows == "x"', "a number is never text"),
        ("true and Modality", "Modality", "text where a condition should be"),
        ("not Modality", "Modality", "text where a condition should be"),
        ("Rows ? true : false", "Rows", "a number where a condition should be"),
        ('origin == "x"', "origin", "origin alone is no value"),
        ('tag == "x"', "tag", "tag alone is no value"),
        ('tag[Modality] == "x"', "tag[Modality]", "tag[…] needs its tag written out"),
        ('private["0018,ACME,0C"] == "a"', 'private["0018,ACME,0C"]', "group 0018 is not private"),
        ("Modality =~ StationName", "StationName", "a pattern must be written out"),
        ('Modality =~ "(a+)+"', '"(a+)+"', "the pattern repeats a repetition or choice: '(a+)+'"),
        ("Modality =~ null", "null", "null is no value"),
        ("(Modality ?? null) == null", "null", "null is no value"),
        ('origin.way == "uplaod"', '"uplaod"', "origin.way is never 'uplaod'"),
        ('origin.way in ["upload", "stw"]', '"stw"', "origin.way is never 'stw'"),
        ('time.weekday != "monday"', '"monday"', "time.weekday is never 'monday'"),
        ("series.complete > true", "series.complete", "true or false has no order for >"),
        ("ImageType < ImageType", "ImageType", "a list of text has no order for <"),
        ("Modality.starts_with", "Modality.starts_with", "a function needs its parentheses"),
        ('Modality.encode("hex") == "00"', "Modality.encode", "there is no attribute encode"),
        ("Rows & 3 == 1", "Rows & 3", "this is not part of the language of conditions"),
        ('{"a": 1}["a"] == 1', '{"a": 1}', "this is not part of the language of conditions"),
        ("Rows == nan", "nan", "no value is ever infinite or not a number"),
        ("[Rows for Rows in ImageType].length > 0", "[Rows for Rows in ImageType]", "Rows is taken"),
        ("[tag for tag in ImageType].length > 0", "[tag for tag in ImageType]", "tag is taken"),
        ("[[x for x in ImageType] for x in labels].length > 0", None, "x is taken"),
        ("[x for x in ImageType if x].length > 0", "x", "text where a condition should be"),
        ("$split > 3", None, "wrong type: a number cannot be used so"),
    ],
)
def test_refused(text, at, message):
    with pytest.raises(ConditionError) as caught:
        parse(text)
    error = caught.value
    assert error.message == message
    if at is not None:
        assert text[error.start : error.end] == at


@pytest.mark.parametrize(
    "text",
    [
        'private["0099,NOBODY,01"] == 5 or private["0099,NOBODY,01"] == "x"',
        'origin.way in ["upload", "stow"]',
        'ImageType == ["A", "B"]',
        "null == null",
        "Modality in []",
        "ImageType[:2].length == 2",
        "[[x for x in ImageType] for y in labels].length > 0",
    ],
)
def test_allowed(text):
    parse(text)
