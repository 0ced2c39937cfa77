"""Which UIDs may name something in this node (PS3.5 9.1)."""

import re

_UID = re.compile(r"[0-9]+(?:\.[0-9]+)*")

MAX_LENGTH = 64


def is_uid(text: str) -> bool:
    """Say whether `text` is a UID: digits and dots, at most 64 characters.

    Leading zeros in a component break the Standard too, but do no harm and are out in the world.
    """
    return len(text) <= MAX_LENGTH and _UID.fullmatch(text) is not None
