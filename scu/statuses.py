"""What the status of a response means, and whether asking again can help (PS3.7 annex C, PS3.4)."""

from dataclasses import dataclass
from enum import StrEnum

from scu.wire.command import CommandField


class Category(StrEnum):
    """Kinds of status (PS3.7 annex C)."""

    SUCCESS = "success"
    PENDING = "pending"
    CANCEL = "cancel"
    WARNING = "warning"
    FAILURE = "failure"


@dataclass(frozen=True, slots=True)
class Meaning:
    """One status in words; `retry` says whether the same request may succeed later."""

    category: Category
    words: str
    retry: bool = False


_W, _F = Category.WARNING, Category.FAILURE

_GENERAL = {  # PS3.7 annex C
    0x0000: Meaning(Category.SUCCESS, "success"),
    0x0001: Meaning(_W, "requested optional attributes are not supported"),
    0x0105: Meaning(_F, "no such attribute"),
    0x0106: Meaning(_F, "an attribute has an invalid value"),
    0x0107: Meaning(_W, "some attributes were not recognized"),
    0x0110: Meaning(_F, "processing failure", retry=True),
    0x0111: Meaning(_F, "the instance is there already"),
    0x0112: Meaning(_F, "no such instance"),
    0x0113: Meaning(_F, "no such event type"),
    0x0114: Meaning(_F, "no such argument"),
    0x0115: Meaning(_F, "an argument has an invalid value"),
    0x0116: Meaning(_W, "an attribute is out of range"),
    0x0117: Meaning(_F, "the UID breaks the rules for UIDs"),
    0x0118: Meaning(_F, "no such SOP class"),
    0x0119: Meaning(_F, "the instance is not of this SOP class"),
    0x0120: Meaning(_F, "a required attribute is missing"),
    0x0121: Meaning(_F, "a required value is missing"),
    0x0122: Meaning(_F, "the SOP class is not supported"),
    0x0123: Meaning(_F, "no such action"),
    0x0124: Meaning(_F, "this node is not authorized for that"),
    0x0210: Meaning(_F, "the Message ID is in use"),
    0x0211: Meaning(_F, "it does not know this operation"),
    0x0212: Meaning(_F, "an argument of this operation is not one"),
    0x0213: Meaning(_F, "its resources are limited", retry=True),
    0xFE00: Meaning(Category.CANCEL, "cancelled"),
}
_EXACT, _BYTE, _NIBBLE = 0xFFFF, 0xFF00, 0xF000  # how much of a status counts; the rest is the sender's own
_MORE = Meaning(Category.PENDING, "more answers follow")
_STORE = {  # PS3.4 table B.2-1
    (_BYTE, 0xA700): Meaning(_F, "out of resources", retry=True),
    (_BYTE, 0xA900): Meaning(_F, "the data set does not match its SOP class"),
    (_BYTE, 0xB000): Meaning(_W, "stored, with elements changed, discarded or not matching the SOP class"),
    (_NIBBLE, 0xC000): Meaning(_F, "cannot understand the data set"),
}
_FIND = {  # PS3.4 table C.4-1
    (_BYTE, 0xA700): Meaning(_F, "out of resources", retry=True),
    (_BYTE, 0xA900): Meaning(_F, "the query does not match the SOP class"),
    (_NIBBLE, 0xC000): Meaning(_F, "unable to process the query", retry=True),
    (_EXACT, 0xFF00): _MORE,
    (_EXACT, 0xFF01): _MORE,  # some optional keys are not supported
}
_RETRIEVE = {  # PS3.4 tables C.4-2 and C.4-3
    (_EXACT, 0xA701): Meaning(_F, "out of resources: it cannot count the matches", retry=True),
    (_EXACT, 0xA702): Meaning(_F, "out of resources: it cannot send", retry=True),
    (_EXACT, 0xA801): Meaning(_F, "it does not know the destination of the move"),
    (_BYTE, 0xA700): Meaning(_F, "out of resources", retry=True),
    (_BYTE, 0xA900): Meaning(_F, "the request does not match the SOP class"),
    (_BYTE, 0xB000): Meaning(_W, "ended, but some instances were not sent"),
    (_NIBBLE, 0xC000): Meaning(_F, "unable to process the request", retry=True),
    (_EXACT, 0xFF00): Meaning(Category.PENDING, "instances are being sent"),
}
_SERVICES = {
    CommandField.C_STORE_RSP: _STORE,
    CommandField.C_FIND_RSP: _FIND,
    CommandField.C_MOVE_RSP: _RETRIEVE,
    CommandField.C_GET_RSP: _RETRIEVE,
}


def meaning(field: CommandField, status: int) -> Meaning:
    """Return what `status` says in the response `field`; unknown ones are failures (PS3.7 C.5)."""
    if status in _GENERAL:
        return _GENERAL[status]
    service = _SERVICES.get(field, {})
    for mask in (_EXACT, _BYTE, _NIBBLE):
        if (mask, status & mask) in service:
            return service[mask, status & mask]
    if status >> 12 == 0xB:  # PS3.7 C.3
        return Meaning(Category.WARNING, "an unknown warning")
    return Meaning(Category.FAILURE, "an unknown failure")
