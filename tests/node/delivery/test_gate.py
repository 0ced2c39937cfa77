from datetime import UTC, datetime, timedelta

import pytest

from node.delivery.backoff import Backoff
from node.delivery.breaker import Breaker
from node.delivery.gate import UNTIL_TOLD, may_probe, waits
from tests.support.parcels import destination

NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)  # a Monday
CLOSED = Breaker(1, Backoff(10, 60))
OPEN = CLOSED.failed(NOON, 1.0)
HALF_OPEN = OPEN.answered()
NIGHT = {"hours": ["22:00-06:00"]}


def test_an_open_gate() -> None:
    assert waits(destination(), CLOSED, NOON, first=True) == 0
    assert waits(destination(), CLOSED, NOON, first=False) == 0
    assert waits(destination(window={"weekdays": ["Monday"]}), CLOSED, NOON, first=True) == 0


def test_a_pause_lasts_until_it_is_ended() -> None:
    assert waits(destination(paused=True), CLOSED, NOON, first=True) == UNTIL_TOLD


@pytest.mark.parametrize(("hour", "wait"), [(22, 0), (5, 0), (21, 3600), (6, UNTIL_TOLD)])
def test_a_window_opens_at_its_hour(hour: int, wait: float) -> None:
    at = NOON.replace(hour=hour)
    assert waits(destination(window=NIGHT), CLOSED, at, first=True) == wait


def test_an_open_breaker_lets_one_lane_wait_for_the_probe_and_the_others_for_it() -> None:
    assert waits(destination(), OPEN, NOON, first=True) == 10
    assert waits(destination(), OPEN, NOON, first=False) == UNTIL_TOLD
    late = NOON + timedelta(minutes=1)
    assert 0 < waits(destination(), OPEN, late, first=True) < 0.1  # it is to be asked, not to be sent to


def test_while_it_is_half_open_one_lane_goes_ahead() -> None:
    assert waits(destination(), HALF_OPEN, NOON, first=True) == 0
    assert waits(destination(), HALF_OPEN, NOON, first=False) == UNTIL_TOLD


def test_when_it_may_be_asked() -> None:
    late = NOON + timedelta(minutes=1)
    assert may_probe(destination(), OPEN, late)
    assert not may_probe(destination(), OPEN, NOON)
    assert not may_probe(destination(), CLOSED, late)
    assert not may_probe(destination(), HALF_OPEN, late)
    assert not may_probe(destination(paused=True), OPEN, late)
    assert not may_probe(destination(window=NIGHT), OPEN, late)
