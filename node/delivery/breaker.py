"""The circuit breaker of a destination: after failures in a row it is left alone, and asked now and then.

closed -> open: it failed so many times, one after the other
open -> half-open: it answered a probe
half-open -> closed: it took something; -> open: it failed again, and is asked less often than before

Pure: the moments are given, and the dice are thrown elsewhere.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Self

from node.delivery.backoff import Backoff
from storage.records.deliveries import Destination


class State(StrEnum):
    """Where a breaker stands."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half-open"


@dataclass(frozen=True, slots=True)
class Breaker:
    """One breaker at one moment; what happens makes another one of it.

    Attributes
    ----------
    limit
        Failures in a row that open it.
    backoff
        Waits between probes.
    failures
        In a row, up to now.
    opened_at
        Since when it is open; None: it is not.
    probe_at
        When the destination is to be asked.
    """

    limit: int
    backoff: Backoff
    failures: int = 0
    opened_at: datetime | None = None
    probe_at: datetime | None = None

    @classmethod
    def of(cls, destination: Destination, limit: int, backoff: Backoff) -> Self:
        """Return the breaker as it was left, perhaps by another worker."""
        return cls(limit, backoff, destination.failures, destination.opened_at, destination.probe_at)

    @property
    def state(self) -> State:
        """Where it stands."""
        if self.opened_at is not None:
            return State.OPEN
        return State.HALF_OPEN if self.failures >= self.limit else State.CLOSED

    def failed(self, now: datetime, dice: float) -> Self:
        """Return it after a failure of the destination, a probe included; `dice` as in `Backoff.delay`."""
        failures = self.failures + 1
        if failures < self.limit:
            return replace(self, failures=failures)
        wait = self.backoff.delay(failures - self.limit + 1, dice)
        opened_at = now if self.opened_at is None else self.opened_at
        return replace(self, failures=failures, opened_at=opened_at, probe_at=now + timedelta(seconds=wait))

    def answered(self) -> Self:
        """Return it after a probe that was answered."""
        return replace(self, opened_at=None, probe_at=None)

    def succeeded(self) -> Self:
        """Return it after the destination took something."""
        return replace(self, failures=0, opened_at=None, probe_at=None)

    def hastened(self, at: datetime) -> Self:
        """Return it after a person has asked for a probe at `at`."""
        if self.opened_at is None or self.probe_at is None or at >= self.probe_at:
            return self
        return replace(self, probe_at=at)

    def waits(self, now: datetime) -> float:
        """Return the seconds until something may be asked of the destination; 0 now."""
        if self.probe_at is None:
            return 0.0
        return max((self.probe_at - now).total_seconds(), 0.0)
