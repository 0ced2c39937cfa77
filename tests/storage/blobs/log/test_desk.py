import os
import threading

import pytest

from storage.blobs.log import desk as module
from storage.blobs.log.desk import LogDesk
from storage.blobs.log.reader import LogReader
from storage.blobs.log.records import BLOCK, Place
from storage.blobs.log.segment import opened, records


@pytest.fixture
def small(monkeypatch):
    monkeypatch.setattr(module, "FIRST", 16 * BLOCK)
    monkeypatch.setattr(module, "LARGEST", 64 * BLOCK)


@pytest.fixture
def desk(tmp_path, small):
    made = LogDesk(str(tmp_path))
    yield made
    made.leave()


def content(desk, key):
    place = Place.of(key)
    with LogReader.open(f"{desk.folder}/{place.segment:x}", place, key) as reader:
        return b"".join(reader.chunks())


def test_it_goes_on_in_the_next_segment(desk):
    kept = {}
    for number in range(60):
        data = bytes([number]) * (number * 150)
        kept[desk.append("instances", [data], len(data))] = data
    assert len(os.listdir(desk.folder)) >= 3
    assert all(content(desk, key) == data for key, data in kept.items())
    assert list(kept) == sorted(kept)


def test_segments_grow_up_to_the_largest(desk):
    for _ in range(400):
        desk.append("instances", [bytes(BLOCK)], BLOCK)
    sizes = [os.path.getsize(f"{desk.folder}/{number:x}") for number in range(len(os.listdir(desk.folder)))]
    assert sizes[0] <= 16 * BLOCK
    assert max(sizes) == 64 * BLOCK


def test_many_threads_append_and_nothing_is_torn(desk):
    kept, lock = {}, threading.Lock()

    def work(seed):
        for number in range(80):
            data = bytes([seed, number]) * (number * 20)
            key = desk.append("instances", [data], len(data))
            with lock:
                kept[key] = data

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(kept) == 640
    assert all(content(desk, key) == data for key, data in kept.items())


def test_what_fits_no_segment_is_refused_and_the_next_is_taken(desk):
    with pytest.raises(OSError, match="a blob of 1000000 bytes"):
        desk.append("instances", [bytes(1_000_000)], 1_000_000)
    assert content(desk, desk.append("instances", [b"next"], 4)) == b"next"


def test_after_a_failed_sync_nothing_more_goes_there(desk):
    first = Place.of(desk.append("instances", [b"a"], 1))
    desk.give_up(first.segment)
    second = Place.of(desk.append("instances", [b"b"], 1))
    assert second.segment != first.segment
    desk.give_up(first.segment)
    assert Place.of(desk.append("instances", [b"c"], 1)).segment == second.segment


def test_leaving_gives_back_what_was_not_used(tmp_path, small):
    made = LogDesk(str(tmp_path))
    key = made.append("instances", [b"x"], 1)
    for _ in range(5):
        made.append("instances", [bytes(BLOCK)], BLOCK)  # so that the next one is made ready
    made.leave()
    names = os.listdir(made.folder)
    assert names == [f"{Place.of(key).segment:x}"]
    assert os.path.getsize(f"{made.folder}/{names[0]}") < 64 * BLOCK
    with opened(f"{made.folder}/{names[0]}") as file:
        assert len(list(records(file))) == 6
    assert os.listdir(tmp_path / ".writing") == ["gate"]


def test_leaving_without_having_written_leaves_nothing(tmp_path, small):
    made = LogDesk(str(tmp_path))
    made.leave()
    assert sorted(os.listdir(tmp_path)) == [".writing"]


def test_who_has_left_appends_no_more(tmp_path, small):
    made = LogDesk(str(tmp_path))
    made.append("instances", [b"x"], 1)
    made.leave()
    with pytest.raises(OSError, match="left"):  # nobody would look after what is there when it dies
        made.append("instances", [b"y"], 1)
    assert len(os.listdir(made.folder)) == 1


def test_a_desk_that_cannot_be_made_leaves_nothing(tmp_path, monkeypatch):
    def full(_folder):
        raise OSError(28, "No space left on device")

    before = len(os.listdir("/proc/self/fd"))
    with monkeypatch.context() as patch:
        patch.setattr(module, "sync_folder", full)
        with pytest.raises(OSError, match="No space"):
            LogDesk(str(tmp_path))
    assert len(os.listdir("/proc/self/fd")) == before
    assert os.listdir(tmp_path) == [".writing"]
    assert os.listdir(tmp_path / ".writing") == ["gate"]


def test_without_a_thread_to_prepare_a_segment_nothing_is_kept_and_nothing_lost(desk, monkeypatch):
    first = desk.append("instances", [b"first"], 5)

    def none(_thread):
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", none)
        kept = [desk.append("instances", [bytes(BLOCK)], BLOCK) for _ in range(7)]  # the last that fits
        with pytest.raises(OSError, match="thread"):
            desk.append("instances", [bytes(BLOCK)], BLOCK)
    after = desk.append("instances", [b"after"], 5)
    assert content(desk, after) == b"after"
    assert content(desk, first) == b"first"
    assert all(content(desk, key) == bytes(BLOCK) for key in kept)
