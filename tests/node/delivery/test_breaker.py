from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from node.delivery.backoff import Backoff
from node.delivery.breaker import Breaker, State
from tests.support.parcels import destination

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
FRESH = Breaker(3, Backoff(10, 60))


def after(failures: int, breaker: Breaker = FRESH) -> Breaker:
    for _ in range(failures):
        breaker = breaker.failed(NOW, 1.0)
    return breaker


def test_it_opens_at_the_limit_and_not_before() -> None:
    assert [after(n).state for n in range(4)] == [State.CLOSED, State.CLOSED, State.CLOSED, State.OPEN]
    opened = after(3)
    assert (opened.opened_at, opened.probe_at) == (NOW, NOW + timedelta(seconds=10))


def test_probes_become_rarer_and_it_remembers_since_when_it_is_open() -> None:
    later = NOW + timedelta(hours=1)
    opened = after(3).failed(later, 1.0)
    assert (opened.opened_at, opened.probe_at) == (NOW, later + timedelta(seconds=20))
    assert [(after(n).probe_at or NOW) - NOW for n in (5, 6, 99)] == [
        timedelta(seconds=n) for n in (40, 60, 60)
    ]


def test_an_answer_opens_it_half_and_only_a_success_closes_it() -> None:
    half = after(4).answered()
    assert (half.state, half.opened_at, half.probe_at) == (State.HALF_OPEN, None, None)
    again = half.failed(NOW, 1.0)
    assert again.state is State.OPEN
    assert again.probe_at == NOW + timedelta(seconds=40)  # less often than before
    closed = half.succeeded()
    assert (closed.state, closed.failures) == (State.CLOSED, 0)


def test_a_success_forgives_all() -> None:
    assert after(2, after(2).succeeded()).state is State.CLOSED


def test_it_goes_on_as_another_worker_left_it() -> None:
    left = destination(failures=7, opened_at=NOW, probe_at=NOW + timedelta(seconds=5))
    breaker = Breaker.of(left, 3, Backoff(10, 60))
    assert (breaker.state, breaker.failures) == (State.OPEN, 7)
    assert breaker.waits(NOW) == 5
    assert breaker.waits(NOW + timedelta(minutes=1)) == 0


@given(st.integers(1, 5), st.lists(st.sampled_from(["failed", "answered", "succeeded"]), max_size=40))
def test_whatever_happens_it_is_in_one_of_three_states_and_consistent(
    limit: int, happened: list[str]
) -> None:
    breaker = Breaker(limit, Backoff(1, 8))
    for what in happened:
        if what == "failed":
            breaker = breaker.failed(NOW, 0.5)
        elif what == "answered":
            breaker = breaker.answered()
        else:
            breaker = breaker.succeeded()
        assert (breaker.opened_at is None) == (breaker.probe_at is None)
        assert (breaker.state is State.CLOSED) == (breaker.failures < limit)
        assert (breaker.state is State.OPEN) == (breaker.opened_at is not None)
