import pytest
from hypothesis import given
from hypothesis import strategies as st

from storage.records.criteria import Range
from storage.records.moments import BadMoment, date_range, time_range
from storage.records.text import time_key


@pytest.mark.parametrize(
    ("value", "low", "high"),
    [
        ("20240105", "20240105", "20240105"),
        ("2024.01.05", "20240105", "20240105"),
        ("20240105-20240107", "20240105", "20240107"),
        ("20240105 - 20240107", "20240105", "20240107"),
        ("-20240107", None, "20240107"),
        ("20240105-", "20240105", None),
        ("20240201-20240231", "20240201", "20240231"),
    ],
)
def test_dates(value: str, low: str | None, high: str | None) -> None:
    assert date_range(value) == Range(low, high)


@pytest.mark.parametrize(
    "value",
    [
        "-",
        "--",
        "2024",
        "202401",
        "2024-01-05",
        "20241305",
        "20240100",
        "20240132",
        "2024010*",
        "x",
        "２０２４０１０５",
    ],
)
def test_what_is_no_date(value: str) -> None:
    with pytest.raises(BadMoment):
        date_range(value)


@pytest.mark.parametrize(
    ("value", "low", "high"),
    [
        ("10", "100000.000000", "105959.999999"),
        ("1030", "103000.000000", "103059.999999"),
        ("10:30", "103000.000000", "103059.999999"),
        ("103015", "103015.000000", "103015.999999"),
        ("103015.5", "103015.500000", "103015.599999"),
        ("103015.123456", "103015.123456", "103015.123456"),
        ("235960", "235960.000000", "235960.999999"),
        ("10-12", "100000.000000", "125959.999999"),
        ("-1130", None, "113059.999999"),
        ("1130-", "113000.000000", None),
    ],
)
def test_times(value: str, low: str | None, high: str | None) -> None:
    assert time_range(value) == Range(low, high)


@pytest.mark.parametrize(
    "value", ["-", "1", "24", "1060", "103061", "10.5", "103015.", "103015.1234567", "10*", "noon"]
)
def test_what_is_no_time(value: str) -> None:
    with pytest.raises(BadMoment):
        time_range(value)


@given(st.integers(0, 23), st.integers(0, 59), st.integers(0, 59), st.integers(0, 999999), st.integers(2, 6))
def test_a_time_lies_within_itself(hours: int, minutes: int, seconds: int, micro: int, length: int) -> None:
    whole = f"{hours:02}{minutes:02}{seconds:02}.{micro:06}"
    short = whole[: length // 2 * 2]
    span = time_range(short)
    assert span.low is not None
    assert span.high is not None
    assert span.low <= time_key(whole) <= span.high
    assert span.low == time_key(short)
