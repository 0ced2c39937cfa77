"""Errors carry whether to try again, and what to look at."""

import pytest

from scu.errors import CannotConnect, Failed, NotAccepted, PeerFault, Rejected, ScuError, TimedOut


@pytest.mark.parametrize("kind", [CannotConnect, NotAccepted, PeerFault, Rejected, TimedOut])
def test_every_kind_is_an_scu_error(kind: type[ScuError]) -> None:
    error = kind("what happened", retry=True, advice="look there")
    assert isinstance(error, ScuError)
    assert (str(error), error.retry, error.advice) == ("what happened", True, "look there")


def test_a_failure_has_its_status() -> None:
    error = Failed("what happened", status=0xA700, retry=False)
    assert (error.status, error.retry, error.advice) == (0xA700, False, "")
