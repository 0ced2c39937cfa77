"""The log as the front of an object store: acknowledged here, found there."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from node.indexing.moving import Moving
from storage.archive import Archive
from storage.blobs.log.store import ReceiveLog
from storage.blobs.memory import MemoryStore
from storage.blobs.open import open_blobs
from storage.errors import NotFound, Unavailable
from tests.support.arrivals import arrival, placed
from tests.support.caller import call, store
from tests.support.node import NodeProcess, write_config
from tests.support.samples import ct, encode


@pytest.fixture
def log(tmp_path: Path):
    opened = ReceiveLog(tmp_path)
    yield opened
    opened.close()


def content(store, key):
    with store.open(key) as reader:
        return reader.read_at(0, 1 << 20)


def test_blobs_travel_and_then_are_gone_from_the_log(log: ReceiveLog):
    there = MemoryStore()
    moving = Moving(log, there)
    arrivals = [placed(log, b"some bytes %d" % n, number=n) for n in range(20)]
    moved = moving.move(arrivals)
    assert [content(there, each.blob.key) for each in moved] == [content(log, a.blob.key) for a in arrivals]
    assert [replace(each, blob=a.blob) for each, a in zip(moved, arrivals, strict=True)] == arrivals
    moving.forget(arrivals)
    assert list(log.keys()) == []
    moving.close()


def test_where_they_stay_nothing_happens(log: ReceiveLog):
    moving = Moving(log, log)
    arrivals = [placed(log, b"some bytes")]
    assert moving.move(arrivals) is arrivals
    moving.forget(arrivals)
    assert list(log.keys()) == [arrivals[0].blob.key]
    moving.close()


def test_what_has_arrived_of_a_batch_that_failed_is_taken_back(log: ReceiveLog):
    there = MemoryStore()
    moving = Moving(log, there)
    gone = arrival(number=7)
    with pytest.raises(NotFound):
        moving.move([placed(log, b"some bytes"), gone])
    assert list(there.keys()) == []
    moving.close()


def test_a_store_that_is_away_keeps_nothing(log: ReceiveLog, monkeypatch: pytest.MonkeyPatch):
    there = MemoryStore()

    def away(*_: object) -> None:
        raise Unavailable("away")

    monkeypatch.setattr(there, "create", away)
    moving = Moving(log, there)
    with pytest.raises(Unavailable):
        moving.move([placed(log, b"some bytes")])
    assert len(list(log.keys())) == 1
    moving.close()


def test_a_receiver_before_an_object_store(
    tmp_path: Path, s3_url: str, archive_url: str, start_process: Callable[..., NodeProcess]
):
    config = write_config(tmp_path, archive_url, blobs={"url": s3_url})
    process = start_process(config)
    with call(process.port) as channel:
        for number in range(5):
            dataset = ct(number)
            assert store(channel, encode(dataset), str(dataset.SOPInstanceUID)) == (0, "")
        channel.release()
    archive, there = Archive.open(process.config.database_url), open_blobs(s3_url, tmp_path)
    with archive.read() as tx:
        blobs = [tx.instances.get(str(ct(number).SOPInstanceUID)).blob for number in range(5)]
    assert {each.key for each in blobs} == set(there.keys())
    archive.close()
    assert process.stop() == 0
    front = ReceiveLog(tmp_path / "data" / "front")
    assert list(front.keys()) == []
    (before,) = front.pages.tokens()
    assert start_process(config).stop() == 0
    assert before not in front.pages.tokens()
    front.close()
