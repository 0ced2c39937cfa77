import pytest
from hypothesis import given
from hypothesis import strategies as st

from storage.blobs.keys import is_key
from storage.blobs.log.records import BLOCK, HEADER, Place, Record, pack, scan, span, unpack

TOKEN = "0123456789ab"
FOLDER = "instances/2026/0102/0304"

offsets = st.integers(1, 1 << 20).map(lambda number: number * BLOCK)
places = st.builds(Place, st.just(TOKEN), st.integers(0, 0xFFFF), offsets, st.integers(0))


@given(place=places.filter(lambda place: place.length < 1 << 40), serial=st.integers(0, 1 << 40))
def test_a_key_says_where_the_blob_lies(place, serial):
    key = place.key(FOLDER, serial)
    assert is_key(key)
    assert Place.of(key) == place


def test_keys_sort_as_their_serials():
    place = Place(TOKEN, 0, BLOCK, 5)
    keys = [place.key(FOLDER, serial) for serial in (0, 9, 10, 15, 16, 255, 256, 4096)]
    assert keys == sorted(keys)


@pytest.mark.parametrize("key", [f"{FOLDER}/{TOKEN}-0", "", "a", f"{FOLDER}/{TOKEN}-00000000-0-1000-zz"])
def test_other_keys_are_of_no_log(key):
    assert Place.of(key) is None


@given(length=st.integers(0, 1 << 30))
def test_a_blob_takes_whole_blocks(length):
    assert span(length) % BLOCK == 0
    assert 0 <= span(length) - HEADER - length < BLOCK


def test_a_header_is_one_only_where_it_lies():
    header = pack(f"{FOLDER}/x", BLOCK, 77)
    assert len(header) == HEADER
    assert unpack(header, BLOCK) == Record(f"{FOLDER}/x", BLOCK, 77, live=True)
    assert unpack(header, 2 * BLOCK) is None
    assert unpack(header[:-1], BLOCK) is None


@given(data=st.binary(min_size=HEADER, max_size=HEADER), at=st.integers(0, 1 << 40))
def test_noise_is_no_header(data, at):
    assert unpack(data, at) is None


@given(lengths=st.lists(st.integers(0, 3 * BLOCK), max_size=8), data=st.data())
def test_a_scan_finds_all_but_what_was_never_written(lengths, data):
    lost = data.draw(st.sets(st.sampled_from(range(len(lengths))))) if lengths else set()
    segment, expected = bytearray(BLOCK), []
    for number, length in enumerate(lengths):
        offset = len(segment)
        key = Place(TOKEN, 0, offset, length).key(FOLDER, number)
        blob = pack(key, offset, length) + pack(key, offset, length)[:length].ljust(length, b"x")
        segment += bytes(span(length)) if number in lost else blob.ljust(span(length), b"\0")
        expected += [] if number in lost else [key]
    segment += bytes(5 * BLOCK)
    found = scan(lambda at, size: bytes(segment[at : at + size]), len(segment))
    assert [each.key for each in found] == expected
