"""What is known of an instance, a series or a study when rules decide on it.

`Facts` maps the names of `rules.symbols` to values as the data set or the archive has them; nothing is
converted before a rule asks for it. Reading a data set is not done here: `Needs` says what to read.

Example
-------
>>> facts = Facts({"Modality": "CT", "SliceThickness": Unknown("SliceThickness is not a number")})
>>> facts.plain()
{'Modality': 'CT', 'SliceThickness': {'unknown': 'SliceThickness is not a number', 'absent': False}}
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from types import MappingProxyType
from typing import Any

from pydicom._uid_dict import UID_dictionary

from rules.symbols import WEEKDAYS, element_of, resolve
from rules.unknown import Unknown
from rules.values import clean

__all__ = ["Facts", "Needs", "Unknown", "joined", "needs"]

_NAMES = {"sop_class.name": "sop_class.uid", "transfer_syntax.name": "transfer_syntax.uid"}


@dataclass(frozen=True, slots=True)
class Facts:
    """A frozen mapping of symbol names to raw values.

    Parameters
    ----------
    values
        By canonical name (``Modality``, ``tag["0021,1001"]``, ``origin.calling_ae``): text as sent with
        several values joined by a backslash, or a number, date, time, truth, a list of such, or
        `Unknown`. A name that is not there, or is None, is missing. Must not change any more.
    """

    values: Mapping[str, object] = field(default_factory=lambda: MappingProxyType({}))

    def get(self, name: str) -> object:
        """Return what is known under `name`, None when nothing is.

        The names of SOP class and transfer syntax follow from their UIDs.
        """
        value = self.values.get(name)
        if value is None and name in _NAMES:
            uid = self.values.get(_NAMES[name])
            if isinstance(uid, str):
                known = UID_dictionary.get(uid)
                return known[0] if known else Unknown(f"{name} is not in PS3.6")
            return uid
        return value

    def plain(self, names: Iterable[str] | None = None) -> dict[str, Any]:
        """Return as data for JSON what `from_plain` reads back: all, or what is known under `names`."""
        chosen = self.values if names is None else {name: self.get(name) for name in names}
        return {name: _safe(value) for name, value in chosen.items() if value is not None}

    @classmethod
    def from_plain(cls, data: Mapping[str, Any]) -> "Facts":
        """Read what `plain` returned."""
        return cls({name: _raw(value) for name, value in data.items()})


_NO_TYPE = {"unknown": "a value of a type that no rule can compare", "absent": False}


def _safe(value: object) -> Any:
    try:
        return _plain(value)
    except Exception:  # a value may be of any type, and do anything when looked at
        return _NO_TYPE


def _plain(value: object) -> Any:
    if isinstance(value, Unknown):
        return {"unknown": value.reason, "absent": value.absent}
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int | float):  # JSON has no infinity, and no database takes its largest numbers
        return value if -(2**53) < value < 2**53 else {"number": repr(value)}
    if isinstance(value, str):
        return clean(value)
    for name, kind in _TYPES.items():
        if isinstance(value, kind):
            return {name: _written(value)}
    if isinstance(value, Iterable) and not isinstance(value, bytes | bytearray | memoryview):
        return [_plain(part) for part in value]
    return _NO_TYPE


_TYPES: dict[str, type] = {
    "number": Decimal,
    "moment": datetime,
    "date": date,
    "time": time,
    "seconds": timedelta,
}


def _written(value: object) -> Any:
    if isinstance(value, timedelta):
        return str(Decimal(value // timedelta(microseconds=1)).scaleb(-6))  # more digits than a float has
    return str(value) if isinstance(value, Decimal) else value.isoformat()  # type: ignore[attr-defined]


def _raw(data: Any) -> object:
    if isinstance(data, list):
        return [_raw(part) for part in data]
    if not isinstance(data, dict):
        return data
    if "unknown" in data:
        return Unknown(str(data["unknown"]), bool(data.get("absent")))
    ((name, value),) = data.items()
    if name == "number":
        return Decimal(value)
    if name == "seconds":
        return timedelta(microseconds=int(Decimal(str(value)).scaleb(6)))
    return {"moment": datetime, "date": date, "time": time}[name].fromisoformat(value)  # type: ignore[attr-defined]


@dataclass(frozen=True, slots=True)
class Needs:
    """What rules ask for beyond the indexed attributes, so that only this is read.

    Attributes
    ----------
    tags
        Name in `Facts` of each further attribute, by its tag.
    private
        Name in `Facts` of each private attribute, by group, creator and last byte of its element.
    """

    tags: Mapping[int, str]
    private: Mapping[tuple[int, str, int], str]

    def __iter__(self) -> Iterator[str]:
        yield from self.tags.values()
        yield from self.private.values()


def joined(some: Iterable[Needs]) -> Needs:
    """Return what all of `some` ask for."""
    tags: dict[int, str] = {}
    private: dict[tuple[int, str, int], str] = {}
    for each in some:
        tags |= each.tags
        private |= each.private
    return Needs(tags, private)


def needs(symbols: Iterable[str], indexed: Iterable[str] = ()) -> Needs:
    """Return what must be read for `symbols` that is not in `indexed`, a set of keywords."""
    known = frozenset(indexed)
    tags: dict[int, str] = {}
    private: dict[tuple[int, str, int], str] = {}
    for name in sorted(set(symbols) - known):
        element = element_of(resolve(name))
        if isinstance(element, int):
            tags[element] = name
        elif element is not None:
            private[element] = name
    return Needs(tags, private)


def clock_facts(now: datetime) -> dict[str, object]:
    """Return the facts ``time.*``, by the wall clock of `now`."""
    return {"time.hour": now.hour, "time.minute": now.minute, "time.weekday": WEEKDAYS[now.weekday()]}
