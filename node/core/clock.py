"""The one place that asks the time, so that tests can hold it still."""

import time
from datetime import UTC, datetime


def now() -> datetime:
    """Return the present moment, aware, in UTC."""
    return datetime.now(UTC)


def monotonic() -> float:
    """Return seconds that never run backwards; only differences mean anything."""
    return time.monotonic()
