"""Whether something may be sent to a destination now, and if not, when it may be looked at again.

Pure: the moment is passed in.
"""

from datetime import datetime

from node.delivery.breaker import Breaker, State
from rules.window import Window
from storage.records.deliveries import Destination

UNTIL_TOLD = 3600.0
"""Seconds to sleep where only a change that is told of can open the gate."""


def waits(destination: Destination, breaker: Breaker, now: datetime, *, first: bool) -> float:
    """Return the seconds that one of its lanes is to wait before it sends; 0: none.

    An open breaker lets nobody through, however long one waits: it is to be asked then (see `may_probe`).

    Parameters
    ----------
    now
        In the zone of the clock on the wall, by which windows go.
    first
        It is the lane that goes ahead while nobody knows whether the destination works again.
    """
    shut = _shut(destination, now)
    if shut > 0:
        return shut
    if breaker.state is State.CLOSED or (breaker.state is State.HALF_OPEN and first):
        return 0.0
    return max(breaker.waits(now), 0.001) if first else UNTIL_TOLD


def may_probe(destination: Destination, breaker: Breaker, now: datetime) -> bool:
    """Tell whether a destination that was given up is to be asked now whether it works again."""
    due = breaker.state is State.OPEN and breaker.waits(now) <= 0
    return due and _shut(destination, now) <= 0


def _shut(destination: Destination, now: datetime) -> float:
    """Return the seconds for which a person wants nothing to be sent."""
    if destination.paused:
        return UNTIL_TOLD
    if destination.window is None:
        return 0.0
    opens = Window.from_plain(destination.window).opens(now)
    return min(max((opens - now).total_seconds(), 0.0), UNTIL_TOLD)
