import itertools
import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from storage.blobs.filesystem import FilesystemStore
from storage.blobs.log import desk
from storage.blobs.log import store as module
from storage.blobs.log.records import BLOCK, HEADER, Place
from storage.blobs.log.segment import records
from storage.blobs.log.store import ReceiveLog
from storage.errors import NotFound, Unavailable


@pytest.fixture
def store(tmp_path):
    opened = ReceiveLog(tmp_path / "blobs")
    yield opened
    opened.close()


def keep(store, data, area="instances"):
    writer = store.create(area)
    writer.write([data])
    key = writer.place()
    store.sync([key])
    return key


def content(store, key):
    with store.open(key) as reader:
        return b"".join(reader.chunks())


def test_large_ones_are_files_and_small_ones_are_not(store):
    small, large = keep(store, b"small"), keep(store, bytes(3 << 20))
    assert store.path(small) is None
    assert store.path(large).stat().st_size == 3 << 20
    assert list(store.keys()) == sorted([small, large])
    assert content(store, small) == b"small"


def test_another_store_of_the_same_folder_finds_all(store, tmp_path):
    keys = [keep(store, bytes([n]) * n) for n in range(50)]
    other = ReceiveLog(tmp_path / "blobs", small=0)
    assert list(other.keys()) == sorted(keys)
    assert [len(content(other, key)) for key in keys] == list(range(50))
    other.delete(keys[7])
    with pytest.raises(NotFound):
        store.open(keys[7])
    assert list(other.keys(after=keys[40])) == sorted(keys)[41:]
    other.close()


def test_areas_are_told_apart(store):
    one, two = keep(store, b"1"), keep(store, b"2", "quarantine")
    assert list(store.keys("instances")) == [one]
    assert list(store.keys("quarantine")) == [two]


def test_a_segment_without_a_live_blob_goes(tmp_path):
    store = ReceiveLog(tmp_path / "blobs")
    keys = [keep(store, b"x" * 5000) for _ in range(5)]
    store.close()
    folder = tmp_path / "blobs" / ".log" / Place.of(keys[0]).token
    other = ReceiveLog(tmp_path / "blobs")
    for key in keys[:-1]:
        other.delete(key)
    assert len(list(folder.iterdir())) == 1
    assert content(other, keys[-1]) == b"x" * 5000
    other.delete(keys[-1])
    assert not folder.exists()
    other.delete(keys[-1])
    other.close()


def test_the_segment_in_use_stays_though_it_is_empty(store):
    store.delete(keep(store, b"first"))
    assert content(store, keep(store, b"second")) == b"second"


def test_a_restored_blob_is_found_as_a_file(tmp_path):
    store = ReceiveLog(tmp_path / "blobs")
    key = keep(store, b"restored")
    store.close()
    path = tmp_path / "copy" / key
    path.parent.mkdir(parents=True)
    path.write_bytes(b"restored")
    copy = ReceiveLog(tmp_path / "copy")
    assert content(copy, key) == b"restored"
    assert list(copy.keys()) == [key]
    copy.sync([key])
    copy.delete(key)
    assert list(copy.keys()) == []
    copy.close()


def test_a_sync_that_fails_is_told_and_its_segment_used_no_more(store, monkeypatch):
    first = keep(store, b"before")
    writer = store.create()
    writer.write([b"lost"])
    key = writer.place()

    def broken(_file):
        raise OSError(5, "Input/output error")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fdatasync", broken)
        with pytest.raises(Unavailable):
            store.sync([key])
    after = keep(store, b"after")
    assert Place.of(after).segment != Place.of(first).segment


def test_what_lay_beside_it_is_not_called_durable_either(store, monkeypatch):
    keys = []
    for _ in range(2):
        writer = store.create()
        writer.write([b"lost"])
        keys.append(writer.place())

    def broken(_file):
        raise OSError(5, "Input/output error")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fdatasync", broken)
        with pytest.raises(Unavailable):
            store.sync(keys[:1])
    with pytest.raises(Unavailable):  # the kernel would say now that all is well: it tells an error once
        store.sync(keys[1:])


def test_what_is_gone_is_not_called_durable(tmp_path):
    store = ReceiveLog(tmp_path / "blobs", clock=lambda: 0.0)
    keep(store, bytes(3 << 20))  # a file: its folder is there to be synced
    key = keep(store, b"small")
    segment_of(store, key).unlink()
    with pytest.raises(NotFound):
        store.sync([key])
    store.close()


def test_a_file_that_was_put_back_stands_before_what_rotted_in_the_log(store, tmp_path):
    key = keep(store, b"right")
    with segment_of(store, key).open("r+b") as file:
        file.seek(Place.of(key).offset + HEADER)
        file.write(b"wrong")
    assert content(store, key) == b"wrong"
    path = tmp_path / "blobs" / key
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"right")
    assert content(store, key) == b"right"
    assert list(store.keys()) == [key]


def test_what_the_filesystem_leaves_in_the_folder_of_a_log_is_no_segment(tmp_path):
    keys = _die(tmp_path / "blobs")
    (tmp_path / "blobs" / ".log" / Place.of(keys[0]).token / ".nfs000000000001").touch()
    store = ReceiveLog(tmp_path / "blobs")
    assert list(store.keys()) == sorted(keys)
    assert store.recover() == sorted(keys)
    store.close()


def test_a_segment_that_another_process_removes_meanwhile_does_not_stop_a_start(tmp_path, monkeypatch):
    keys = _die(tmp_path / "blobs")
    store = ReceiveLog(tmp_path / "blobs")
    there = store._segments
    monkeypatch.setattr(store, "_segments", lambda token: [*there(token), f"{tmp_path}/gone"])
    assert store.recover() == sorted(keys)
    store.close()


def test_what_comes_after_a_key_is_found_without_reading_all_that_came_before(tmp_path, monkeypatch):
    monkeypatch.setattr(desk, "FIRST", 16 * BLOCK)
    monkeypatch.setattr(desk, "LARGEST", 16 * BLOCK)
    minutes = itertools.count(0, 60)
    store = ReceiveLog(tmp_path / "blobs", clock=lambda: next(minutes))
    keys = [keep(store, bytes(3 * BLOCK)) for _ in range(60)]
    assert Place.of(keys[-1]).segment > 10
    read = []
    monkeypatch.setattr(module, "records", lambda file: read_all(file, read))
    for number in range(60):
        assert list(store.keys(after=keys[number])) == keys[number + 1 :]
    read.clear()
    assert list(store.keys(after=keys[50])) == keys[51:]
    assert len(read) < 40
    store.close()


def read_all(file, read):
    for record in records(file):
        read.append(record)
        yield record


def segment_of(store, key):
    return Path(store._path(Place.of(key)))


CHILD = """
    import os, signal, sys
    from pathlib import Path
    from storage.blobs.log.store import ReceiveLog
    store = ReceiveLog(Path(sys.argv[1]))
    for number in range(20):
        writer = store.create()
        writer.write([bytes([number]) * 9000])
        print(writer.place(), flush=True)
    os.kill(os.getpid(), signal.SIGKILL)
"""


def _die(folder):
    command = [sys.executable, "-c", textwrap.dedent(CHILD), str(folder)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
    return done.stdout.split()


def test_what_a_dead_process_placed_is_returned_once(tmp_path):
    keys = _die(tmp_path / "blobs")
    assert len(keys) == 20
    store = ReceiveLog(tmp_path / "blobs")
    mine = keep(store, b"mine")
    assert store.recover() == sorted(keys)
    assert store.recover() == []
    assert content(store, keys[3]) == bytes([3]) * 9000
    assert content(store, mine) == b"mine"
    (segment,) = (tmp_path / "blobs" / ".log" / Place.of(keys[0]).token).iterdir()
    assert segment.stat().st_size < 1 << 20
    store.close()


def test_a_hole_that_a_crash_left_hides_nothing_behind_it(tmp_path):
    keys = _die(tmp_path / "blobs")
    place = Place.of(keys[5])
    path = tmp_path / "blobs" / ".log" / place.token / f"{place.segment:x}"
    with path.open("r+b") as file:
        file.seek(place.offset)
        file.write(bytes(3 * BLOCK))
    store = ReceiveLog(tmp_path / "blobs")
    assert store.recover() == sorted(set(keys) - {keys[5]})
    with pytest.raises(NotFound):
        store.open(keys[5])
    store.close()


def test_the_log_of_a_living_process_is_left_alone(store, tmp_path):
    key = keep(store, b"mine")
    other = ReceiveLog(tmp_path / "blobs")
    assert other.recover() == []
    other.close()
    assert content(store, key) == b"mine"


@pytest.mark.parametrize(
    "name", ["../../etc/passwd", "instances/2026/0102/0304/0123456789ab-00-0-1000-5/../x"]
)
def test_keys_that_lead_elsewhere_name_nothing(store, name):
    with pytest.raises(NotFound):
        store.open(name)


def test_a_key_of_a_log_that_is_not_there(store):
    absent = "instances/2026/0102/0304/0123456789ab-00000000-0-1000-5"
    with pytest.raises(NotFound):
        store.open(absent)
    store.delete(absent)


def test_files_written_before_there_was_a_log_are_found(tmp_path):
    old = FilesystemStore(tmp_path / "blobs")
    key = keep(old, b"old")
    old.close()
    store = ReceiveLog(tmp_path / "blobs")
    assert content(store, key) == b"old"
    assert list(store.keys()) == [key]
    store.close()
