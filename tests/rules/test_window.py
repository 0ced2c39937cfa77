from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rules.window import Window, parse_span, parse_weekday

NIGHT = Window((parse_span("22:00-06:00"),))
FRIDAY_NIGHT = Window((parse_span("22:00-06:00"),), (4,))
WEEKEND = Window((), (5, 6))
LUNCH = Window((parse_span("12:00-13:30"), parse_span("9:00-9:01")))
FRIDAY = datetime(2024, 3, 1)


@pytest.mark.parametrize(
    ("window", "moment", "is_open"),
    [
        (NIGHT, FRIDAY.replace(hour=21, minute=59), False),
        (NIGHT, FRIDAY.replace(hour=22), True),
        (NIGHT, FRIDAY.replace(hour=5, minute=59), True),
        (NIGHT, FRIDAY.replace(hour=6), False),
        (FRIDAY_NIGHT, FRIDAY.replace(hour=3), False),  # belongs to Thursday
        (FRIDAY_NIGHT, FRIDAY.replace(hour=23), True),
        (FRIDAY_NIGHT, FRIDAY.replace(day=2, hour=3), True),  # Friday's, over midnight
        (FRIDAY_NIGHT, FRIDAY.replace(day=2, hour=23), False),
        (WEEKEND, FRIDAY.replace(hour=23, minute=59), False),
        (WEEKEND, FRIDAY.replace(day=2), True),
        (LUNCH, FRIDAY.replace(hour=9), True),
        (LUNCH, FRIDAY.replace(hour=9, minute=1), False),
        (LUNCH, FRIDAY.replace(hour=13, minute=29), True),
        (Window(), FRIDAY, True),
    ],
)
def test_is_open(window, moment, is_open):
    assert window.is_open(moment) is is_open


@pytest.mark.parametrize(
    ("window", "moment", "opens"),
    [
        (NIGHT, FRIDAY.replace(hour=12), FRIDAY.replace(hour=22)),
        (NIGHT, FRIDAY.replace(hour=23), FRIDAY.replace(hour=23)),
        (FRIDAY_NIGHT, FRIDAY.replace(day=2, hour=12), FRIDAY.replace(day=8, hour=22)),
        (WEEKEND, FRIDAY.replace(hour=12), FRIDAY.replace(day=2)),
        (LUNCH, FRIDAY.replace(hour=10), FRIDAY.replace(hour=12)),
        (LUNCH, FRIDAY.replace(hour=20), FRIDAY.replace(day=2, hour=9)),
    ],
)
def test_opens(window, moment, opens):
    assert window.opens(moment) == opens


def test_by_the_clock_on_the_wall():
    zone = ZoneInfo("Europe/Berlin")
    assert NIGHT.opens(datetime(2024, 3, 30, 12, tzinfo=zone)) == datetime(2024, 3, 30, 22, tzinfo=zone)


_minutes = st.integers(0, 24 * 60 - 1)
_spans = st.tuples(_minutes, st.integers(0, 24 * 60)).filter(lambda span: span[0] != span[1])
_windows = st.builds(
    Window,
    st.lists(_spans, max_size=3).map(tuple),
    st.sets(st.integers(0, 6)).map(lambda days: tuple(sorted(days))),
)


@given(_windows, st.datetimes(datetime(2020, 1, 1), datetime(2030, 1, 1)))
def test_it_is_open_when_it_opens_and_not_just_before(window, moment):
    opens = window.opens(moment)
    assert opens >= moment
    assert window.is_open(opens)
    if opens > moment:
        assert not window.is_open(opens - timedelta(minutes=1))


@given(_windows)
def test_plain(window):
    assert Window.from_plain(window.plain()) == window


@pytest.mark.parametrize(
    "text", ["", "22-6", "22:00", "25:00-03:00", "22:60-23:00", "1:00-1:00", "0:00-24:01"]
)
def test_no_spans(text):
    with pytest.raises(ValueError, match=r"span|time|begins"):
        parse_span(text)


def test_weekdays():
    assert parse_weekday("Monday") == parse_weekday("mon") == parse_weekday("MON") == 0
    for text in ("", "Montag", "mo"):
        with pytest.raises(ValueError, match="not a day"):
            parse_weekday(text)
