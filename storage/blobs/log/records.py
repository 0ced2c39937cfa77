"""How a blob lies in a segment: a header of 256 bytes, the blob, its note if it has one, zeros up to 4 KiB.

The header holds the blob's key, so that a segment tells by itself what is in it, and a checksum that depends
on where it lies: image data that looks like a header is none. Its state is outside of the checksum, to be
changed in place when the blob is deleted. Blocks let a deleted blob's space be given back. A note says what
the index is to know of the blob: one that has it needs no record in a database to be durable (journal.py).

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
_NOTED_HEAD = struct.Struct("<8scxHLQLL")  # and bytes of the note, its checksum
_OFFSET_BITS = 40  # of the longest segment, by far
_MAGIC = b"ISOCBLOB"
_NOTED = b"ISOCNOTE"
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
    """A header that was found in a segment.

    Attributes
    ----------
    length, note
        Bytes of the blob, and of the note behind it.
    checksum
        CRC-32 of the note.
    """

    key: str
    offset: int
    length: int
    live: bool
    note: int = 0
    checksum: int = 0

    @property
    def end(self) -> int:
        """Where the next one begins."""
        return self.offset + span(self.length + self.note)


def position(segment: int, offset: int) -> int:
    """Return a place in a log as one number, which grows as the log does."""
    return segment << _OFFSET_BITS | offset


def segment_and_offset(position: int) -> tuple[int, int]:
    """Return the segment and the offset in it that `position` made one number of."""
    return position >> _OFFSET_BITS, position & ((1 << _OFFSET_BITS) - 1)


def span(length: int) -> int:
    """Return the bytes that `length` bytes of blob and note take in a segment, a multiple of `BLOCK`."""
    return -(-(HEADER + length) // BLOCK) * BLOCK


def pack(key: str, offset: int, length: int, note: bytes = b"") -> bytes:
    """Return the header of a blob at `offset`."""
    name = key.encode("ascii")
    if note:
        checksum, mark = _checksum(name, offset, length, len(note)), zlib.crc32(note)
        head = _NOTED_HEAD.pack(_NOTED, LIVE, len(name), checksum, length, len(note), mark)
    else:
        head = _HEAD.pack(_MAGIC, LIVE, len(name), _checksum(name, offset, length), length)
    return (head + name).ljust(HEADER, b"\0")


def unpack(data: bytes, offset: int) -> Record | None:
    """Return the header at `offset`; None when there is none."""
    if len(data) < HEADER:
        return None
    note = mark = 0
    if data.startswith(_NOTED):
        _, state, size, checksum, length, note, mark = _NOTED_HEAD.unpack_from(data)
        begin = _NOTED_HEAD.size
    elif data.startswith(_MAGIC):
        _, state, size, checksum, length = _HEAD.unpack_from(data)
        begin = _HEAD.size
    else:
        return None
    name = data[begin : begin + size]
    if len(name) != size or checksum != _checksum(name, offset, length, note):
        return None
    return Record(name.decode("ascii", "replace"), offset, length, state == LIVE, note, mark)


def scan(read: Read, size: int, start: int = BLOCK) -> Iterator[Record]:
    """Yield every record of a segment of `size` bytes, deleted ones too.

    Where a writer died between two others there is no header: then the next block is tried.
    """
    offset = start
    while offset + HEADER <= size:
        found = unpack(read(offset, HEADER), offset)
        if found is not None:
            yield found
            offset = found.end
        else:
            offset += BLOCK


def _checksum(name: bytes, offset: int, length: int, note: int = 0) -> int:
    numbers = struct.pack("<QQL", offset, length, note) if note else struct.pack("<QQ", offset, length)
    return zlib.crc32(numbers, zlib.crc32(name))
