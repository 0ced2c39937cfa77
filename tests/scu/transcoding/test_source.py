import pytest
from hypothesis import given
from hypothesis import strategies as st

from scu.transcoding.source import CannotTranscode, Source


@given(st.lists(st.binary(max_size=20)), st.lists(st.integers(0, 30)))
def test_the_bytes_come_in_order_however_they_are_cut(pieces: list[bytes], sizes: list[int]) -> None:
    whole = b"".join(pieces)
    source, taken = Source(pieces), b""
    for size in [*sizes, len(whole)]:
        taken += source.take(min(size, len(whole) - len(taken)))
        assert source.position == len(taken)
    assert taken == whole
    assert source.at_end()


def test_a_piece_is_handed_on_without_a_copy() -> None:
    piece = bytearray(b"abcdef")
    taken = Source([piece]).take(4)
    piece[0] = ord("x")
    assert bytes(taken) == b"xbcd"


def test_taking_more_than_there_is_fails() -> None:
    with pytest.raises(CannotTranscode, match="ends within"):
        Source([b"ab", b"c"]).take(4)
