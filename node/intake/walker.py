r"""Follows the structure of a whole dataset while its bytes pass, and picks out the indexed attributes.

It keeps nothing but what it picks out and the few bytes of an element header that is cut in two, so a
dataset of any size passes in the same memory; values that are not picked are skipped, never looked at.

Faults that scanners are known for are let through: odd lengths, a last sequence without its delimiter,
zeros behind the end, private sequences as UN of undefined length in either VR encoding (PS3.5 6.2.2,
CP-246), items in Implicit VR within an explicit dataset, a dataset in the other VR encoding than its
transfer syntax says. What no reader could follow is refused.

Example
-------
>>> walker = Walker(EXPLICIT)
>>> walker.feed(b"\x08\x00\x16\x00UI\x04\x00")
>>> walker.feed(b"1.2\x00")
>>> walker.finish()
>>> walker.values
{524310: (b'UI', b'1.2\x00')}
"""

import struct
from collections.abc import Set
from enum import Enum, auto
from typing import Protocol

from node.intake.errors import Malformed
from node.intake.syntax import EXPLICIT, LONG_VRS, SEQUENCES, SHORT_VRS, Encoding
from storage.records.attributes import BY_TAG

Buffer = bytes | bytearray | memoryview

MAX_DEPTH = 64
"""Sequences within sequences; pydicom's recursion ends between 150 and 200."""
CAPTURE_MAX = 4096
"""Bytes kept of one value; none that is indexed may be nearly as long (PS3.5 6.2)."""

CHARACTER_SET = 0x00080005
PICKED = frozenset(BY_TAG) | {CHARACTER_SET}
"""The indexed attributes, and what their values are written in."""
_IDENTITY = frozenset({0x00080016, 0x00080018, 0x0020000D, 0x0020000E})

_UNDEFINED = 0xFFFFFFFF
_OPEN = 1 << 62  # where something of undefined length ends
_ILLEGAL = frozenset({0x0000, 0x0002, 0xFFFE})  # groups that no element of a dataset has (PS3.5 7.1, 7.5)

_HEADERS = {
    (True, True): struct.Struct("<HH2sH"),
    (True, False): struct.Struct(">HH2sH"),
    (False, True): struct.Struct("<HHL"),
    (False, False): struct.Struct(">HHL"),
}
_LENGTHS = {True: struct.Struct("<L"), False: struct.Struct(">L")}


class _Kind(Enum):
    ELEMENTS = auto()  # the dataset itself, or an item of a sequence
    SEQUENCE = auto()
    FRAGMENTS = auto()  # of encapsulated pixel data (PS3.5 A.4)


class _Frame:
    """Something that has begun and not ended: a dataset, a sequence, an item."""

    __slots__ = ("end", "explicit", "fresh", "kind", "little", "unknown")

    def __init__(
        self, kind: _Kind, end: int, explicit: bool, little: bool, fresh: bool = False, unknown: bool = False
    ) -> None:
        self.kind = kind
        self.end = end  # absolute offset, `_OPEN` when undefined
        self.explicit = explicit
        self.little = little
        self.fresh = fresh  # an item, or the dataset, whose first element has not been seen
        self.unknown = unknown  # its VR encoding is not to be relied on: the dataset, and sequences as UN


class Picker(Protocol):
    """Takes further elements of the top level while they pass."""

    @property
    def tags(self) -> Set[int]:
        """Those it is given, and `PICKED`; it may become larger meanwhile."""

    def take(self, tag: int, vr: bytes, raw: bytes) -> None:
        """Take an element: its VR (empty in Implicit VR) and up to `CAPTURE_MAX` bytes of its value."""

    def enter(self, tag: int) -> None:
        """Take note that an element is a sequence."""


class Walker:
    """Walks one dataset, given in pieces of any size.

    Parameters
    ----------
    encoding
        How it is encoded; a deflated one is given inflated.
    picker
        Wants more elements than the indexed ones.

    Attributes
    ----------
    values
        Tag to VR (empty in Implicit VR) and raw value, of the indexed attributes and Specific Character Set
        at the top level. Of one that occurs twice the later counts.
    """

    def __init__(self, encoding: Encoding = EXPLICIT, picker: Picker | None = None) -> None:
        self.values: dict[int, tuple[bytes, bytes]] = {}
        self.encoding = encoding
        self._stack = [
            _Frame(_Kind.ELEMENTS, _OPEN, encoding.explicit, encoding.little, fresh=True, unknown=True)
        ]
        self._base = 0  # absolute offset of the first byte of the piece at hand
        self._skip = 0  # bytes left of a value that goes on
        self._carry = b""  # a header, or a value to pick, that is not there whole
        self._tag = 0  # the element last begun
        self._outer = 0  # that of the top level
        self._picker = picker
        self._wanted: Set[int] = PICKED if picker is None else picker.tags
        self._padding = False

    @property
    def reached(self) -> int:
        """The element of the top level that was begun last."""
        return self._outer

    def feed(self, piece: Buffer) -> None:
        """Take the next bytes.

        Raises
        ------
        Malformed
            The dataset cannot be read; the walker is of no more use.
        """
        size = len(piece)
        if self._skip >= size:
            self._skip -= size
            self._base += size
            return
        position, self._skip = self._skip, 0
        if self._carry:
            piece = self._carry + bytes(piece)
            size, self._carry = len(piece), b""
        position = self._walk(piece, position, size)
        if position < size:
            self._carry = bytes(piece[position:size])
            self._base += position
        else:
            self._skip = position - size
            self._base += size

    def finish(self) -> None:
        """Say that no more comes.

        Raises
        ------
        Malformed
            The dataset is cut off.
        """
        if self._padding:
            return
        if self._skip:
            raise Malformed(f"cut off within the value of {_name(self._tag)}")
        self._close_ended(0)
        if self._carry and (len(self._stack) > 1 or any(self._carry)):
            raise Malformed(f"cut off after the beginning of {_name(self._tag)}")
        unclosed = self._stack[1:]
        # The one delimiter that writers forget is the very last (pixel data, or a sequence at the end).
        if len(unclosed) > 1 or (unclosed and unclosed[0].end != _OPEN):
            raise Malformed("cut off within a sequence")

    def _walk(self, piece: Buffer, position: int, size: int) -> int:
        """Go as far as the piece allows; return where, beyond `size` when a value goes on."""
        while position < size:
            if self._padding:
                return self._pad(piece, position, size)
            frame = self._stack[-1]
            if frame.end - self._base == position:
                self._stack.pop()
                continue
            before = position
            if frame.kind is not _Kind.ELEMENTS:
                position = self._item(frame, piece, position, size)
            elif frame.fresh and not self._look(frame, piece, position, size):
                break
            elif frame.explicit:
                position = self._explicit(frame, piece, position, size)
            else:
                position = self._implicit(frame, piece, position, size)
            if position == before and frame is self._stack[-1] and not self._padding:
                break  # bytes lack
        return position

    def _explicit(self, frame: _Frame, piece: Buffer, position: int, size: int) -> int:
        """Read elements in Explicit VR until the frame ends, another begins, or bytes lack (PS3.5 7.1.2)."""
        unpack = _HEADERS[True, frame.little].unpack_from
        top = len(self._stack) == 1
        end = frame.end - self._base
        last = min(size, end)
        tag = self._outer if top else self._tag
        wanted, values, plain = self._wanted, self.values, self._picker is None
        while position + 8 <= last:
            group, element, vr, length = unpack(piece, position)
            tag = group << 16 | element
            begin = position + 8
            if vr not in SHORT_VRS or group in _ILLEGAL:
                if vr not in LONG_VRS or group in _ILLEGAL:
                    return self._other(frame, piece, position, size, tag)
                if position + 12 > size:
                    break
                begin = position + 12
                length = _LENGTHS[frame.little].unpack_from(piece, position + 8)[0]
                if length == _UNDEFINED or vr == b"SQ":
                    return self._enter(frame, tag, vr, begin, length)
            stop = begin + length
            if stop > end:
                raise Malformed(f"{_name(tag)} is longer than what it is in")
            if top and tag in wanted:
                until = stop if length <= CAPTURE_MAX else begin + CAPTURE_MAX
                if until > size:
                    break
                if plain and tag not in values:
                    values[tag] = (vr, bytes(piece[begin:until]))
                else:
                    self._keep(tag, vr, bytes(piece[begin:until]))
            position = stop
        return self._leave(tag, position, end)

    def _implicit(self, frame: _Frame, piece: Buffer, position: int, size: int) -> int:
        """Read elements in Implicit VR, as `_explicit` does (PS3.5 7.1.3)."""
        unpack = _HEADERS[False, frame.little].unpack_from
        top = len(self._stack) == 1
        end = frame.end - self._base
        last = min(size, end)
        tag = self._outer if top else self._tag
        wanted = self._wanted
        while position + 8 <= last:
            group, element, length = unpack(piece, position)
            tag = group << 16 | element
            if group in _ILLEGAL:
                return self._other(frame, piece, position, size, tag)
            begin = position + 8
            if length == _UNDEFINED or tag in SEQUENCES:
                return self._enter(frame, tag, b"", begin, length)
            stop = begin + length
            if stop > end:
                raise Malformed(f"{_name(tag)} is longer than what it is in")
            if top and tag in wanted:
                if begin + min(length, CAPTURE_MAX) > size:
                    break
                self._keep(tag, b"", bytes(piece[begin : min(stop, begin + CAPTURE_MAX)]))
            position = stop
        return self._leave(tag, position, end)

    def _leave(self, tag: int, position: int, end: int) -> int:
        self._tag = tag
        if len(self._stack) == 1:
            self._outer = tag
        if end - 8 < position < end:
            raise Malformed(f"an item ends within an element after {_name(tag)}")
        return position

    def _keep(self, tag: int, vr: bytes, value: bytes) -> None:
        if self._picker is not None:
            self._picker.take(tag, vr, value)
            if tag not in PICKED:
                return
        if tag in _IDENTITY and self.values.get(tag, (vr, value))[1] != value:
            raise Malformed(f"{_name(tag)} occurs twice, with two values")
        self.values[tag] = (vr, value)

    def _other(self, frame: _Frame, piece: Buffer, position: int, size: int, tag: int) -> int:
        """Deal with what is no element: a delimiter, padding, an implicit item, garbage."""
        if tag == 0xFFFEE00D and len(self._stack) > 1 and frame.end == _OPEN:
            self._stack.pop()
            return position + 8
        if tag == 0 and len(self._stack) == 1:
            self._padding = True
            return position
        if tag >> 16 in _ILLEGAL:
            raise Malformed(f"{_name(tag)} where an element was due")
        if len(self._stack) > 1 and not _is_vr(piece, position):
            frame.explicit = False  # writers are known to switch within private sequences
            return self._implicit(frame, piece, position, size)
        raise Malformed(f"{_name(tag)} has no valid VR")

    def _look(self, frame: _Frame, piece: Buffer, position: int, size: int) -> bool:
        """Settle the VR encoding of an item, or the dataset, by its first element; False while it lacks."""
        if position + 8 > size:
            return False
        if bytes(piece[position : position + 2]) not in (b"\xfe\xff", b"\xff\xfe"):
            vr = bytes(piece[position + 4 : position + 6])
            if frame.unknown:
                frame.explicit = vr in SHORT_VRS or vr in LONG_VRS
            elif frame.explicit:
                frame.explicit = _is_vr(piece, position)
        frame.fresh = False
        return True

    def _enter(self, frame: _Frame, tag: int, vr: bytes, begin: int, length: int) -> int:
        """Begin a sequence or encapsulated pixel data, whose value starts at `begin`."""
        self._tag = tag
        if len(self._stack) == 1:
            self._outer = tag
            if self._picker is not None:
                self._picker.enter(tag)
        end = _OPEN if length == _UNDEFINED else self._base + begin + length
        if end != _OPEN and end > frame.end:
            raise Malformed(f"{_name(tag)} is longer than what it is in")
        kind = _Kind.SEQUENCE
        if length == _UNDEFINED and (vr in (b"OB", b"OW") or (tag == 0x7FE00010 and vr != b"SQ")):
            kind = _Kind.FRAGMENTS
        elif vr not in (b"SQ", b"UN", b""):
            raise Malformed(f"{_name(tag)} of undefined length is no sequence")
        if len(self._stack) >= 2 * MAX_DEPTH + 1:  # each level is a sequence and an item
            raise Malformed(f"sequences nested deeper than {MAX_DEPTH}")
        self._stack.append(_Frame(kind, end, frame.explicit, frame.little, unknown=vr == b"UN"))
        return begin

    def _item(self, frame: _Frame, piece: Buffer, position: int, size: int) -> int:
        """Read the header of an item, fragment or sequence delimiter (PS3.5 7.5)."""
        if position + 8 > min(size, frame.end - self._base):
            if frame.end - self._base < position + 8:
                raise Malformed(f"sequence {_name(self._tag)} ends within an item header")
            return position
        group, element, length = _HEADERS[False, frame.little].unpack_from(piece, position)
        begin: int = position + 8
        tag = group << 16 | element
        if tag == 0xFFFEE0DD and frame.end == _OPEN:
            self._stack.pop()
            return begin
        if tag != 0xFFFEE000:
            raise Malformed(f"{_name(tag)} where an item was due")
        if frame.kind is _Kind.FRAGMENTS:
            if length == _UNDEFINED:
                raise Malformed("a fragment of pixel data without a length")
            return begin + int(length)
        end = _OPEN if length == _UNDEFINED else self._base + begin + length
        if end != _OPEN and end > frame.end:
            raise Malformed("an item is longer than its sequence")
        self._stack.append(
            _Frame(_Kind.ELEMENTS, end, frame.explicit, frame.little, fresh=True, unknown=frame.unknown)
        )
        return begin

    def _close_ended(self, position: int) -> None:
        while self._stack[-1].end - self._base == position:
            self._stack.pop()

    def _pad(self, piece: Buffer, position: int, size: int) -> int:
        if bytes(piece[position:size]).strip(b"\0"):
            raise Malformed("(0000,0000) where an element was due")
        return size


def _is_vr(piece: Buffer, position: int) -> bool:
    """Say whether two capitals stand where a VR would; a length in Implicit VR hardly looks like that."""
    return 0x41 <= piece[position + 4] <= 0x5A and 0x41 <= piece[position + 5] <= 0x5A


def _name(tag: int) -> str:
    return f"({tag >> 16:04X},{tag & 0xFFFF:04X})"
