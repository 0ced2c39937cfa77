import struct

import pytest

from scu.transcoding import facts as fact
from scu.transcoding.decoders import Decoders
from scu.transcoding.facts import Facts
from scu.transcoding.pixels import DECODABLE, decoder_of
from scu.transcoding.source import CannotTranscode

RLE = "1.2.840.10008.1.2.5"


def facts(**changes: int) -> Facts:
    made = Facts(
        {
            fact.SAMPLES: 1,
            fact.ROWS: 2,
            fact.COLUMNS: 2,
            fact.BITS_ALLOCATED: 8,
            fact.BITS_STORED: 8,
            fact.PIXEL_REPRESENTATION: 0,
        }
    )
    made.photometric = "MONOCHROME2"
    made.update({getattr(fact, name.upper()): value for name, value in changes.items()})
    return made


def rle(*frames: bytes) -> list[bytes]:
    """Frames of 8 bits as RLE (PS3.5 G): one segment, one literal run."""
    out = [struct.pack("<HHL", 0xFFFE, 0xE000, 0)]
    for frame in frames:
        data = struct.pack("<16L", 1, 64, *[0] * 14) + bytes([len(frame) - 1]) + frame
        data += b"\0" * (len(data) % 2)
        out += [struct.pack("<HHL", 0xFFFE, 0xE000, len(data)), data]
    return out


def test_frames_come_native() -> None:
    decoded = decoder_of(RLE, 1 << 20)(facts(frames=2), {}, rle(b"abcd", b"efgh"))
    assert decoded.frames == [b"abcd", b"efgh"]
    assert decoded.photometric == "MONOCHROME2"


def test_an_extended_offset_table_is_used() -> None:
    value = rle(b"abcd", b"efgh")
    size = 8 + len(value[2])
    offsets = {
        fact.OFFSETS: struct.pack("<QQ", 0, size),
        fact.OFFSET_LENGTHS: struct.pack("<QQ", len(value[2]), len(value[4])),
    }
    assert decoder_of(RLE, 1 << 20)(facts(frames=2), offsets, value).frames == [b"abcd", b"efgh"]


class Untouched(Decoders):
    def decode(self, *_: object) -> tuple[list[bytes], str]:  # type: ignore[override]
        raise AssertionError("it was tried")


@pytest.mark.parametrize(
    "changes",
    [
        {"rows": 65535, "columns": 65535, "frames": 8},
        {"frames": 2**40},
        {"frames": 0},
        {"rows": 0},
    ],
)
def test_what_would_be_too_large_is_not_even_tried(changes: dict[str, int]) -> None:
    with pytest.raises(CannotTranscode, match="is the limit"):
        decoder_of(RLE, 1 << 20, Untouched())(facts(**changes), {}, [])


def test_a_header_that_lacks_something_is_not_even_tried() -> None:
    broken = facts()
    del broken[fact.COLUMNS]
    with pytest.raises(CannotTranscode, match="lacks columns"):
        decoder_of(RLE, 1 << 20, Untouched())(broken, {}, [])
    with pytest.raises(CannotTranscode, match="bits allocated are 12"):
        decoder_of(RLE, 1 << 20, Untouched())(facts(bits_allocated=12), {}, [])


def test_fewer_frames_than_the_header_says_are_refused() -> None:
    with pytest.raises(CannotTranscode, match=r"cannot be decoded|not what its header says"):
        decoder_of(RLE, 1 << 20)(facts(frames=3), {}, rle(b"abcd", b"efgh"))


def test_what_can_be_decoded_is_what_has_a_decoder() -> None:
    from pydicom.pixels.decoders.base import get_decoder

    assert all(get_decoder(uid).is_available for uid in DECODABLE)
