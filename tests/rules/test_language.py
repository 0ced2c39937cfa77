import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rules.language import LENGTH, ConditionError, parse


@pytest.mark.parametrize(
    ("text", "symbols"),
    [
        ('Modality == "CT" and Rows > 5', {"Modality", "Rows"}),
        ('tag["0008,0060"] == "CT"', {"Modality"}),
        ('tag["6000,0010"] == 5', {'tag["6000,0010"]'}),
        ('private["0019,SIEMENS MR HEADER,0c"] > 5', {'private["0019,SIEMENS MR HEADER,0C"]'}),
        ('origin.way == "dimse" and "X" in origin.path', {"origin.way", "origin.path"}),
        ("$any([x == StationName for x in ImageType])", {"StationName", "ImageType"}),
        ("true", set()),
        ("true # and why", set()),
    ],
)
def test_symbols(text, symbols):
    assert parse(text).symbols == symbols


def test_the_same_text_is_parsed_once():
    assert parse("Rows == 77") is parse("Rows == 77")


def test_uses_have_places():
    condition = parse('Modality == "CT" and origin.way == "dimse"')
    assert [(s.name, condition.text[slice(*place)]) for s, place in condition.uses()] == [
        ("Modality", "Modality"),
        ("origin.way", "origin.way"),
    ]


@pytest.mark.parametrize(
    ("text", "at", "message", "expected"),
    [
        ('Modalty == "CT"', "Modalty", "unknown attribute Modalty", "Modality"),
        ('true and PixelData == "x"', "PixelData", "PixelData is binary (VR OB or OW)", "an attribute with"),
        ('origin.wy == "x"', "origin.wy", "unknown attribute: wy", "way"),
        ("series.instance > 3", "series.instance", "unknown attribute: instance", "instances"),
        ('tag["0008"] == "x"', 'tag["0008"]', "'0008' is not a tag", "group and element"),
        ('$now > d"2024-01-01"', "$now", "unknown symbol: $now", "time.hour"),
        ("$mx([1]) > 0", "$mx", "unknown symbol: $mx", "$max"),
        ("$random(3) > 1", "$random", "unknown symbol: $random", ""),
    ],
)
def test_names(text, at, message, expected):
    with pytest.raises(ConditionError) as caught:
        parse(text)
    error = caught.value
    assert (error.message, text[error.start : error.end]) == (message, at)
    assert error.expected.startswith(expected)


def test_too_long():
    with pytest.raises(ConditionError, match="characters"):
        parse("true or " * LENGTH)


@given(
    st.text(
        alphabet=st.sampled_from('Modality Rows"()[]{}=~!<>.&?:$dt1,+-*/%#\\and or not in for if x \n'),
        max_size=40,
    )
)
def test_any_text_is_a_condition_or_wrong(text):
    error = wrong(text)
    assert error is None or (0 <= error.start <= error.end and error.start <= len(text) and error.message)


def wrong(text):
    try:
        parse(text)
    except ConditionError as error:
        return error
    return None


def test_threads_do_not_disturb_each_other():
    found = []

    def work(number):
        for index in range(20):
            text = f"Rows == {number} and Columns == {index}"
            found.append(parse(text).text == text)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [True] * 80
