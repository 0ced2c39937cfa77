"""From one native encoding into another, element by element; compressed pixel data by a given decoder.

Values are not interpreted: text stays as it is in whatever character set, numbers change the order of their
bytes where that differs. Sequences and items come out with undefined length, so that nothing has to be known
before it has been read (PS3.5 7.5.1), and group lengths, which would be wrong, are dropped (PS3.5 7.2).
"""

import struct
from array import array
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

from scu.transcoding import facts as fact
from scu.transcoding.facts import Facts
from scu.transcoding.source import CannotTranscode, Source
from scu.transcoding.vrs import SHORT, UNDEFINED, UNIT, depends_on_sign, lookup
from scu.wire.link import Buffer

DEPTH_MAX = 64
"""Sequences within sequences that are followed."""

_PIECE = 1 << 20  # bytes of a value that are handled at once; a multiple of every UNIT
_ITEM, _ITEM_END, _SEQUENCE_END = 0xFFFEE000, 0xFFFEE00D, 0xFFFEE0DD
_TYPECODE = {2: "H", 4: "I", 8: "Q"}


@dataclass(frozen=True, slots=True)
class Encoding:
    """How elements are written: PS3.5 annex A."""

    implicit: bool
    big: bool = False

    def header(self, tag: int, vr: str, length: int) -> bytes:
        """Return the header of an element."""
        group, element = tag >> 16, tag & 0xFFFF
        order = ">" if self.big else "<"
        if self.implicit or group == 0xFFFE:
            return struct.pack(order + "HHL", group, element, length)
        if vr in SHORT and length <= 0xFFFF:
            return struct.pack(order + "HH2sH", group, element, vr.encode(), length)
        name = "UN" if vr in SHORT else vr  # too long for its own VR: PS3.5 6.2.2
        return struct.pack(order + "HH2sxxL", group, element, name.encode(), length)


@dataclass(frozen=True, slots=True)
class Decoded:
    """Native pixel data, frame by frame, and what its Image Pixel module must say."""

    frames: list[Buffer]
    photometric: str


Decoder = Callable[[Facts, Mapping[int, bytes], list[Buffer]], Decoded]
"""From facts, extended offset tables by tag, and the encapsulated value (PS3.5 A.4)."""


@dataclass(slots=True)
class _Level:
    sequence: bool
    end: int | None
    encoding: Encoding
    facts: Facts
    creators: dict[int, str]
    offsets: dict[int, bytes]
    amendable: dict[int, bytearray]


class Conversion:
    """One pass over a data set.

    Parameters
    ----------
    pieces
        The data set.
    hints
        What is known of the main data set beforehand.
    decode
        What makes compressed pixel data native. With it, no piece that `run` yields may be used before the
        last one is there: what a decoder finds changes elements that come before the pixel data.

    Attributes
    ----------
    facts
        What has been read of the main data set.
    guessed
        A VR depended on Pixel Representation, which was not known yet.
    """

    def __init__(
        self,
        pieces: Iterable[Buffer],
        read: Encoding,
        write: Encoding,
        *,
        hints: Mapping[int, int] | None = None,
        decode: Decoder | None = None,
    ) -> None:
        self._source = Source(pieces)
        self._write = write
        self._decode = decode
        self.facts = Facts(hints or {})
        self.guessed = False
        self._levels = [_Level(False, None, read, self.facts, {}, {}, {})]

    def run(self) -> Iterator[Buffer]:
        """Yield the data set in its new encoding, in pieces of any size.

        Raises
        ------
        CannotTranscode
            It is broken, nested too deeply, or cannot be expressed.
        """
        source, levels = self._source, self._levels
        while True:
            level = levels[-1]
            if level.end is not None and source.position >= level.end:
                if source.position > level.end:
                    raise CannotTranscode("an element is longer than the item around it")
                yield self._leave()
            elif len(levels) == 1 and source.at_end():
                return
            elif level.sequence:
                yield self._item(level)
            else:
                yield from self._element(level)

    def _item(self, level: _Level) -> bytes:
        tag, _, length = self._header(level)
        if tag == _SEQUENCE_END and level.end is None:
            return self._leave()
        if tag != _ITEM:
            raise CannotTranscode("a sequence holds something that is no item")
        if length == 0:
            return self._write.header(_ITEM, "", 0)
        self._enter(False, length, level.encoding, level.facts.inherit())
        return self._write.header(_ITEM, "", UNDEFINED)

    def _enter(self, sequence: bool, length: int, encoding: Encoding, facts: Facts) -> None:
        if len(self._levels) > 2 * DEPTH_MAX:
            raise CannotTranscode(f"sequences are nested deeper than {DEPTH_MAX} levels")
        end = None if length == UNDEFINED else self._source.position + length
        self._levels.append(_Level(sequence, end, encoding, facts, {}, {}, {}))

    def _leave(self) -> bytes:
        level = self._levels.pop()
        return self._write.header(_SEQUENCE_END if level.sequence else _ITEM_END, "", 0)

    def _header(self, level: _Level) -> tuple[int, str, int]:
        """Read a header: tag, VR ("" for delimiters), length."""
        encoding = level.encoding
        order = ">" if encoding.big else "<"
        raw = self._source.take(8)
        group, element, length = struct.unpack(order + "HHL", raw)
        tag = group << 16 | element
        if group == 0xFFFE:
            return tag, "", length
        if encoding.implicit:
            return tag, self._look_up(level, tag, length), length
        name = bytes(raw[4:6])
        if self._source.position == 8 and not name.isalpha():  # announced as explicit, but it is not
            level.encoding = Encoding(implicit=True)
            return tag, self._look_up(level, tag, length), length
        vr = name.decode("latin-1")
        if vr in SHORT:
            return tag, vr, struct.unpack_from(order + "H", raw, 6)[0]
        if not (name.isalpha() and name.isupper()):
            raise CannotTranscode(f"element ({group:04X},{element:04X}) has no VR")
        return tag, vr, struct.unpack(order + "L", self._source.take(4))[0]

    def _look_up(self, level: _Level, tag: int, length: int) -> str:
        vr = lookup(tag, level.creators.get(tag >> 8, ""), length, level.facts)
        if vr == "US" and fact.PIXEL_REPRESENTATION not in level.facts and depends_on_sign(tag):
            self.guessed = True
        return vr

    def _element(self, level: _Level) -> Iterator[Buffer]:
        tag, vr, length = self._header(level)
        if tag >> 16 == 0xFFFE:
            if tag != _ITEM_END or len(self._levels) == 1 or level.end is not None:
                raise CannotTranscode("a delimiter stands where an element was due")
            yield self._leave()
        elif vr == "SQ" or (vr == "UN" and length == UNDEFINED):
            yield self._sequence(level, tag, vr, length)
        elif length == UNDEFINED:
            yield from self._encapsulated(level, tag)
        elif level.end is not None and self._source.position + length > level.end:
            raise CannotTranscode("an element is longer than the item around it")
        else:
            yield from self._value(level, tag, vr, length)

    def _sequence(self, level: _Level, tag: int, vr: str, length: int) -> bytes:
        if length == 0:
            return self._write.header(tag, "SQ", 0)
        # Within UN of undefined length everything is Implicit VR Little Endian (PS3.5 6.2.2).
        encoding = Encoding(implicit=True) if vr == "UN" else level.encoding
        self._enter(True, length, encoding, level.facts)
        return self._write.header(tag, "SQ", UNDEFINED)

    def _value(self, level: _Level, tag: int, vr: str, length: int) -> Iterator[Buffer]:
        unit = UNIT.get(vr, 1) if level.encoding.big != self._write.big else 1
        if length > _PIECE and tag not in fact.ABOUT_FRAGMENTS:
            yield self._write.header(tag, vr, length + length % 2)
            for begin in range(0, length, _PIECE):
                yield _ordered(self._source.take(min(_PIECE, length - begin)), unit)
            yield _padding(vr, length)
            return
        value = self._source.take(length)
        if tag & 0xFFFF == 0:
            return  # a group length
        if tag in fact.WANTED and length <= fact.LONGEST:
            level.facts.note(tag, value, level.encoding.big)
        elif tag >> 16 & 1 and 0x10 <= tag & 0xFFFF <= 0xFF:
            creator = bytes(value).decode("latin-1").strip(" \0")
            level.creators[tag >> 16 << 8 | tag & 0xFF] = creator
        value = _ordered(value, unit)
        if length % 2:
            value = bytes(value) + _padding(vr, length)
        if self._decode is None:
            yield self._write.header(tag, vr, len(value))
            yield value
        else:
            yield from self._amendable(level, tag, vr, value)

    def _amendable(self, level: _Level, tag: int, vr: str, value: Buffer) -> Iterator[Buffer]:
        """Yield an element of an image that is being decoded: some of them will change."""
        if tag in fact.ABOUT_FRAGMENTS:
            level.offsets[tag] = bytes(value)  # they are about encapsulated data only (PS3.3 C.7.6.3)
            return
        if tag == fact.ROWS and level.facts.get(fact.SAMPLES, 1) > 1 and fact.PLANAR not in level.facts:
            yield self._keep(level, fact.PLANAR, "US", b"\0\0")
        if tag in (fact.PHOTOMETRIC, fact.PLANAR):
            yield self._keep(level, tag, vr, value)
        else:
            yield self._write.header(tag, vr, len(value))
            yield value

    def _keep(self, level: _Level, tag: int, vr: str, value: Buffer) -> bytearray:
        level.amendable[tag] = bytearray(self._write.header(tag, vr, len(value))) + value
        return level.amendable[tag]

    def _encapsulated(self, level: _Level, tag: int) -> Iterator[Buffer]:
        if self._decode is None or tag != fact.PIXEL_DATA:
            raise CannotTranscode(f"element ({tag >> 16:04X},{tag & 0xFFFF:04X}) has no length")
        decoded = self._decode(level.facts, level.offsets, list(self._fragments(level)))
        photometric = decoded.photometric.encode("ascii", "replace")
        photometric += b" " * (len(photometric) % 2)
        for changed, vr, value in ((fact.PHOTOMETRIC, "CS", photometric), (fact.PLANAR, "US", b"\0\0")):
            if changed in level.amendable:
                level.amendable[changed][:] = self._write.header(changed, vr, len(value)) + value
        length = sum(len(frame) for frame in decoded.frames)
        if length > 0xFFFFFFFD:
            raise CannotTranscode("its native pixel data is longer than the Standard allows")
        vr = "OW" if level.facts.get(fact.BITS_ALLOCATED, 16) > 8 else "OB"
        yield self._write.header(fact.PIXEL_DATA, vr, length + length % 2)
        yield from decoded.frames
        yield b"\0" * (length % 2)

    def _fragments(self, level: _Level) -> Iterator[Buffer]:
        while True:
            tag, _, length = self._header(level)
            if tag == _SEQUENCE_END:
                return
            if tag != _ITEM or length == UNDEFINED:
                raise CannotTranscode("its encapsulated pixel data is broken")
            yield level.encoding.header(_ITEM, "", length)
            yield self._source.take(length)


def _padding(vr: str, length: int) -> bytes:
    """Return what makes a value of odd length even (PS3.5 6.2)."""
    if length % 2 == 0:
        return b""
    return b"\0" if vr in ("OB", "UI", "UN") or vr in UNIT else b" "


def _ordered(value: Buffer, unit: int) -> Buffer:
    """Return `value` with the bytes of each of its numbers in the other order."""
    if unit == 1:
        return value
    whole = len(value) - len(value) % unit
    numbers = array(_TYPECODE[unit], bytes(value[:whole]))
    numbers.byteswap()
    return numbers.tobytes() + bytes(value[whole:])
