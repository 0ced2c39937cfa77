import threading
from collections.abc import Sequence
from dataclasses import replace

import pytest
from sqlalchemy.exc import IntegrityError

from node.indexing.batch import BOOKMARK, Batches, Stopped, TakenBack
from node.indexing.moving import Moving
from node.services.quarantine import Quarantine
from node.services.recorder import Recorder
from node.services.space import Space
from storage.errors import Unavailable
from storage.records.arrival import Arrival, Recorded
from storage.transaction import Transaction
from tests.support.arrivals import rows
from tests.support.noted import Noted


class Follower:
    """Remembers what it was told, and fails for those that it is told to."""

    def __init__(self) -> None:
        self.told: list[str] = []
        self.spoiled: set[str] = set()

    def __call__(self, _tx: Transaction, pairs: Sequence[tuple[Arrival, Recorded]]) -> None:
        for arrival, _ in pairs:
            if arrival.sop_instance_uid in self.spoiled:
                raise IntegrityError("INSERT", {}, Exception("of a patient"))
        self.told += [arrival.sop_instance_uid for arrival, recorded in pairs if recorded.place]


@pytest.fixture
def follower() -> Follower:
    return Follower()


@pytest.fixture
def batches(noted: Noted, follower: Follower) -> Batches:
    return Batches(
        noted.lazy,
        noted.archive,
        noted.log,
        follower,
        Recorder(noted.archive, noted.log, noted.lazy.commits(noted.log)),
        Quarantine(noted.archive, noted.log, Space(noted.log, floor=0, held=0)),
        Moving(noted.log, noted.log),
        threading.Event(),
    )


def position(noted: Noted) -> int | None:
    with noted.archive.read() as tx:
        place: int | None = tx.bookmarks.get(f"{BOOKMARK}x").get("position")
        return place


def test_a_batch_is_one_transaction_with_its_position(noted: Noted, batches: Batches, follower: Follower):
    made = [noted.acknowledge(n) for n in range(5)]
    batches.write(made, {"x": 4711})
    assert follower.told == [each.sop_instance_uid for each in made]
    assert position(noted) == 4711
    batches.write([], {"x": 4712})
    assert position(noted) == 4712


def test_a_batch_that_comes_again_changes_nothing(noted: Noted, batches: Batches, follower: Follower):
    made = [noted.acknowledge(n) for n in range(5)]
    batches.write(made, {"x": 1})
    batches.write(made, {"x": 1})
    assert len(follower.told) == 5
    assert rows(noted.archive, "SELECT count(*) FROM arrival") == [(5,)]
    noted.assert_clean()


def test_one_that_the_database_does_not_take_goes_to_quarantine_and_stops_no_other(
    noted: Noted, batches: Batches, follower: Follower
):
    made = [noted.acknowledge(n, b"content %d" % n) for n in range(4)]
    follower.spoiled = {made[2].sop_instance_uid}
    batches.write(made, {"x": 9})
    assert position(noted) == 9
    assert [noted.blob_of(each.sop_instance_uid) is not None for each in made] == [True, True, False, True]
    with noted.archive.read() as tx:
        (kept,) = tx.quarantine.list(limit=10)
    assert kept.sop_instance_uid == made[2].sop_instance_uid
    assert "IntegrityError" in kept.reason
    assert "patient" not in kept.reason
    with noted.log.open(kept.blob_key) as reader:
        assert reader.read_at(0, 100).endswith(b"content 2")
    noted.assert_clean()


def test_alone_it_goes_to_quarantine_too(noted: Noted, batches: Batches, follower: Follower):
    made = noted.acknowledge(1)
    follower.spoiled = {made.sop_instance_uid}
    batches.write([made], {"x": 9})
    assert position(noted) == 9
    assert rows(noted.archive, "SELECT count(*) FROM quarantine") == [(1,)]


def test_the_position_waits_until_duplicates_are_cleared_away(
    noted: Noted, batches: Batches, monkeypatch: pytest.MonkeyPatch
):
    first = noted.acknowledge(1)
    batches.write([first], {"x": 1})
    again = noted.acknowledge(1)

    def broken(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Recorder, "clear", broken)
        with pytest.raises(KeyboardInterrupt):
            batches.write([again], {"x": 2})
    assert position(noted) == 1
    batches.write([again], {"x": 2})
    assert position(noted) == 2
    assert list(noted.log.keys()) == [first.blob.key]


def test_the_same_in_other_bytes_is_cleared_away_and_another_is_a_conflict(
    noted: Noted, batches: Batches, monkeypatch: pytest.MonkeyPatch
):
    first = noted.acknowledge(1, b"one")
    batches.write([first], {"x": 1})
    same, other = noted.acknowledge(1, b"one, compressed"), noted.acknowledge(1, b"another")
    monkeypatch.setattr(
        Recorder, "says_the_same", lambda _self, arrival, _recorded: arrival.blob == same.blob
    )
    batches.write([same, other], {"x": 2})
    assert position(noted) == 2
    assert set(noted.log.keys()) == {first.blob.key, other.blob.key}
    assert rows(noted.archive, "SELECT count(*) FROM conflict") == [(1,)]
    batches.write([same], {"x": 3})
    assert position(noted) == 3


def test_a_database_that_is_away_is_waited_for_until_told_to_stop(
    noted: Noted, batches: Batches, monkeypatch: pytest.MonkeyPatch
):
    made = noted.acknowledge(1)

    def away(**_: bool) -> None:
        batches._stop.set()
        raise Unavailable("away")

    with monkeypatch.context() as patch:
        patch.setattr(noted.lazy, "begin", away)
        with pytest.raises(Stopped):
            batches.write([made], {"x": 1})
    assert position(noted) is None


def test_a_database_that_lost_a_commit_is_noticed(noted: Noted, batches: Batches):
    batches.write([noted.acknowledge(1)], {"x": 1})
    with noted.archive.begin() as tx:  # as a server that was killed comes back
        tx.connection.exec_driver_sql("DELETE FROM bookmark")
        tx.commit()
    second = noted.acknowledge(2)
    with pytest.raises(TakenBack):
        batches.write([second], {"x": 2})
    assert noted.blob_of(second.sop_instance_uid) is None
    batches.forget()
    batches.write([second], {"x": 2})
    assert noted.blob_of(second.sop_instance_uid) == replace(second.blob)
