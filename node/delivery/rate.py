"""So many a second and not more: each gets its moment, evenly spread.

Pure: the clock is passed in.

Example
-------
>>> rate = Rate(10)
>>> [round(rate.take(100.0), 3) for _ in range(3)]
[0.0, 0.1, 0.2]
"""

SLACK = 0.1
"""Seconds that whoever comes late to its moment may make up for."""


class Rate:
    """Gives out moments; for one thread, or under a lock.

    Parameters
    ----------
    per_second
        How many; 0: no limit.
    """

    def __init__(self, per_second: float) -> None:
        self.per_second = per_second
        self._next: float | None = None

    def take(self, now: float) -> float:
        """Return the seconds to wait for the next moment, which is then given away.

        Parameters
        ----------
        now
            Seconds of a clock that never runs backwards.
        """
        if self.per_second <= 0:
            return 0.0
        moment = now if self._next is None else max(self._next, now - SLACK)
        self._next = moment + 1 / self.per_second
        return max(moment - now, 0.0)
