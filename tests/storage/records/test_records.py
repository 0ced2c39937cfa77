"""The records: which columns there are, what goes into them, and in which form text is compared."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom.datadict import dictionary_keyword, dictionary_VR
from sqlalchemy.dialects import sqlite
from sqlalchemy.dialects.postgresql import psycopg2
from sqlalchemy.types import TypeDecorator

from storage.records.attributes import ATTRIBUTES, BY_KEYWORD, BY_TAG, Kind, Level
from storage.records.keys import keys_of, number_key, row_of
from storage.records.schema import (
    INDEXABLE,
    METADATA,
    Moment,
    Tree,
    Words,
    clean,
    indexable,
    is_plain,
    key_columns,
)
from storage.records.tables import instance, series, study
from storage.records.text import date_key, name_groups, name_key, time_key

DIALECT = sqlite.dialect()  # type: ignore[no-untyped-call]
DIALECTS = (DIALECT, psycopg2.dialect())  # type: ignore[no-untyped-call]


@pytest.mark.parametrize("attribute", ATTRIBUTES, ids=lambda a: a.keyword)
def test_attributes_are_those_of_the_standard(attribute) -> None:  # type: ignore[no-untyped-def]
    assert dictionary_keyword(attribute.tag) == attribute.keyword
    assert attribute.vr in dictionary_VR(attribute.tag)
    assert BY_TAG[attribute.tag] is BY_KEYWORD[attribute.keyword] is attribute


def test_every_attribute_has_its_columns() -> None:
    tables = {Level.STUDY: study, Level.SERIES: series, Level.IMAGE: instance}
    for attribute in ATTRIBUTES:
        columns = tables[attribute.level].c
        assert attribute.column in columns
        assert all(name in columns for name in key_columns(attribute))


@pytest.mark.parametrize(
    ("keyword", "column"),
    [
        ("PatientID", "patient_id"),
        ("IssuerOfPatientID", "issuer_of_patient_id"),
        ("SOPInstanceUID", "sop_instance_uid"),
        ("StudyInstanceUID", "study_instance_uid"),
        ("OperatorsName", "operators_name"),
    ],
)
def test_columns_are_keywords_in_snake_case(keyword: str, column: str) -> None:
    assert BY_KEYWORD[keyword].column == column


def test_study_and_series_attributes_are_indexed_where_they_are_matched() -> None:
    for attribute in ATTRIBUTES:
        if attribute.level is Level.IMAGE:
            continue
        table = study if attribute.level is Level.STUDY else series
        unique = {constraint.columns.keys()[0] for constraint in table.constraints if constraint.columns}
        leading = {index.columns.keys()[0] for index in table.indexes} | unique
        for name in key_columns(attribute) or (attribute.column,):
            assert name in leading, f"{table.name}.{name}"


def test_row_of_a_level_has_every_attribute_column() -> None:
    row = row_of(
        Level.STUDY,
        {
            "PatientName": "Yamada^Tarou=山田^太郎=やまだ^たろう",
            "StudyDate": "2026.03.01",
            "StudyTime": "10:15",
        },
    )
    assert row["patient_name"] == "Yamada^Tarou=山田^太郎=やまだ^たろう"
    assert (row["patient_name_alphabetic"], row["patient_name_ideographic"]) == ("yamada^tarou", "山田^太郎")
    assert row["patient_name_phonetic"] == "やまだ^たろう"
    assert (row["study_date"], row["study_date_key"]) == ("2026.03.01", "20260301")
    assert (row["study_time"], row["study_time_key"]) == ("10:15", "101500.000000")
    assert row["accession_number"] == ""
    assert set(row) <= set(study.c.keys())


def test_numbers_that_are_none_have_no_key() -> None:
    row = row_of(Level.IMAGE, {"InstanceNumber": "x", "Rows": "512", "NumberOfFrames": "9" * 30})
    assert (row["instance_number"], row["instance_number_key"]) == ("x", None)
    assert row["rows_key"] == 512
    assert row["number_of_frames_key"] is None


@pytest.mark.parametrize(
    ("value", "key"), [("7", 7), (" +7 ", 7), ("-3\\9", -3), ("", None), ("1.5", None), ("1e3", None)]
)
def test_number_key(value: str, key: int | None) -> None:
    assert number_key(value) == key


@pytest.mark.parametrize(
    ("value", "key"),
    [
        ("20260301", "20260301"),
        (" 20260301 ", "20260301"),
        ("2026.03.01", "20260301"),
        ("2026", ""),
        ("２０２６０３０１", ""),
        ("", ""),
    ],
)
def test_date_key(value: str, key: str) -> None:
    assert date_key(value) == key


@pytest.mark.parametrize(
    ("value", "key"),
    [
        ("10", "100000.000000"),
        ("1015", "101500.000000"),
        ("101530.5", "101530.500000"),
        ("10:15:30", "101530.000000"),
        ("101530.1234567", "101530.123456"),
        ("101", ""),
        ("noon", ""),
        ("", ""),
    ],
)
def test_time_key(value: str, key: str) -> None:
    assert time_key(value) == key


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Doe^Jane", "DOE^JANE"),
        ("Doe^Jane^^", "doe^jane"),
        ("Müller^Jürgen", "MU\u0308LLER^JU\u0308RGEN"),
        ("ﾔﾏﾀﾞ^ﾀﾛｳ", "ヤマダ^タロウ"),
        ("Straße^A", "STRASSE^A"),
    ],
)
def test_names_that_are_the_same(one: str, other: str) -> None:
    assert name_key(one) == name_key(other)


def test_accents_tell_names_apart() -> None:
    assert name_key("Müller") != name_key("Muller")


@pytest.mark.parametrize(
    ("name", "groups"),
    [
        ("", ("", "", "")),
        ("A^B", ("A^B", "", "")),
        ("A=B=C", ("A", "B", "C")),
        ("=B", ("", "B", "")),
        ("A=B=C=D\\E=F", ("A", "B", "C")),
    ],
)
def test_name_groups(name: str, groups: tuple[str, str, str]) -> None:
    assert name_groups(name) == groups


@given(st.text(st.characters(), max_size=2000))
def test_what_goes_in_can_be_kept(text: str) -> None:
    kept = clean(text)
    assert "\0" not in kept
    kept.encode("utf-8")
    assert clean(kept) == kept
    assert len(indexable(text)) <= INDEXABLE
    assert indexable(indexable(text)) == indexable(text)


def test_surrogates_and_nul() -> None:
    assert clean("a\0b\ud800c") == "ab?c"
    assert clean("山") == "山"


def test_indexed_text_is_cut_and_other_text_is_not() -> None:
    long = "x" * 5000
    assert Words(indexed=True).process_bind_param(long, DIALECT) == "x" * INDEXABLE
    assert Words().process_bind_param(long, DIALECT) == long
    assert Words().process_bind_param(None, DIALECT) is None


def test_moments_are_in_utc() -> None:
    kind = Moment()
    noon = datetime(2026, 3, 1, 12, tzinfo=timezone(timedelta(hours=2)))
    assert kind.process_bind_param(noon, DIALECT) == noon
    assert kind.process_result_value(datetime(2026, 3, 1, 10), DIALECT) == datetime(
        2026, 3, 1, 10, tzinfo=UTC
    )
    with pytest.raises(ValueError, match="without a zone"):
        kind.process_bind_param(datetime(2026, 3, 1), DIALECT)


def test_trees_are_cleaned_throughout() -> None:
    assert Tree().process_bind_param({"a\0": ["b\ud800", {"c": "d\0"}], "n": 1}, DIALECT) == {
        "a": ["b?", {"c": "d"}],
        "n": 1,
    }


TEXT = st.text(st.sampled_from('aZ9 ^=\\\0\ud800\udfffä山😀\n"u0000ud'), max_size=30) | st.just("a" * 700)
TREES = st.recursive(
    TEXT | st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=8,
)
ZONES = st.sampled_from([UTC, timezone(timedelta(0)), timezone(timedelta(hours=-3, minutes=30))])


@given(
    st.sampled_from(DIALECTS),
    st.tuples(st.sampled_from([Words(), Words(indexed=True)]), TEXT | st.none())
    | st.tuples(st.just(Tree()), TREES)
    | st.tuples(
        st.just(Moment()), st.datetimes(datetime(2, 1, 1), datetime(9998, 1, 1), timezones=ZONES) | st.none()
    ),
)
def test_the_short_way_binds_what_the_long_way_does(dialect, given_) -> None:  # type: ignore[no-untyped-def]
    kind = given_[0].dialect_impl(dialect)
    short, long = kind.bind_processor(dialect), TypeDecorator.bind_processor(kind, dialect)
    assert long is not None
    assert repr(short(given_[1])) == repr(long(given_[1]))


@given(TEXT)
def test_plain_text_is_kept_as_it_is(text: str) -> None:
    if is_plain(text):
        assert text == clean(text) == indexable(text)


@given(st.sampled_from(list(Level)), st.dictionaries(st.sampled_from(sorted(BY_KEYWORD)), TEXT, max_size=9))
def test_a_row_has_the_keys_of_its_values(level: Level, attributes: dict[str, str]) -> None:
    expected: dict[str, object] = {}
    for attribute in ATTRIBUTES:
        if attribute.level is level:
            value = attributes.get(attribute.keyword, "")
            expected[attribute.column] = value
            expected |= zip(key_columns(attribute), keys_of(attribute, value), strict=True)
    assert row_of(level, attributes) == row_of(level, attributes) == expected


@given(st.sampled_from(ATTRIBUTES), st.text())
def test_any_value_has_the_keys_of_its_columns(attribute, value: str) -> None:  # type: ignore[no-untyped-def]
    keys = keys_of(attribute, value)
    assert len(keys) == len(key_columns(attribute))
    kind = int if attribute.kind is Kind.NUMBER else str
    assert all(key is None or isinstance(key, kind) for key in keys)


def test_every_table_has_a_row_number() -> None:
    assert all(
        "id" in table.primary_key.columns for table in METADATA.tables.values() if table.name != "bookmark"
    )
