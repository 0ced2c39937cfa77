"""The items that A-ASSOCIATE PDUs are made of: type, length, value (PS3.8 9.3.2, PS3.7 annex D.3.3)."""

import struct
from collections.abc import Iterator

from scu.wire.errors import ProtocolError

APPLICATION_CONTEXT = 0x10
PRESENTATION_CONTEXT_RQ, PRESENTATION_CONTEXT_AC = 0x20, 0x21
ABSTRACT_SYNTAX, TRANSFER_SYNTAX = 0x30, 0x40
USER_INFORMATION = 0x50
MAXIMUM_LENGTH = 0x51
IMPLEMENTATION_CLASS_UID = 0x52
OPERATIONS_WINDOW = 0x53
ROLE_SELECTION = 0x54
IMPLEMENTATION_VERSION_NAME = 0x55
EXTENDED_NEGOTIATION = 0x56

_HEADER = struct.Struct(">BxH")


def item(kind: int, value: bytes) -> bytes:
    """Return one item.

    Raises
    ------
    ProtocolError
        The value is longer than an item can be, as only answers to absurd requests are.
    """
    if len(value) > 0xFFFF:
        raise ProtocolError(f"A-ASSOCIATE: item 0x{kind:02X} of {len(value)} bytes cannot be told", reason=6)
    return _HEADER.pack(kind, len(value)) + value


def items(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield type and value of each item; the caller skips types that it does not know (PS3.8 9.3.1).

    Raises
    ------
    ProtocolError
        An item does not fit.
    """
    position, end = 0, len(data)
    while position < end:
        if position + 4 > end:
            raise ProtocolError("A-ASSOCIATE: cut off within an item header", reason=6)
        kind, length = _HEADER.unpack_from(data, position)
        position += 4
        if position + length > end:
            raise ProtocolError(f"A-ASSOCIATE: item 0x{kind:02X} of {length} bytes does not fit", reason=6)
        yield kind, data[position : position + length]
        position += length


def uid_item(kind: int, uid: str) -> bytes:
    """Return an item that holds a UID, which is not padded here (PS3.8 annex F)."""
    return item(kind, uid.encode("ascii", "replace"))


def text(raw: bytes) -> str:
    """Return a UID, name or AE title without padding; what is not printable ASCII comes as ``?``."""
    return "".join(chr(c) if 32 <= c < 127 else "?" for c in raw.strip(b" \0"))


def named(data: bytes) -> tuple[str, bytes]:
    """Split the value of a sub-item that begins with a UID and its length (PS3.7 D.3.3.4, D.3.3.5).

    Raises
    ------
    ProtocolError
        The UID does not fit.
    """
    length = int.from_bytes(data[:2], "big")
    if len(data) < 2 + length:
        raise ProtocolError("A-ASSOCIATE: a UID does not fit into its item", reason=6)
    return text(data[2 : 2 + length]), data[2 + length :]


def name_item(kind: int, uid: str, data: bytes) -> bytes:
    """Return a sub-item that begins with a UID and its length."""
    raw = uid.encode("ascii", "replace")
    return item(kind, struct.pack(">H", len(raw)) + raw + data)
