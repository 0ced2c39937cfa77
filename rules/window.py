"""When a rule may act: spans of hours on days of the week, by the clock on the wall.

Example
-------
>>> night = Window((parse_span("22:00-06:00"),), (4,))
>>> night.opens(datetime(2024, 3, 1, 12, 0))  # a Friday
datetime.datetime(2024, 3, 1, 22, 0)
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from typing import Any

from rules.symbols import WEEKDAYS

_SPAN = re.compile(r"(\d\d?):(\d\d)\s*-\s*(\d\d?):(\d\d)", re.ASCII)
_DAY = 24 * 60


@dataclass(frozen=True, slots=True)
class Window:
    """The times when a rule may act.

    Attributes
    ----------
    hours
        Spans from one minute of the day up to another; one that ends before it begins goes over
        midnight, and belongs to the day on which it begins. Empty: all day.
    weekdays
        Days of the week, Monday is 0. Empty: every day.
    """

    hours: tuple[tuple[int, int], ...] = ()
    weekdays: tuple[int, ...] = ()

    def is_open(self, now: datetime) -> bool:
        """Tell whether a rule may act at `now`."""
        minute, today = now.hour * 60 + now.minute, now.weekday()
        return any(
            (begin <= minute < end and self._on(today))
            if begin < end
            else (minute >= begin and self._on(today)) or (minute < end and self._on((today - 1) % 7))
            for begin, end in self.hours or ((0, _DAY),)
        )

    def opens(self, now: datetime) -> datetime:
        """Return when a rule may act next: `now` itself while the window is open."""
        if self.is_open(now):
            return now
        days = (now.date() + timedelta(days=day) for day in range(8))
        begins = [
            datetime.combine(day, time(begin // 60, begin % 60), now.tzinfo)
            for day in days
            if self._on(day.weekday())
            for begin, _ in self.hours or ((0, _DAY),)
        ]
        return min(begin for begin in begins if begin > now)

    def _on(self, weekday: int) -> bool:
        return not self.weekdays or weekday in self.weekdays

    def plain(self) -> dict[str, Any]:
        """Return it as plain data, as in a rule file."""
        data: dict[str, Any] = {}
        if self.hours:
            data["hours"] = [f"{_clock(begin)}-{_clock(end)}" for begin, end in self.hours]
        if self.weekdays:
            data["weekdays"] = [WEEKDAYS[day] for day in self.weekdays]
        return data

    @classmethod
    def from_plain(cls, data: Mapping[str, Any]) -> "Window":
        """Read what `plain` returned.

        Raises
        ------
        ValueError
            It did not.
        """
        hours = tuple(parse_span(text) for text in data.get("hours", ()))
        return cls(hours, tuple(sorted({parse_weekday(text) for text in data.get("weekdays", ())})))


def _clock(minute: int) -> str:
    return f"{minute // 60:02}:{minute % 60:02}"


def parse_span(text: str) -> tuple[int, int]:
    """Return begin and end of ``22:00-06:00`` as minutes of the day.

    Raises
    ------
    ValueError
    """
    found = _SPAN.fullmatch(text.strip())
    if found is None:
        raise ValueError(f"{text!r} is not a span of hours")
    begin, end = int(found[1]) * 60 + int(found[2]), int(found[3]) * 60 + int(found[4])
    if int(found[2]) > 59 or int(found[4]) > 59 or begin >= _DAY or end > _DAY:
        raise ValueError(f"{text!r} has a time that no day has")
    if begin == end:
        raise ValueError(f"{text!r} begins when it ends")
    return begin, end


def parse_weekday(text: str) -> int:
    """Return the number of a day of the week, Monday is 0, by its English name or the first three letters.

    Raises
    ------
    ValueError
    """
    for number, name in enumerate(WEEKDAYS):
        if text.casefold() in (name.casefold(), name[:3].casefold()):
            return number
    raise ValueError(f"{text!r} is not a day of the week")
