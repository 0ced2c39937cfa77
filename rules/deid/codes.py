"""From an attribute to what is done with it: the action codes of PS3.15 Table E.1-1a, resolved.

Where the table leaves a choice ("X/Z/D": removed, unless the IOD needs it empty or with a value), the one is
taken that no IOD can object to: the value is lost either way, and it need not be known whether the attribute
is of type 1, 2 or 3 there.
"""

from enum import Enum, auto

from pydicom.datadict import dictionary_VR

from rules.deid.table import ACTIONS


class Action(Enum):
    """What is done with an attribute."""

    REMOVE = auto()
    EMPTY = auto()
    DUMMY = auto()  # a value that says nothing
    UID = auto()  # another UID for each
    WALK = auto()  # nothing with the sequence itself, but with what is in its items


CODES = {
    "X": Action.REMOVE,
    "Z": Action.EMPTY,
    "D": Action.DUMMY,
    "U": Action.UID,
    "X/Z": Action.EMPTY,
    "X/D": Action.DUMMY,
    "Z/D": Action.DUMMY,
    "X/Z/D": Action.DUMMY,
    "X/Z/U*": Action.WALK,
}
"""The codes that the Basic Profile has; K and C come only with options."""

_FIRST = 0x00080000  # of a dataset: below are commands, File Meta Information and directories
_PADDING = 0xFFFCFFFC


def vr_of(tag: int) -> str:
    """Return the VR that PS3.6 gives an attribute, the first of several; empty when it is not known."""
    try:
        return dictionary_VR(tag).partition(" ")[0]
    except KeyError:
        return ""


def action_for(tag: int) -> Action | None:
    """Return what is done with an attribute; None: it stays.

    Beyond the table goes whatever could hold anything: what PS3.6 does not know, all of the groups of
    curves and overlays whose data the table removes, group lengths, padding, and groups below 0008.
    """
    return _TABLE[tag] if tag in _TABLE else _beyond(tag)


def _beyond(tag: int) -> Action | None:
    group, element = tag >> 16, tag & 0xFFFF
    strange = group & 1 or element == 0 or group & 0xFF00 in (0x5000, 0x6000) or tag == _PADDING
    return Action.REMOVE if strange or tag < _FIRST or not vr_of(tag) else None


def _resolved(tag: int, code: str) -> Action:
    """Return the action for a code; another UID is the dummy of a UID."""
    action = CODES[code]
    return Action.UID if action is Action.DUMMY and vr_of(tag) == "UI" else action


_TABLE = {tag: _resolved(tag, code) for tag, code in ACTIONS.items() if tag >= _FIRST}
