"""The elements of an identifier: read at its top level, and written (PS3.5 section 7).

An identifier is small and comes whole; what lies within its sequences is skipped, without recursion.
"""

import struct
import zlib
from collections.abc import Iterator
from functools import lru_cache

from pydicom.datadict import dictionary_VR

from node.intake.errors import Malformed
from node.intake.inflate import Inflater
from node.intake.syntax import LONG_VRS, SHORT_VRS, Encoding

IDENTIFIER_MAX = 1024 * 1024
"""Bytes that an identifier may have, inflated too."""

_UNDEFINED = 0xFFFFFFFF
_ITEM, _ITEM_END, _SEQUENCE_END = 0xFFFEE000, 0xFFFEE00D, 0xFFFEE0DD
_MAX_DEPTH = 64

Element = tuple[int, bytes, memoryview]  # tag, VR (empty in Implicit VR), value


@lru_cache(maxsize=4096)
def vr_of(tag: int) -> bytes:
    """Return the VR of PS3.6, ``UN`` where there is none or more than one."""
    try:
        vr = dictionary_VR(tag).encode()
    except KeyError:
        return b"LO" if tag >> 16 & 1 and 0x10 <= tag & 0xFFFF <= 0xFF else b"UN"
    return vr if vr in SHORT_VRS or vr in LONG_VRS else b"US" if vr.startswith(b"US") else b"OW"


def inflated(data: bytes, encoding: Encoding) -> bytes:
    """Return the identifier as it was before it was deflated, if it was.

    Raises
    ------
    Malformed
        It is damaged, or would inflate to more than `IDENTIFIER_MAX`.
    """
    if not encoding.deflated:
        return data
    inflater = Inflater(IDENTIFIER_MAX)
    whole = b"".join(inflater.feed(data))
    inflater.finish()
    return whole


def deflated(data: bytes) -> bytes:
    """Return `data` as a deflate stream of even length (PS3.5 A.5)."""
    stream = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    out = stream.compress(data) + stream.flush()
    return out + b"\0" * (len(out) % 2)


def read(data: bytes, encoding: Encoding) -> Iterator[Element]:
    """Yield the elements of the top level, those of sequences with an empty value.

    Raises
    ------
    Malformed
    """
    return _Reader(data, encoding).elements()


class _Reader:
    def __init__(self, data: bytes, encoding: Encoding) -> None:
        self._view = memoryview(data)
        self._explicit = encoding.explicit
        order = "<" if encoding.little else ">"
        self._tag = struct.Struct(order + "HH")
        self._short = struct.Struct(order + "H")
        self._long = struct.Struct(order + "L")

    def elements(self) -> Iterator[Element]:
        position, end = 0, len(self._view)
        while position < end:
            tag, vr, length, position = self._header(position, self._explicit)
            if length == _UNDEFINED:
                position = self._skip(position, self._explicit and vr != b"UN")
                yield tag, vr, self._view[:0]
                continue
            if position + length > end:
                raise Malformed(f"element {_name(tag)} is cut off")
            if vr != b"SQ":
                yield tag, vr, self._view[position : position + length]
            else:
                yield tag, vr, self._view[:0]
            position += length

    def _header(self, position: int, explicit: bool) -> tuple[int, bytes, int, int]:
        """Return tag, VR, length of value and its position."""
        try:
            group, element = self._tag.unpack_from(self._view, position)
            tag = group << 16 | element
            if not explicit or group == 0xFFFE:
                return tag, b"", self._long.unpack_from(self._view, position + 4)[0], position + 8
            vr = bytes(self._view[position + 4 : position + 6])
            if vr in LONG_VRS:
                return tag, vr, self._long.unpack_from(self._view, position + 8)[0], position + 12
            if vr not in SHORT_VRS:
                raise Malformed(f"element {_name(tag)} has no VR")
            return tag, vr, self._short.unpack_from(self._view, position + 6)[0], position + 8
        except struct.error:
            raise Malformed("the identifier ends within an element header") from None

    def _skip(self, position: int, explicit: bool) -> int:
        """Return where a sequence of undefined length ends that begins at `position`."""
        modes = [explicit]
        while modes:
            tag, vr, length, position = self._header(position, modes[-1])
            if tag in (_ITEM_END, _SEQUENCE_END):
                modes.pop()
            elif length == _UNDEFINED:
                modes.append(modes[-1] and vr != b"UN")
                if len(modes) > _MAX_DEPTH:
                    raise Malformed(f"sequences are nested more than {_MAX_DEPTH // 2} deep")
            else:
                position += length
        return position


def _name(tag: int) -> str:
    return f"({tag >> 16:04X},{tag & 0xFFFF:04X})"


class Writer:
    """Encodes elements in one transfer syntax."""

    def __init__(self, encoding: Encoding) -> None:
        self._explicit = encoding.explicit
        self._order = "<" if encoding.little else ">"
        self.number = struct.Struct(self._order + "H")
        """One US."""

    def head(self, tag: int, vr: bytes) -> tuple[bytes, struct.Struct]:
        """Return the element up to its length, and how the length that follows is packed."""
        start = struct.pack(self._order + "HH", tag >> 16, tag & 0xFFFF)
        if not self._explicit:
            return start, struct.Struct(self._order + "L")
        if vr in LONG_VRS:
            return start + vr + b"\0\0", struct.Struct(self._order + "L")
        return start + vr, struct.Struct(self._order + "H")

    def element(self, tag: int, vr: bytes, value: bytes) -> bytes:
        """Return one whole element."""
        start, length = self.head(tag, vr)
        return start + length.pack(len(value)) + value
