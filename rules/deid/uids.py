"""UIDs in the place of UIDs: the same under one key, and nothing can be told from them without it."""

import hmac

from pydicom.config import IGNORE
from pydicom.uid import UID

KEY_BYTES = 32
"""Of a key."""


def replaced(key: bytes, uid: str) -> str:
    """Return the UID that stands for `uid` under `key`.

    It is one made of a UUID (PS3.5 B.2) whose bits are HMAC-SHA256. What is no UID gets one too; what is
    empty stays so, and what the Standard itself has defined (PS3.6 A) stays as it is.
    """
    own = uid.strip(" \0")
    if not own or UID(own, IGNORE).type:
        return own
    bits = int.from_bytes(hmac.digest(key, own.encode("utf-8", "surrogatepass"), "sha256")[:16], "big")
    bits = bits & ~(0xF << 76) | 8 << 76  # version 8 of RFC 9562: made as its maker likes
    bits = bits & ~(0x3 << 62) | 2 << 62  # the variant that RFC describes
    return f"2.25.{bits}"
