"""What no test leaves behind for the next one in the same process."""

from collections.abc import Iterator

import pytest
import structlog


@pytest.fixture(autouse=True)
def _fresh_logs() -> Iterator[None]:
    """A command that was run in this process has set up logging its own way."""
    yield
    structlog.reset_defaults()
