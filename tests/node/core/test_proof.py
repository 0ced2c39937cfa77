"""Bytes are proven by what was kept of them."""

import hashlib
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from node.core.proof import Proof, checksum, proves
from storage.records.arrival import BlobRef


def blob_of(data: bytes) -> BlobRef:
    made = checksum()
    made.update(data)
    return BlobRef("k", 0, len(data), hashlib.sha256(data).hexdigest(), made.hexdigest())


def test_a_checksum_is_xxh3_of_128_bits():
    made = checksum()
    made.update(b"")
    assert made.hexdigest() == "99aa06d3014798d86001c324468d497f"  # as its specification has it


@given(st.binary(min_size=1), st.data())
def test_what_differs_in_a_bit_is_not_it(data: bytes, draw: st.DataObject):
    place = draw.draw(st.integers(0, len(data) * 8 - 1))
    rotten = bytearray(data)
    rotten[place // 8] ^= 1 << place % 8
    for blob in (blob_of(data), replace(blob_of(data), checksum="")):
        assert proves(blob, data)
        assert not proves(blob, rotten)


@pytest.mark.parametrize("kept", [True, False], ids=["checksum", "digest"])
def test_pieces_are_taken_in_turn(kept: bool):
    blob = blob_of(b"abcdef") if kept else replace(blob_of(b"abcdef"), checksum="")
    proof = Proof(blob)
    for piece in (b"abc", bytearray(b"d"), memoryview(b"ef")):
        assert not proof.holds
        proof.update(piece)
    assert proof.holds
