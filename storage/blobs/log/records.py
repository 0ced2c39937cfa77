"""How a blob lies in a segment: a header of 256 bytes, the blob, and zeros up to the next block of 4 KiB.

The header holds the blob's key, so that a segment tells by itself what is in it, and a checksum that depends
on where it lies: image data that looks like a header is none. Its state is outside of the checksum, to be
changed in place when the blob is deleted. Blocks let a deleted blob's space be given back.

Example
-------
>>> place = Place("0123456789ab", 3, 4096, 525)
>>> Place.of(place.key("instances/2026/0102/0304", 7))
Place(token='0123456789ab', segment=3, offset=4096, length=525)
"""

import re
import struct
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Self

BLOCK = 4096
HEADER = 256
LIVE, DELETED = b"L", b"D"
STATE_AT = 8
"""Byte of the header that is its state."""

_HEAD = struct.Struct("<8scxHLQ")  # magic, state, length of key, checksum, bytes of the blob
_MAGIC = b"ISOCBLOB"
_NAME = re.compile(r"([0-9a-f]{12})-[0-9a-f]{8,16}-([0-9a-f]{1,8})-([0-9a-f]{1,12})-([0-9a-f]{1,12})")

Read = Callable[[int, int], bytes]
"""Offset and length to bytes, fewer at the end."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a blob lies: the writer's token, its segment, the offset of the header, and the blob's bytes."""

    token: str
    segment: int
    offset: int
    length: int

    @classmethod
    def of(cls, key: str) -> Self | None:
        """Read it from a key; None when the key is not that of a blob in a log."""
        match = _NAME.fullmatch(key.rpartition("/")[2])
        if match is None:
            return None
        return cls(match[1], int(match[2], 16), int(match[3], 16), int(match[4], 16))

    def key(self, folder: str, serial: int) -> str:
        """Return the key of the blob; keys of one token sort in the order of their serials."""
        return f"{folder}/{self.token}-{serial:08x}-{self.segment:x}-{self.offset:x}-{self.length:x}"


@dataclass(frozen=True, slots=True)
class Record:
    """A header that was found in a segment."""

    key: str
    offset: int
    length: int
    live: bool


def span(length: int) -> int:
    """Return the bytes that a blob of `length` bytes takes in a segment, a multiple of `BLOCK`."""
    return -(-(HEADER + length) // BLOCK) * BLOCK


def pack(key: str, offset: int, length: int) -> bytes:
    """Return the header of a blob at `offset`."""
    name = key.encode("ascii")
    head = _HEAD.pack(_MAGIC, LIVE, len(name), _checksum(name, offset, length), length)
    return (head + name).ljust(HEADER, b"\0")


def unpack(data: bytes, offset: int) -> Record | None:
    """Return the header at `offset`; None when there is none."""
    if len(data) < HEADER or not data.startswith(_MAGIC):
        return None
    _, state, size, checksum, length = _HEAD.unpack_from(data)
    name = data[_HEAD.size : _HEAD.size + size]
    if len(name) != size or checksum != _checksum(name, offset, length):
        return None
    return Record(name.decode("ascii", "replace"), offset, length, state == LIVE)


def scan(read: Read, size: int, start: int = BLOCK) -> Iterator[Record]:
    """Yield every record of a segment of `size` bytes, deleted ones too.

    Where a writer died between two others there is no header: then the next block is tried.
    """
    offset = start
    while offset + HEADER <= size:
        found = unpack(read(offset, HEADER), offset)
        if found is not None:
            yield found
            offset += span(found.length)
        else:
            offset += BLOCK


def _checksum(name: bytes, offset: int, length: int) -> int:
    return zlib.crc32(struct.pack("<QQ", offset, length), zlib.crc32(name))
