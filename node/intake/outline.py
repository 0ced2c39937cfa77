"""Where the element headers of a dataset stand, told only as far as nothing in it is unusual.

It is for learning what the next dataset will look like (`node.intake.shapes`), not for judging this one:
where anything is odd it stops, and what it lists is what `node.intake.walker` finds there too.
"""

import struct
from typing import NamedTuple

from node.intake.syntax import LONG_VRS, SEQUENCES, SHORT_VRS
from node.intake.walker import ILLEGAL, UNDEFINED, Buffer

MAX_DEPTH = 8
"""Sequences within sequences that are followed; deeper ones are unusual."""

_ITEM, _SEQUENCE_END = 0xFFFEE000, 0xFFFEE0DD
_ITEM_END = b"\xfe\xff\x0d\xe0"
_PIXEL_DATA = 0x7FE00010

_EXPLICIT = struct.Struct("<HH2sH")
_IMPLICIT = struct.Struct("<HHL")
_LENGTH = struct.Struct("<L")
_VRS = SHORT_VRS | LONG_VRS


class Entry(NamedTuple):
    """The header of an element, an item or a delimiter.

    Attributes
    ----------
    begin
        Offset of the header.
    end
        Offset of the next header.
    size
        Bytes of the header: 8 or 12; its length field is last.
    vr
        Empty in Implicit VR, of items and of delimiters.
    length
        As the header says.
    top
        An element of the top level.
    plain
        An element of the top level that is no sequence: its value is `length` bytes, whatever they are.
    """

    begin: int
    end: int
    size: int
    tag: int
    vr: bytes
    length: int
    top: bool
    plain: bool


class _Unusual(Exception):
    """Something that only the walker can tell what it is."""


def outline(data: Buffer, *, explicit: bool) -> list[Entry]:
    """Return the headers of a dataset in Little Endian, in order, up to the first that is unusual.

    The last is the first one at the top level whose value goes beyond `data`, if there is such. Sequences are
    listed whole or not at all.
    """
    if bytes(data[:2]) == b"\xff\xfe" or (not explicit and bytes(data[4:6]) in _VRS):
        return []  # its encoding may be another than is said
    return _Outliner(data, explicit).run()


class _Outliner:
    def __init__(self, data: Buffer, explicit: bool) -> None:
        self._data = data
        self._explicit = explicit
        self._entries: list[Entry] = []

    def run(self) -> list[Entry]:
        size = len(self._data)
        position = 0
        while position < size:
            complete = len(self._entries)
            try:
                position = self._element(position, size, 0)
            except (_Unusual, struct.error):
                del self._entries[complete:]
                break
        return self._entries

    def _element(self, position: int, end: int, depth: int) -> int:
        """List an element and what is in it; return where the next begins."""
        size, vr = 8, b""
        if self._explicit:
            group, number, vr, length = _EXPLICIT.unpack_from(self._data, position)
            if vr in LONG_VRS:
                size, length = 12, _LENGTH.unpack_from(self._data, position + 8)[0]
        else:
            group, number, length = _IMPLICIT.unpack_from(self._data, position)
        tag = group << 16 | number
        if self._explicit:
            sequence = vr == b"SQ"
        else:
            sequence = tag in SEQUENCES or (length == UNDEFINED and tag != _PIXEL_DATA)
        if (
            group in ILLEGAL
            or (self._explicit and vr not in _VRS)
            or (length == UNDEFINED and not sequence)
            or (depth and position + size + length > end and not sequence)
        ):
            raise _Unusual
        begin, top = position + size, depth == 0
        stop = begin if sequence else begin + length
        self._entries.append(Entry(position, stop, size, tag, vr, length, top, top and not sequence))
        return self._sequence(begin, length, end, depth) if sequence else stop

    def _sequence(self, position: int, length: int, end: int, depth: int) -> int:
        unbounded = length == UNDEFINED
        stop = end if unbounded else position + length
        if stop > end or depth == MAX_DEPTH:
            raise _Unusual
        while unbounded or position < stop:
            tag, length = self._mark(position, stop)
            position += 8
            if tag == _SEQUENCE_END and unbounded:
                return position
            if tag != _ITEM:
                raise _Unusual
            position = self._item(position, length, stop, depth)
        return position

    def _item(self, position: int, length: int, end: int, depth: int) -> int:
        unbounded = length == UNDEFINED
        stop = end if unbounded else position + length
        if stop > end:
            raise _Unusual
        while position < stop:
            if unbounded and bytes(self._data[position : position + 4]) == _ITEM_END:
                self._mark(position, stop)
                return position + 8
            position = self._element(position, stop, depth + 1)
        if unbounded:
            raise _Unusual
        return position

    def _mark(self, position: int, end: int) -> tuple[int, int]:
        """List the header of an item or a delimiter; return its tag and length."""
        if position + 8 > end:
            raise _Unusual
        group, number, length = _IMPLICIT.unpack_from(self._data, position)
        tag = group << 16 | number
        self._entries.append(Entry(position, position + 8, 8, tag, b"", length, False, False))
        return tag, length
