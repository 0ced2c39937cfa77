"""How long to wait after a failure: twice as long each time, up to a ceiling, and never quite the same.

Pure: the dice are thrown elsewhere.

Example
-------
>>> [Backoff(5, 60).delay(failures) for failures in (1, 2, 3, 4, 5, 99)]
[5.0, 10.0, 20.0, 40.0, 60.0, 60.0]
"""

from dataclasses import dataclass

_DOUBLINGS = 64  # beyond it every ceiling has been reached


@dataclass(frozen=True, slots=True)
class Backoff:
    """Waits that grow.

    Attributes
    ----------
    first
        Seconds after the first failure.
    ceiling
        Seconds that no wait exceeds.
    """

    first: float
    ceiling: float

    def delay(self, failures: int, dice: float = 1.0) -> float:
        """Return the seconds to wait after so many failures, from 1, one after the other.

        Parameters
        ----------
        dice
            From 0 to 1. What failed at the same moment is not tried again at the same moment: the wait is
            between half of it and the whole.
        """
        whole = self.first * 2.0 ** min(failures - 1, _DOUBLINGS)
        return min(whole, self.ceiling) * (0.5 + dice / 2)

    def total(self, failures: int) -> float:
        """Return the seconds that so many failures have been waited for, together."""
        growing = 0
        while growing < min(failures, _DOUBLINGS) and self.first * 2.0**growing < self.ceiling:
            growing += 1
        return self.first * (2.0**growing - 1) + (failures - growing) * self.ceiling
