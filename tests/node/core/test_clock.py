from datetime import UTC, datetime, timedelta

from node.core import clock


def test_now_is_now_and_says_in_which_zone():
    before = datetime.now(UTC)
    moment = clock.now()
    assert before <= moment <= datetime.now(UTC)
    assert moment.utcoffset() == timedelta(0)


def test_monotonic_never_runs_backwards():
    moments = [clock.monotonic() for _ in range(1000)]
    assert moments == sorted(moments)
