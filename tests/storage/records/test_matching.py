import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storage.records.attributes import ATTRIBUTES
from storage.records.computed import COMPUTED
from storage.records.criteria import (
    Criterion,
    DateTimeRange,
    Either,
    Mark,
    Name,
    OneOf,
    Range,
    Single,
    Wildcard,
)
from storage.records.matching import LONGEST_CLASS_LIST, LONGEST_LIST, BadKey, parse

KEYWORDS = [attribute.keyword for attribute in ATTRIBUTES] + list(COMPUTED)


@pytest.mark.parametrize(
    ("keyword", "value", "criterion"),
    [
        ("PatientID", " A1 ", Single("A1")),
        ("PatientID", "a\\b", Single("a\\b")),
        ("PatientID", "\0", None),
        ("PatientID", "*", None),
        ("Modality", "CT", Single("CT")),
        ("Modality", "CT\\MR\\CT", OneOf(("CT", "MR"))),
        ("Modality", "CT\\M*", Either((Single("CT"), Wildcard(("M", Mark.ANY))))),
        ("Modality", "CT\\*", None),
        ("ModalitiesInStudy", "CT\\MR", OneOf(("CT", "MR"))),
        ("StudyInstanceUID", "1.2", Single("1.2")),
        ("StudyInstanceUID", "1.2\\1.3\\\\1.2", OneOf(("1.2", "1.3"))),
        ("StudyInstanceUID", "\\", None),
        ("SOPClassesInStudy", "1.2", Single("1.2")),
        ("SeriesNumber", "007", Single(7)),
        ("SeriesNumber", "1\\ 2", OneOf((1, 2))),
        ("Rows", "512", Single(512)),
        ("StudyDate", "*", None),
        ("PatientName", "DOE", Name((Single("doe"),), anywhere=True)),
        ("PatientName", "=山田=*", Name((None, Single("山田"), None), anywhere=False)),
        ("PatientName", "*=^=", None),
        ("NumberOfStudyRelatedInstances", "5", None),
    ],
)
def test_keys(keyword: str, value: str, criterion: Criterion | None) -> None:
    assert parse({keyword: value}) == ({} if criterion is None else {keyword: criterion})


@pytest.mark.parametrize(
    ("keyword", "value"),
    [
        ("StudyInstanceUID", "1.2.*"),
        ("StudyInstanceUID", "\\".join(f"1.{n}" for n in range(LONGEST_LIST + 1))),
        ("SOPClassesInStudy", "\\".join(f"1.{n}" for n in range(LONGEST_CLASS_LIST + 1))),
        ("SeriesNumber", "1*"),
        ("SeriesNumber", "1_0"),
        ("SeriesNumber", "٣"),
        ("SeriesNumber", "9" * 30),
        ("StudyDate", "today"),
        ("StudyTime", "noon"),
        ("PatientName", "a=b=c=d"),
        ("PatientID", "x" * 1000),
    ],
)
def test_keys_that_cannot_be_matched_say_why_without_their_value(keyword: str, value: str) -> None:
    with pytest.raises(BadKey) as told:
        parse({keyword: value})
    assert told.value.keyword == keyword
    assert told.value.reason
    assert value not in str(told.value)


def test_two_ranges_are_one_interval_unless_told_otherwise() -> None:
    keys = {"StudyDate": "20240101-20240103", "StudyTime": "10-12"}
    dates, times = Range("20240101", "20240103"), Range("100000.000000", "125959.999999")
    assert parse(keys) == {"StudyDate": DateTimeRange(dates, times, "StudyTime")}
    assert parse(keys, combined=False) == {"StudyDate": dates, "StudyTime": times}


def test_a_range_and_a_single_value_stay_two() -> None:
    assert set(parse({"StudyDate": "20240101", "StudyTime": "10-12"})) == {"StudyDate", "StudyTime"}
    assert set(parse({"StudyDate": "20240101-", "StudyTime": "10"})) == {"StudyDate", "StudyTime"}


def test_a_keyword_that_is_not_indexed_is_an_error() -> None:
    with pytest.raises(KeyError):
        parse({"PatientComments": "x"})


@given(st.sampled_from(KEYWORDS), st.text(max_size=40))
def test_whatever_is_asked_is_a_criterion_or_a_bad_key(keyword: str, value: str) -> None:
    with contextlib.suppress(BadKey):
        parse({keyword: value})
