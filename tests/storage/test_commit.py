import threading
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from storage.archive import Archive
from storage.blobs.memory import MemoryStore
from storage.commit import GroupCommit
from storage.engine import Busy
from storage.errors import InDoubt, NotFound, OutOfSpace, StorageError, Unavailable
from storage.records.arrival import Arrival, Recorded, Verdict
from storage.records.trail import Event
from storage.transaction import Transaction
from tests.support.arrivals import NOW, arrival, placed


class Recorder(MemoryStore):
    """A real store that tells in which order it was asked, and fails or waits when it is told to."""

    def __init__(self, calls: list[str] | None = None) -> None:
        super().__init__()
        self.calls: list[str] = calls if calls is not None else []
        self.groups: list[list[str]] = []
        self.before_sync: Callable[[Sequence[str]], None] = lambda keys: None

    def sync(self, keys: Iterable[str]) -> None:
        wanted = list(keys)
        self.before_sync(wanted)
        super().sync(wanted)
        self.calls.append("sync")
        self.groups.append(wanted)


class Watched(Transaction):
    """A real transaction that tells of its commit, and fails when it is told to."""

    calls: list[str]
    before_commit: Callable[[], None]
    after_commit: Callable[[], None]

    def commit(self) -> None:
        self.before_commit()
        super().commit()
        self.calls.append("commit")
        self.after_commit()


class Desk:
    """A group commit with both ends watched."""

    def __init__(self, archive: Archive) -> None:
        self.calls: list[str] = []
        self.blobs = Recorder(self.calls)
        self.archive = archive
        self.followed: list[tuple[Arrival, Recorded]] = []
        self.before_commit: Callable[[], None] = lambda: None
        self.after_commit: Callable[[], None] = lambda: None
        self.before_begin: Callable[[], None] = lambda: None
        self.commits = GroupCommit(self._begin, self.blobs, self._follow)

    def _begin(self) -> Transaction:
        self.before_begin()
        tx = Watched(self.archive.begin().connection)
        tx.calls = self.calls
        tx.before_commit = self.before_commit
        tx.after_commit = self.after_commit
        return tx

    def _follow(self, tx: Transaction, recorded: Sequence[tuple[Arrival, Recorded]]) -> None:
        self.followed += recorded
        tx.events.add(Event(NOW, "followed", detail={"count": len(recorded)}))

    def count(self) -> int:
        with self.archive.read() as tx:
            return tx.instances.count()


@pytest.fixture
def desk(archive: Archive) -> Desk:
    return Desk(archive)


def once(error: Exception) -> Callable[[], None]:
    """A hook that fails the first time."""
    left = [error]

    def hook() -> None:
        if left:
            raise left.pop()

    return hook


def test_bytes_are_durable_before_the_record_is(desk: Desk) -> None:
    one = placed(desk.blobs)
    assert desk.commits.record(one) == Recorded(Verdict.STORED)
    assert desk.calls == ["sync", "commit"]
    assert desk.blobs.groups == [[one.blob.key]]
    assert desk.followed == [(one, Recorded(Verdict.STORED))]


def test_all_who_wait_share_one_sync_and_one_commit(desk: Desk) -> None:
    gate = threading.Event()
    desk.blobs.before_sync = lambda keys: gate.wait(30) and None
    arrivals = [placed(desk.blobs, b"%d" % n, number=n) for n in range(9)]
    with ThreadPoolExecutor(9) as pool:
        first = pool.submit(desk.commits.record, arrivals[0])
        wait_until(lambda: desk.commits._led and not desk.commits._waiting)
        rest = [pool.submit(desk.commits.record, each) for each in arrivals[1:]]
        wait_until(lambda: len(desk.commits._waiting) == 8)
        gate.set()
        said = [each.result(30) for each in [first, *rest]]
    assert said == [Recorded(Verdict.STORED)] * 9
    assert [len(group) for group in desk.blobs.groups] == [1, 8]
    assert desk.calls == ["sync", "commit"] * 2
    assert desk.count() == 9


def test_many_threads(desk: Desk) -> None:
    """Each one is told of its own arrival; every second one is a duplicate."""
    arrivals = [placed(desk.blobs, b"%d" % (n // 2), study=n % 3, number=n // 2) for n in range(240)]
    arrivals = [replace(a, sop_instance_uid=f"1.9.{n // 2}") for n, a in enumerate(arrivals)]
    with ThreadPoolExecutor(24) as pool:
        said = list(pool.map(desk.commits.record, arrivals))
    for n in range(0, 240, 2):
        pair = [said[n].verdict, said[n + 1].verdict]
        assert sorted(pair) == [Verdict.DUPLICATE, Verdict.STORED]
        duplicate, stored = (said[n], n + 1) if pair[0] is Verdict.DUPLICATE else (said[n + 1], n)
        assert duplicate.existing == arrivals[stored].blob
    assert desk.count() == 120
    with desk.archive.read() as tx:
        assert list(tx.studies.miscounted()) == []
        assert sum(e.detail["count"] for e in tx.events.list(kind="followed")) == 240
    assert not desk.commits._led


def test_two_nodes_on_one_database(archive: Archive, archive_url: str) -> None:
    other = Archive.open(archive_url)
    desks = [Desk(archive), Desk(other)]
    work = [
        (desk, placed(desk.blobs, b"%d" % n, study=n % 2, series=n % 4, number=n))
        for n in range(40)
        for desk in desks
    ]
    with ThreadPoolExecutor(16) as pool:
        said = list(pool.map(lambda pair: pair[0].commits.record(pair[1]).verdict, work))
    other.close()
    assert said.count(Verdict.STORED) == said.count(Verdict.DUPLICATE) == 40
    with archive.read() as tx:
        assert tx.instances.count() == 40
        assert list(tx.studies.miscounted()) == []


def test_one_that_fails_harms_no_other(desk: Desk) -> None:
    gate = threading.Event()
    desk.blobs.before_sync = lambda keys: gate.wait(30) and None
    good = [placed(desk.blobs, b"%d" % n, number=n) for n in range(4)]
    bad = replace(good[0], sop_instance_uid="1.9", received_at=NOW.replace(tzinfo=None))
    lost = replace(good[0], sop_instance_uid="1.8", blob=replace(good[0].blob, key="no key at all"))
    with ThreadPoolExecutor(6) as pool:
        first = pool.submit(desk.commits.record, good[0])
        wait_until(lambda: desk.commits._led and not desk.commits._waiting)
        rest = [pool.submit(desk.commits.record, each) for each in (good[1], bad, good[2], lost, good[3])]
        wait_until(lambda: len(desk.commits._waiting) == 5)
        gate.set()
        assert first.result(30).verdict is Verdict.STORED
        for n in (0, 2, 4):
            assert rest[n].result(30).verdict is Verdict.STORED
        with pytest.raises(ValueError, match="without a zone"):
            rest[1].result(30)
        with pytest.raises(NotFound):
            rest[3].result(30)
    assert desk.count() == 4
    assert desk.commits.record(placed(desk.blobs, b"later", number=9)).verdict is Verdict.STORED


def test_full_disk_is_told_to_each_and_the_next_succeeds(desk: Desk) -> None:
    gate = threading.Event()

    def full(keys: Sequence[str]) -> None:
        gate.wait(30)
        raise OutOfSpace("no space left")

    desk.blobs.before_sync = full
    arrivals = [placed(desk.blobs, b"%d" % n, number=n) for n in range(3)]
    with ThreadPoolExecutor(3) as pool:
        told = [pool.submit(desk.commits.record, each) for each in arrivals]
        wait_until(lambda: desk.commits._led)
        gate.set()
        for each in told:
            with pytest.raises(OutOfSpace):
                each.result(30)
    desk.blobs.before_sync = lambda keys: None
    assert desk.count() == 0
    assert desk.commits.record(arrivals[0]).verdict is Verdict.STORED


def test_full_database_is_out_of_space(sqlite_url: str) -> None:
    archive = Archive.open(sqlite_url)
    desk = Desk(archive)
    with archive.begin() as tx:  # the limit belongs to the connection, which the pool hands out again
        pages = tx.connection.exec_driver_sql("PRAGMA page_count").scalar()
        tx.connection.exec_driver_sql(f"PRAGMA max_page_count = {pages}")
        tx.commit()
    with pytest.raises(OutOfSpace):
        [
            desk.commits.record(placed(desk.blobs, b"%d" % n, number=n, ImageType="x" * 3000))
            for n in range(500)
        ]
    kept = desk.count()
    with archive.begin() as tx:
        tx.connection.exec_driver_sql("PRAGMA max_page_count = 1073741823")
        tx.commit()
    assert desk.commits.record(placed(desk.blobs, number=900)).verdict is Verdict.STORED
    assert desk.count() == kept + 1
    archive.close()


@pytest.mark.parametrize("where", ["before_begin", "before_commit"])
def test_busy_is_tried_again(desk: Desk, where: str) -> None:
    setattr(desk, where, once(Busy("in the way")))
    assert desk.commits.record(placed(desk.blobs)).verdict is Verdict.STORED
    assert desk.calls.count("commit") == 1
    assert desk.calls.count("sync") == 1


def test_busy_without_end_is_raised(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("storage.commit._PATIENCE", 0.2)
    calls = []

    def busy() -> None:
        calls.append(1)
        raise Busy("in the way")

    desk.before_begin = busy
    with pytest.raises(Busy):
        desk.commits.record(placed(desk.blobs))
    assert len(calls) > 1


def test_second_writer_of_sqlite_is_waited_for(sqlite_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("storage.engine._BUSY_SECONDS", 0.05)
    archive = Archive.open(sqlite_url)
    desk = Desk(archive)
    with ThreadPoolExecutor(1) as pool:
        with archive.begin():
            waiting = pool.submit(desk.commits.record, placed(desk.blobs))
            time.sleep(0.3)
            assert not waiting.done()
        assert waiting.result(30).verdict is Verdict.STORED
    archive.close()


def test_database_that_is_away_is_unavailable_and_nothing_is_in_doubt(desk: Desk) -> None:
    desk.before_begin = once(Unavailable("no connection"))
    one = placed(desk.blobs)
    with pytest.raises(Unavailable) as caught:
        desk.commits.record(one)
    assert not isinstance(caught.value, InDoubt)
    assert desk.commits.record(one).verdict is Verdict.STORED


@pytest.mark.parametrize(
    "error", [Unavailable("connection lost"), StorageError("what the driver cannot name")]
)
def test_commit_that_broke_after_it_happened_is_found_out(desk: Desk, error: Exception) -> None:
    desk.after_commit = once(error)
    assert desk.commits.record(placed(desk.blobs)) == Recorded(Verdict.STORED)
    assert desk.count() == 1


def test_commit_that_broke_before_it_happened_is_done_again(desk: Desk) -> None:
    desk.before_commit = once(Unavailable("connection lost"))
    assert desk.commits.record(placed(desk.blobs)) == Recorded(Verdict.STORED)
    assert desk.count() == 1


@pytest.mark.parametrize("then", [Unavailable("no connection"), ValueError("anything"), Busy("in the way")])
def test_commit_that_cannot_be_found_out_is_in_doubt(
    desk: Desk, then: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("storage.commit._PATIENCE", 0.1)

    def gone() -> None:
        desk.before_begin = broken
        raise Unavailable("connection lost")

    def broken() -> None:
        raise then

    desk.after_commit = gone
    one = placed(desk.blobs)
    with pytest.raises(InDoubt, match="connection lost"):
        desk.commits.record(one)
    desk.after_commit = desk.before_begin = lambda: None
    assert desk.commits.record(one).verdict is Verdict.STORED
    assert desk.count() == 1


def test_full_disk_at_the_commit_is_in_no_doubt(desk: Desk) -> None:
    desk.before_commit = once(OutOfSpace("no space left"))
    with pytest.raises(OutOfSpace):
        desk.commits.record(placed(desk.blobs))
    assert desk.count() == 0


def test_server_that_dies_between_is_survived(postgres_url: str) -> None:
    """The connection is really cut, by the server, while the group is being committed."""
    archive = Archive.open(postgres_url)
    desk = Desk(archive)
    cut = [True]

    def cut_once() -> None:
        if cut and cut.pop():
            with archive.read() as tx:
                tx.connection.exec_driver_sql(
                    "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity"
                    " WHERE pid <> pg_backend_pid() AND datname = current_database()"
                )

    desk.before_commit = cut_once
    assert desk.commits.record(placed(desk.blobs)).verdict is Verdict.STORED
    assert desk.count() == 1
    archive.close()


def test_interrupted_leader_leaves_nobody_waiting(desk: Desk) -> None:
    gate = threading.Event()

    def interrupted(keys: Sequence[str]) -> None:
        gate.wait(30)
        desk.blobs.before_sync = lambda keys: None
        raise KeyboardInterrupt

    desk.blobs.before_sync = interrupted
    arrivals = [placed(desk.blobs, b"%d" % n, number=n) for n in range(3)]
    with ThreadPoolExecutor(3) as pool:
        first = pool.submit(desk.commits.record, arrivals[0])
        wait_until(lambda: desk.commits._led and not desk.commits._waiting)
        rest = [pool.submit(desk.commits.record, each) for each in arrivals[1:]]
        wait_until(lambda: len(desk.commits._waiting) == 2)
        gate.set()
        with pytest.raises(KeyboardInterrupt):
            first.result(30)
        assert [each.result(30).verdict for each in rest] == [Verdict.STORED] * 2


def test_group_has_a_limit(desk: Desk) -> None:
    gate = threading.Event()
    desk.blobs.before_sync = lambda keys: gate.wait(30) and None
    arrivals = [arrival(number=n, blob=placed(desk.blobs, b"%d" % n).blob) for n in range(80)]
    with ThreadPoolExecutor(80) as pool:
        told = [pool.submit(desk.commits.record, each) for each in arrivals]
        wait_until(lambda: len(desk.commits._waiting) + 64 >= 80 and desk.commits._led)
        gate.set()
        assert {each.result(60).verdict for each in told} == {Verdict.STORED}
    assert max(len(group) for group in desk.blobs.groups) <= 64


def wait_until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.005)
