import os

import pytest

from storage.blobs.log.records import BLOCK, Place
from storage.blobs.log.segment import Segment, erase, find, opened, prepare, records

TOKEN = "0123456789ab"
SIZE = 64 * BLOCK


@pytest.fixture
def segment(tmp_path):
    prepare(str(tmp_path / "0"), SIZE)
    return Segment(str(tmp_path / "0"), TOKEN, 0)


def keep(segment, *buffers, serial=0):
    place = segment.reserve(sum(map(len, buffers)))
    key = place.key("instances/2026/0102/0304", serial)
    segment.write(place, key, buffers)
    segment.release()
    return key, place


def test_a_segment_is_full_of_written_zeros(tmp_path):
    prepare(str(tmp_path / "0"), SIZE)
    data = (tmp_path / "0").read_bytes()
    assert len(data) == SIZE
    assert not any(data[8:])
    assert (tmp_path / "0").stat().st_blocks * 512 >= SIZE
    assert (tmp_path / "0").stat().st_mode & 0o777 == 0o600


def test_it_is_never_made_over_another(tmp_path):
    prepare(str(tmp_path / "0"), SIZE)
    with pytest.raises(FileExistsError):
        prepare(str(tmp_path / "0"), SIZE)


def test_what_was_written_is_found(segment):
    first, place = keep(segment, b"one", b"", bytearray(b"two"), memoryview(b"xthreex")[1:-1])
    second, _ = keep(segment, b"x" * (3 * BLOCK), serial=1)
    segment.retire()
    with opened(segment.path) as file:
        assert [each.key for each in records(file)] == [first, second]
        assert find(file, place, first)
        assert not find(file, place, second)
        assert os.pread(file, place.length, place.offset + 256) == b"onetwothree"


def test_more_buffers_than_one_call_takes(segment):
    buffers = [bytes([n % 251]) * 3 for n in range(3000)]
    key, place = keep(segment, *buffers)
    with opened(segment.path) as file:
        assert os.pread(file, place.length, place.offset + 256) == b"".join(buffers)
        assert find(file, place, key)
    segment.retire()


def test_a_header_is_there_only_when_all_of_its_blob_is(segment, monkeypatch):
    whole = os.pwritev

    def half(file, buffers, offset):
        monkeypatch.setattr(os, "pwritev", broken)
        return whole(file, [b"".join(buffers)[:5000]], offset)

    def broken(_file, _buffers, _offset):
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(os, "pwritev", half)
    with pytest.raises(OSError, match="Input/output"):
        keep(segment, b"x" * (3 * BLOCK))
    with opened(segment.path) as file:
        assert list(records(file)) == []


def test_it_is_full_when_it_is(segment):
    assert segment.has_room(SIZE - BLOCK - 256)
    assert not segment.has_room(SIZE - BLOCK - 255)
    assert segment.reserve(SIZE) is None


def test_retiring_waits_for_writers_and_gives_back_the_rest(segment):
    place = segment.reserve(10)
    segment.retire()
    segment.write(place, place.key("instances/2026/0102/0304", 0), [b"0123456789"])
    assert os.path.getsize(segment.path) == SIZE
    segment.release()
    assert os.path.getsize(segment.path) == 2 * BLOCK
    segment.retire()


def test_erasing_gives_the_space_back(segment):
    key, place = keep(segment, b"x" * (30 * BLOCK))
    other, _ = keep(segment, b"y", serial=1)
    segment.retire()
    os.sync()
    before = os.stat(segment.path).st_blocks
    with opened(segment.path, os.O_RDWR) as file:
        erase(file, find(file, place, key))
        assert not find(file, place, key)
        assert [(each.key, each.live) for each in records(file)] == [(key, False), (other, True)]
    assert os.stat(segment.path).st_blocks <= before - 29 * BLOCK // 512


def test_nothing_is_found_where_nothing_lies(segment):
    segment.retire()
    with opened(segment.path) as file:
        assert not find(file, Place(TOKEN, 0, 1 << 30, 5), "x")
        assert list(records(file)) == []
