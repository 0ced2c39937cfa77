from hypothesis import given
from hypothesis import strategies as st

from node.delivery.rate import SLACK, Rate


@given(st.floats(0.1, 1000), st.lists(st.floats(0, 5), min_size=2, max_size=60))
def test_no_second_has_more_than_it_may(rate: float, pauses: list[float]) -> None:
    made = Rate(rate)
    now, moments = 100.0, []
    for pause in pauses:
        now += pause
        now += made.take(now)  # it waits until then
        moments.append(now)
    for first in range(len(moments)):
        within = [each for each in moments[first:] if each < moments[first] + 1]
        assert len(within) <= (1 + SLACK) * rate + 1 + 1e-6


@given(st.floats(0.1, 1000), st.integers(2, 100))
def test_who_is_always_there_gets_all_of_it(rate: float, count: int) -> None:
    made, now = Rate(rate), 100.0
    for _ in range(count):
        now += made.take(now)
    assert abs((now - 100.0) * rate - (count - 1)) < 1e-3 * count


def test_what_was_not_used_is_gone() -> None:
    rate = Rate(10)
    rate.take(0.0)
    assert [round(rate.take(100.0), 6) for _ in range(4)] == [0.0, 0.0, 0.1, 0.2]


def test_none_is_no_limit() -> None:
    rate = Rate(0)
    assert {rate.take(1.0) for _ in range(1000)} == {0.0}
