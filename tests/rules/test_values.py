from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal

import pydicom.uid
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rules.symbols import Kind, resolve
from rules.unknown import Unknown
from rules.values import convert, shown
from tests.rules.generated import LISTS, LOOSE, MOMENTS, NUMBERS, TEXTS, TIMES, Strange


@pytest.mark.parametrize(
    ("name", "raw", "value"),
    [
        ("Modality", "CT ", "CT"),
        ("Modality", ["CT"], "CT"),
        ("SOPClassUID", pydicom.uid.UID("1.2"), "1.2"),
        ("ImageType", "A\\B", ("A", "B")),
        ("ImageType", "A", ("A",)),
        ("ImageType", ["A", "B"], ("A", "B")),
        ("ImageType", {"B", "A"}, ("A", "B")),
        ("ImageComments", "a\\b", "a\\b"),  # LT: a backslash separates nothing
        ("Rows", 512, Decimal(512)),
        ("Rows", "512", Decimal(512)),
        ("SliceThickness", "0.9", Decimal("0.9")),
        ("SliceThickness", 0.9, Decimal("0.9")),
        ("SliceThickness", "+1.5E-1", Decimal("0.15")),
        ("PixelSpacing", "0.5\\0.25", (Decimal("0.5"), Decimal("0.25"))),
        ("PatientAge", "045Y", Decimal(45)),
        ("PatientAge", "006M", Decimal("0.5")),
        ("StudyDate", "20240229", datetime(2024, 2, 29, tzinfo=UTC)),
        ("StudyDate", "2024.02.29", datetime(2024, 2, 29, tzinfo=UTC)),
        ("StudyDate", date(2024, 2, 29), datetime(2024, 2, 29, tzinfo=UTC)),
        ("AcquisitionDateTime", "2024", datetime(2024, 1, 1, tzinfo=UTC)),
        ("AcquisitionDateTime", "20240301121530.25", datetime(2024, 3, 1, 12, 15, 30, 250000, tzinfo=UTC)),
        (
            "AcquisitionDateTime",
            "202403011215-0130",
            datetime(2024, 3, 1, 12, 15, tzinfo=timezone(-timedelta(hours=1, minutes=30))),
        ),
        ("StudyTime", "07", timedelta(hours=7)),
        ("StudyTime", "235960", timedelta(days=1)),
        ("StudyTime", "12:30:15.5", timedelta(hours=12, minutes=30, seconds=15, milliseconds=500)),
        ("StudyTime", time(1, 2, 3, 4), timedelta(hours=1, minutes=2, seconds=3, microseconds=4)),
        ("series.complete", True, True),
        ("labels", [], ()),
        ("origin.path", (), ()),
        (LOOSE[0], "a\\b", ("a", "b")),
        (LOOSE[0], 3.5, Decimal("3.5")),
        (LOOSE[0], date(2024, 3, 1), datetime(2024, 3, 1, tzinfo=UTC)),
        (LOOSE[0], time(1), timedelta(hours=1)),
    ],
)
def test_values(name, raw, value):
    found = convert(resolve(name), raw)
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize(
    ("name", "raw", "reason"),
    [
        ("Modality", None, "Modality is missing"),
        ("Modality", "", "Modality is empty"),
        ("Modality", " \0", "Modality is empty"),
        ("ImageType", [], "ImageType is empty"),
        ("labels", "", "labels is empty"),
        ("study.modalities", [], "study.modalities is empty"),
    ],
)
def test_absent(name, raw, reason):
    assert convert(resolve(name), raw) == Unknown(reason, absent=True)


@pytest.mark.parametrize(
    ("name", "raw", "reason"),
    [
        ("Modality", "CT\\MR", "Modality has several values"),
        ("Modality", 5, "Modality is not text"),
        ("Modality", b"CT", "Modality is not text"),
        ("Rows", "many", "Rows is not a number"),
        ("Rows", "٣", "Rows is not a number"),
        ("Rows", True, "Rows is not a number"),
        ("Rows", float("nan"), "Rows is not a number"),
        ("Rows", "1e99999", "Rows is not a number"),
        ("PixelSpacing", "0.5\\", "PixelSpacing is not a number"),
        ("StudyDate", "20240231", "StudyDate is not a date"),
        ("StudyDate", "20240101-20240201", "StudyDate is not a date"),
        ("StudyDate", "2024", "StudyDate is not a date"),
        ("StudyTime", "2500", "StudyTime is not a time"),
        ("series.complete", "yes", "series.complete is not true or false"),
        ("Rows", Strange(), "Rows is not a number"),
        ("ImageType", Strange(), "ImageType is not text"),
        (LOOSE[0], object(), f"{LOOSE[0]} is not of a type that can be compared"),
    ],
)
def test_not_what_it_should_be(name, raw, reason):
    assert convert(resolve(name), raw) == Unknown(reason)


def test_unknown_stays():
    unknown = Unknown("it is not in its character set")
    assert convert(resolve("Modality"), unknown) is unknown
    assert convert(resolve("ImageType"), ["A", unknown]) is unknown


_names = st.sampled_from(
    [*TEXTS, *NUMBERS, *MOMENTS, *TIMES, *LISTS, *LOOSE, "PixelSpacing", "series.complete"]
)
_raw = st.recursive(
    st.one_of(
        st.text(), st.floats(), st.decimals(), st.integers(), st.none(), st.binary(), st.dates(), st.times()
    ),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=2), inner, max_size=2),
    max_leaves=5,
)


@given(_names, _raw)
def test_total_and_typed(name, raw):
    symbol = resolve(name)
    value = convert(symbol, raw)
    assert shown(value) is None or not isinstance(value, Unknown)
    if isinstance(value, Unknown) or symbol.kind is Kind.ANY:
        return
    kinds = {
        Kind.TEXT: str,
        Kind.NUMBER: Decimal,
        Kind.MOMENT: datetime,
        Kind.TIME: timedelta,
        Kind.TRUTH: bool,
    }
    parts = value if symbol.many else (value,)
    assert all(type(part) is kinds[symbol.kind] for part in parts)


def test_shown():
    assert shown((Decimal(512), Decimal("0.5"), "CT", True)) == [512, 0.5, "CT", True]
    assert shown(datetime(2024, 3, 1, tzinfo=UTC)) == "2024-03-01"
    assert shown(timedelta(hours=7)) == "7:00:00"
    assert shown(frozenset({"b", "a"})) == ["a", "b"]
    assert shown(Unknown("x")) is None
    assert shown(Decimal("1e4000")) == "1E+4000"
    assert shown("a\0b\ud800") == "a\ufffdb?"
