from importlib import import_module

import pytest
from hypothesis import given
from hypothesis import strategies as st

from node.jobs.kinds import KINDS, Kind


@pytest.mark.parametrize("name", KINDS)
def test_each_kind_is_its_module(name: str):
    assert KINDS[name].run is import_module(f"node.jobs.{name}").run


@given(st.integers(1, 10**6))
def test_the_pause_grows_to_a_limit_and_varies(failures: int):
    kind = Kind(lambda _: None, first_delay=5, longest_delay=600)
    exact = min(5 * 2.0 ** (min(failures, 100) - 1), 600)
    assert exact * 0.75 <= kind.delay(failures) <= exact * 1.25


def test_two_that_failed_together_do_not_come_back_together():
    kind = Kind(lambda _: None)
    assert len({kind.delay(3) for _ in range(20)}) > 1
