"""What a test does when a program that it needs is not on this machine."""

import os
from typing import NoReturn

import pytest


def missing(reason: str) -> NoReturn:
    """Skip the test that runs, for `reason`. With CI set it fails: there, nothing may go untested unseen."""
    if os.environ.get("CI"):
        pytest.fail(f"{reason}; with CI set this may not be skipped", pytrace=False)
    pytest.skip(reason)
