import collections
import contextlib
import tracemalloc
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from node.intake.errors import Malformed
from node.intake.inflate import HARMLESS, PIECE, RATIO, Inflater


def deflated(data: bytes) -> bytes:
    stream = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    return stream.compress(data) + stream.flush()


def inflate(pieces: list[bytes], limit: int = 1 << 40) -> bytes:
    inflater = Inflater(limit)
    out = b"".join(part for piece in pieces for part in inflater.feed(piece))
    inflater.finish()
    return out


@given(st.binary(max_size=3000), st.integers(1, 50))
def test_it_comes_back_in_any_pieces(data, step):
    raw = deflated(data)
    assert inflate([raw[i : i + step] for i in range(0, len(raw), step)]) == data


def test_pieces_are_bounded():
    assert all(len(part) <= PIECE for part in Inflater(1 << 30).feed(deflated(bytes(PIECE * 5))))


@pytest.mark.parametrize("behind", [b"\0", b"\x12\x34\x56\x78\x05\0\0\0", bytes(500)])
def test_padding_and_check_sums_behind_the_end(behind):
    assert inflate([deflated(b"abc") + behind]) == b"abc"
    assert inflate([deflated(b"abc"), *(bytes([each]) for each in behind)]) == b"abc"


def test_other_bytes_behind_the_end():
    with pytest.raises(Malformed, match="follow"):
        inflate([deflated(b"abc") + b"another ten bytes"])
    with pytest.raises(Malformed, match="follow"):
        inflate([deflated(b"abc"), b"another ten", b" bytes"])


def test_a_damaged_or_cut_off_stream():
    with pytest.raises(Malformed, match="damaged"):
        inflate([b"\xff\xff\xff\xff"])
    with pytest.raises(Malformed, match="cut off"):
        inflate([deflated(b"abc" * 100)[:-3]])


def test_more_than_is_taken():
    with pytest.raises(Malformed, match="more than is taken"):
        inflate([deflated(bytes(2000))], limit=1000)


def test_a_bomb_is_refused_in_flat_memory():
    stream = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    bomb = b"".join(stream.compress(bytes(1 << 20)) for _ in range(512)) + stream.flush()
    out = Inflater(8 << 30).feed(bomb)
    tracemalloc.start()
    try:
        with pytest.raises(Malformed, match=f"more than {RATIO} times"):
            collections.deque(out, maxlen=0)
        assert tracemalloc.get_traced_memory()[1] < 8 << 20
    finally:
        tracemalloc.stop()


def test_a_blank_image_is_no_bomb():
    assert len(inflate([deflated(bytes(HARMLESS))])) == HARMLESS


@given(st.binary(max_size=300))
def test_arbitrary_bytes_raise_nothing_else(raw):
    with contextlib.suppress(Malformed):
        inflate([raw])
