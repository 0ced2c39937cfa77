from hypothesis import given
from hypothesis import strategies as st

from node.delivery.backoff import Backoff

waits = st.builds(Backoff, st.floats(0.01, 1000, allow_nan=False), st.floats(0.01, 90_000, allow_nan=False))
some = st.integers(1, 10**6)


@given(waits, some, st.floats(0, 1))
def test_no_wait_exceeds_the_ceiling_nor_is_less_than_half_of_itself(
    backoff: Backoff, failures: int, dice: float
) -> None:
    whole = backoff.delay(failures)
    assert 0 < whole <= backoff.ceiling
    assert whole / 2 <= backoff.delay(failures, dice) <= whole


@given(waits, some)
def test_waits_do_not_shrink(backoff: Backoff, failures: int) -> None:
    assert backoff.delay(failures + 1) >= backoff.delay(failures)


@given(waits, st.integers(0, 300))
def test_the_total_is_the_sum(backoff: Backoff, failures: int) -> None:
    total = sum(backoff.delay(each) for each in range(1, failures + 1))
    assert abs(backoff.total(failures) - total) <= 1e-6 * max(total, 1)


def test_the_default_gives_up_after_a_week() -> None:
    backoff = Backoff(5, 900)
    week = 7 * 24 * 3600
    tries = next(n for n in range(1, 10_000) if backoff.total(n) > week)
    assert 600 < tries < 700
