"""The keys of blobs: ``area/YYYY/MMDD/HHMM/name``, the same in every store.

The minute (UTC) keeps folders small and lets the recent ones be found; the name begins with a token of the
writing process, so that it is known whose blob it is. A key says nothing about the patient.

Example
-------
>>> maker = KeyMaker(clock=lambda: 0.0, token="0123456789ab")
>>> maker.next("instances")
'instances/1970/0101/0000/0123456789ab-0'
"""

import os
import re
import secrets
import time
from collections.abc import Callable
from itertools import count

from storage.errors import NotFound

_AREA = re.compile(r"[a-z]{1,32}")
# What follows the serial says where in a log the blob lies (log/records.py).
_KEY = re.compile(
    r"[a-z]{1,32}/\d{4}/\d{4}/\d{4}/[0-9a-f]{12}-[0-9a-f]{1,16}"
    r"(?:-[0-9a-f]{1,8}-[0-9a-f]{1,12}-[0-9a-f]{1,12})?",
    re.ASCII,
)

Clock = Callable[[], float]
"""Seconds since 1970, UTC; `time.time` but in tests."""


def new_token() -> str:
    """Return a token that no other process has: 48 random bits."""
    return secrets.token_hex(6)


def check_area(area: str) -> str:
    """Return `area`. Raises ValueError when it is not a word of small letters."""
    if _AREA.fullmatch(area) is None:
        raise ValueError(f"a blob's area is a word of small letters, not {area!r}")
    return area


def check_key(key: str) -> str:
    """Return `key`. What is none (``..``, absolute, NUL, too long) names no blob and raises NotFound."""
    if _KEY.fullmatch(key) is None:
        raise NotFound(f"no blob has such a key: {key[:120]!r}")
    return key


def is_key(key: str) -> bool:
    """Tell whether `key` could be that of a blob."""
    return _KEY.fullmatch(key) is not None


def minute_folder(area: str, minute: int) -> str:
    """Return the first four parts of the keys of `area` in `minute` (since 1970)."""
    moment = time.gmtime(minute * 60)
    return f"{area}/{moment[0]:04}/{moment[1]:02}{moment[2]:02}/{moment[3]:02}{moment[4]:02}"


class KeyMaker:
    """Makes keys that no other has, in this process or any other."""

    def __init__(self, clock: Clock = time.time, token: str | None = None) -> None:
        self.token = token or new_token()
        self._clock = clock
        self._pid = os.getpid()
        self._serial = count()
        self._folders: dict[str, tuple[int, str]] = {}

    @property
    def is_inherited(self) -> bool:
        """Whether a parent process made it: its token must not be used here."""
        return os.getpid() != self._pid

    def next(self, area: str) -> str:
        """Return a new key in `area`."""
        minute = int(self._clock()) // 60
        known = self._folders.get(area)
        if known is None or known[0] != minute:
            known = self._folders[area] = (minute, minute_folder(check_area(area), minute))
        return f"{known[1]}/{self.token}-{next(self._serial):x}"
