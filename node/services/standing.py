"""How a destination is doing, in a word and in a sentence. Pure: no clock and no database."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from rules.window import Window
from storage.records.deliveries import DeliveryState, Destination


class State(StrEnum):
    """What a destination does, or why it does not; the first that applies."""

    UNKNOWN = "unknown"  # its peer was removed
    PAUSED = "paused"
    DOWN = "down"
    CLOSED = "closed"
    FAILING = "failing"
    SENDING = "sending"
    QUEUED = "queued"
    WAITING = "waiting"
    IDLE = "idle"


TROUBLE = frozenset((State.UNKNOWN, State.DOWN))
"""States in which nothing is delivered although somebody wants it to be."""


@dataclass(frozen=True, slots=True)
class Standing:
    """How a destination is doing.

    Attributes
    ----------
    words
        The state in a sentence.
    held, waiting, queued, sending, dead, delivered
        Deliveries in each state.
    oldest
        When the oldest was queued that is queued, waiting or being sent; None: there is none.
    settings
        Its record.
    """

    name: str
    state: State
    words: str
    held: int
    waiting: int
    queued: int
    sending: int
    dead: int
    oldest: datetime | None
    settings: Destination

    @property
    def troubled(self) -> bool:
        """Whether a person should look: nothing can be delivered."""
        return self.state in TROUBLE


def standing(
    settings: Destination,
    counts: Mapping[DeliveryState, int],
    oldest: datetime | None,
    known: bool,
    now: datetime,
) -> Standing:
    """Return how a destination is doing.

    Parameters
    ----------
    known
        Whether there is a peer of its name.
    """
    state = _state(settings, counts, known, now)
    return Standing(
        settings.name,
        state,
        _words(state, settings, now),
        counts.get(DeliveryState.HELD, 0),
        counts.get(DeliveryState.WAITING, 0),
        counts.get(DeliveryState.QUEUED, 0),
        counts.get(DeliveryState.SENDING, 0),
        counts.get(DeliveryState.DEAD, 0),
        oldest,
        settings,
    )


def _state(settings: Destination, counts: Mapping[DeliveryState, int], known: bool, now: datetime) -> State:
    applies = {
        State.UNKNOWN: not known,
        State.PAUSED: settings.paused,
        State.DOWN: settings.opened_at is not None,
        State.CLOSED: not _window(settings).is_open(now.astimezone()),
        State.FAILING: settings.failures > 0,
        State.SENDING: counts.get(DeliveryState.SENDING, 0) > 0,
        State.QUEUED: counts.get(DeliveryState.QUEUED, 0) > 0,
        State.WAITING: counts.get(DeliveryState.WAITING, 0) > 0,
    }
    return next((state for state, holds in applies.items() if holds), State.IDLE)


def _words(state: State, settings: Destination, now: datetime) -> str:
    error = f": {settings.error.rstrip('.')}" if settings.error else ""
    if state is State.DOWN:
        probe = settings.probe_at
        again = (
            f"; it is asked again at {_clock(probe)}" if probe and probe > now else "; it is asked again now"
        )
        return f"down since {_clock(settings.opened_at)}{error}{again}"
    if state is State.CLOSED:
        opens = _window(settings).opens(now.astimezone())
        return f"outside its hours until {opens:%Y-%m-%d %H:%M} by the clock on the wall"
    if state is State.FAILING:
        return f"failed {settings.failures} time{'s' if settings.failures > 1 else ''} in a row{error}"
    return {
        State.UNKNOWN: "there is no peer of this name any more, so nothing can be delivered",
        State.PAUSED: "paused by a person",
        State.SENDING: "sending",
        State.QUEUED: "a worker is to take it up",
        State.WAITING: "what failed is tried again later",
        State.IDLE: "nothing to do",
    }[state]


def _window(settings: Destination) -> Window:
    return Window.from_plain(settings.window or {})


def _clock(moment: datetime | None) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S}Z" if moment else "?"
