import os
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scu.transcoding.deflate import deflate, inflate
from scu.transcoding.source import CannotTranscode


@given(st.lists(st.binary(max_size=300)), st.integers(1, 50))
def test_what_was_deflated_inflates(pieces: list[bytes], cut: int) -> None:
    whole = b"".join(pieces)
    deflated = b"".join(deflate(pieces))
    assert len(deflated) % 2 == 0
    cuts = [deflated[begin : begin + cut] for begin in range(0, len(deflated), cut)]
    assert b"".join(inflate(cuts, len(whole))) == whole


def test_large_content_comes_in_small_pieces() -> None:
    whole = bytes(5 << 20) + os.urandom(3 << 20)
    pieces = list(inflate(deflate([whole]), len(whole)))
    assert b"".join(pieces) == whole
    assert max(len(piece) for piece in pieces) <= 1 << 20


def test_a_bomb_is_let_go_at_the_limit() -> None:
    compress = zlib.compressobj(9, wbits=-15)
    bomb = b"".join(compress.compress(bytes(1 << 20)) for _ in range(64)) + compress.flush()
    pieces = inflate([bomb], 10 << 20)
    assert sum(len(next(pieces)) for _ in range(10)) == 10 << 20
    with pytest.raises(CannotTranscode, match="more than"):
        next(pieces)


def test_broken_and_cut_off_data_is_said_to_be() -> None:
    deflated = b"".join(deflate([os.urandom(1000)]))
    with pytest.raises(CannotTranscode, match="cut off"):
        list(inflate([deflated[:500]], 1 << 20))
    with pytest.raises(CannotTranscode, match="broken"):
        list(inflate([b"\xff" * 100], 1 << 20))
