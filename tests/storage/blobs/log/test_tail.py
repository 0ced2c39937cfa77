import os

import pytest

from storage.blobs.log.records import BLOCK, STATE_AT, position
from storage.blobs.log.segment import Segment, find, opened, prepare
from storage.blobs.log.tail import Tail
from storage.errors import Unavailable

TOKEN = "0123456789ab"


@pytest.fixture
def log(tmp_path):
    made = Log(tmp_path)
    yield made
    made.close()


class Log:
    """A log that is written by hand."""

    def __init__(self, folder):
        self.folder = folder
        self.segments = []
        self.serial = 0
        self.tail = Tail(str(folder))

    def segment(self, number, blocks=16):
        path = str(self.folder / f"{number:x}")
        prepare(path, blocks * BLOCK)
        self.segments.append(Segment(path, TOKEN, number))
        return self.segments[-1]

    def put(self, segment, data, note=b""):
        place = segment.reserve(len(data), len(note))
        key = place.key("instances/2026/0301/1200", self.serial)
        self.serial += 1
        if note:
            segment.write_noted(place, key, [data], note)
        else:
            segment.write(place, key, [data])
        segment.release()
        return place, key

    def close(self):
        self.tail.close()
        for segment in self.segments:
            segment.retire()


def test_notes_come_in_their_order_over_segments(log):
    kept = []
    for number in (0, 1, 3):  # one was given up
        segment = log.segment(number)
        kept += [(log.put(segment, b"data", b"note %d" % n)[1], b"note %d" % n) for n in range(3)]
    entries, reached = log.tail.read(0, None, 100)
    assert [(each.key, each.note) for each in entries] == kept
    assert [each.serial for each in entries] == list(range(9))
    assert [each.length for each in entries] == [4] * 9
    assert log.tail.read(reached, None, 100)[0] == []
    assert log.tail.read(entries[4].after, None, 100)[0] == entries[5:]


def test_a_limit_is_kept_and_nothing_is_left_out(log):
    segment = log.segment(0)
    for n in range(7):
        log.put(segment, b"data", b"note %d" % n)
    found, start = [], 0
    while True:
        entries, start = log.tail.read(start, None, 3)
        if not entries:
            break
        assert len(entries) <= 3
        found += entries
    assert [each.note for each in found] == [b"note %d" % n for n in range(7)]


def test_it_reads_no_further_than_told(log):
    segment = log.segment(0)
    log.put(segment, b"data", b"first")
    middle = position(0, segment.tail)
    log.put(segment, b"data", b"second")
    entries, reached = log.tail.read(0, middle, 100)
    assert ([each.note for each in entries], reached) == ([b"first"], middle)
    entries, reached = log.tail.read(reached, position(0, segment.tail), 100)
    assert ([each.note for each in entries], reached) == ([b"second"], position(0, segment.tail))


def test_blobs_without_note_deleted_ones_and_holes_are_passed_over(log):
    segment = log.segment(0)
    log.put(segment, b"data")
    segment.reserve(10_000, 100)  # its writer gives up
    segment.release()
    place, key = log.put(segment, b"data", b"deleted")
    _, kept = log.put(segment, b"data", b"kept")
    with opened(segment.path, os.O_RDWR) as file:
        assert find(file, place, key)
        os.pwrite(file, b"D", place.offset + STATE_AT)
    entries, _ = log.tail.read(0, position(0, segment.tail), 100)
    assert [each.key for each in entries] == [kept]


def test_a_note_that_was_torn_is_none(log):
    segment = log.segment(0)
    place, _ = log.put(segment, b"data", b"a note that is torn")
    log.put(segment, b"data", b"whole")
    os.pwrite(segment.file, b"\0" * 4, place.offset + 256 + 4 + 3)
    entries, _ = log.tail.read(0, None, 100)
    assert [each.note for each in entries] == [b"whole"]


def test_a_spoiled_blob_is_none(log):
    segment = log.segment(0)
    place, _ = log.put(segment, b"data", b"note")
    segment.spoil(place)
    assert log.tail.read(0, None, 100)[0] == []


def test_a_log_that_is_gone_or_empty_has_nothing(tmp_path):
    tail = Tail(str(tmp_path / "nowhere"))
    assert tail.read(0, None, 100) == ([], 0)
    assert tail.read(0, position(0, 4096), 100) == ([], position(0, 4096))


def test_a_segment_that_goes_while_it_reads_is_passed_over(log):
    log.put(log.segment(0), b"data", b"first")
    log.put(log.segment(1), b"data", b"second")
    entries, reached = log.tail.read(0, None, 1)
    os.unlink(log.folder / "0")
    assert [each.note for each in log.tail.read(reached, None, 100)[0]] == [b"second"]
    assert entries[0].note == b"first"


def test_trouble_with_the_disk_is_told(log, monkeypatch):
    log.put(log.segment(0), b"data", b"note")

    def broken(*_):
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(os, "pread", broken)
    with pytest.raises(Unavailable):
        log.tail.read(0, None, 100)
