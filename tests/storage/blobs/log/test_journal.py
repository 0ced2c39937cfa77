import os
import threading
import time

import pytest

from storage.blobs.log import journal as journals
from storage.blobs.log.journal import Journal
from storage.blobs.log.store import ReceiveLog
from storage.errors import OutOfSpace, Unavailable


@pytest.fixture
def log(tmp_path):
    opened = ReceiveLog(tmp_path)
    yield opened
    opened.close()


@pytest.fixture
def journal(log):
    made = log.journal()
    yield made
    made.close()


def token_of(log):
    (token,) = log.pages.tokens()
    return token


def notes(log, until=None):
    tail = log.tail(token_of(log))
    entries, _ = tail.read(0, until, 1000)
    tail.close()
    return [each.note for each in entries]


def enter(journal, n, note=None):
    data = b"data %d" % n
    return journal.enter("instances", [data[:3], data[3:]], len(data), note or b"note %d" % n)


def index_all(log, count=10**9):
    """Do what the indexer does: say that all of the log is in the index."""
    page = log.pages.open(token_of(log))
    page.take(count, page.durable)
    if page.waiting:
        page.waiting = False
        bell = log.pages.bell_of(token_of(log))
        bell.ring()
        bell.close()
    page.close()


def test_what_is_entered_is_a_blob_with_its_note(log, journal):
    keys = [enter(journal, n) for n in range(3)]
    for n, key in enumerate(keys):
        with log.open(key) as reader:
            assert reader.read_at(0, 100) == b"data %d" % n
    page = log.pages.open(token_of(log))
    assert notes(log, page.durable) == [b"note 0", b"note 1", b"note 2"]
    assert page.behind == 3
    page.close()


def test_nothing_is_told_before_it_is_synced(journal, monkeypatch):
    synced = []
    real = os.fdatasync

    def sync(file):
        real(file)
        synced.append(file)

    monkeypatch.setattr(os, "fdatasync", sync)
    for n in range(4):
        enter(journal, n)
        assert len(synced) == n + 1


def test_one_sync_serves_all_who_wait(log, journal, monkeypatch):
    real, begun, gate, count = os.fdatasync, threading.Event(), threading.Event(), []

    def slow(file):
        count.append(file)
        begun.set()
        gate.wait(60)
        real(file)

    monkeypatch.setattr(os, "fdatasync", slow)
    threads = [threading.Thread(target=enter, args=(journal, n)) for n in range(9)]
    threads[0].start()
    begun.wait(60)
    for thread in threads[1:]:
        thread.start()
    deadline = time.monotonic() + 60
    while len(journal._waiting) < 8 and time.monotonic() < deadline:
        time.sleep(0.01)
    gate.set()
    for thread in threads:
        thread.join(60)
    assert len(count) == 2
    assert sorted(notes(log)) == [b"note %d" % n for n in range(9)]


def test_many_threads_lose_nothing(log, journal):
    def work(seed):
        for n in range(50):
            enter(journal, seed * 1000 + n)
            if n % 10 == 0:
                index_all(log)

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    page = log.pages.open(token_of(log))
    assert len(notes(log, page.durable)) == 300
    page.close()


def test_a_sync_that_fails_is_told_to_those_it_was_for_and_to_nobody_else(log, journal, monkeypatch):
    enter(journal, 1)
    real = os.fdatasync

    def broken(_):
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(os, "fdatasync", broken)
    with pytest.raises(Unavailable):
        enter(journal, 2)
    monkeypatch.setattr(os, "fdatasync", real)
    third = enter(journal, 3)
    assert third.split("-")[2] == "1"  # another segment: of the first one nothing more is believed
    page = log.pages.open(token_of(log))
    assert notes(log, page.durable) == [b"note 1", b"note 3"]
    page.close()


def test_a_write_that_fails_keeps_nothing(log, journal, monkeypatch):
    enter(journal, 0)
    real = os.pwritev
    monkeypatch.setattr(
        os, "pwritev", lambda *_: (_ for _ in ()).throw(OSError(28, "No space left on device"))
    )
    with pytest.raises(OutOfSpace):
        enter(journal, 1)
    monkeypatch.setattr(os, "pwritev", real)
    enter(journal, 2)
    assert notes(log) == [b"note 0", b"note 2"]


def test_settling_waits_for_what_is_durable_by_now(log, journal):
    assert journal.settle(0)
    enter(journal, 1)
    assert not journal.settle(0.05)
    settled = []
    thread = threading.Thread(target=lambda: settled.append(journal.settle(60)))
    thread.start()
    haste = log.pages.haste()
    haste.wait(60)
    index_all(log)
    thread.join(60)
    assert settled == [True]
    haste.close()


def test_settling_waits_for_other_logs_too(tmp_path, log, journal):
    other = ReceiveLog(tmp_path)
    another = other.journal()
    enter(another, 1)
    assert not journal.settle(0.05)
    another.close()
    other.close()


def test_who_is_too_far_ahead_of_an_index_that_moves_waits_for_it(log, journal, monkeypatch):
    monkeypatch.setattr(journals, "AHEAD", 3)
    journal._seen = (0, float("inf"))  # it has just been seen to move
    for n in range(3):
        enter(journal, n)
    thread = threading.Thread(target=enter, args=(journal, 3))
    thread.start()
    haste = log.pages.haste()
    haste.wait(60)
    assert len(notes(log)) == 3
    index_all(log)
    thread.join(60)
    assert len(notes(log)) == 4
    haste.close()


def test_while_the_index_stands_all_room_is_used_and_then_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(journals, "AHEAD", 2)
    monkeypatch.setattr(journals, "AHEAD_MAX", 5)
    monkeypatch.setattr(journals, "_STALLED", 0.01)
    log = ReceiveLog(tmp_path)
    journal = Journal(log._sit_down(), log.pages, patience=0.1)
    for n in range(5):
        enter(journal, n)
    with pytest.raises(OutOfSpace, match="5 instances wait for the index"):
        enter(journal, 6)
    index_all(log)
    enter(journal, 7)
    assert len(notes(log)) == 6
    journal.close()
    log.close()


def test_closing_wakes_who_waits(log):
    journal = log.journal()
    enter(journal, 1)
    settled = []
    thread = threading.Thread(target=lambda: settled.append(journal.settle(60)))
    thread.start()
    haste = log.pages.haste()
    haste.wait(60)
    journal.close()
    thread.join(60)
    assert settled == [False]
    haste.close()


def test_without_a_log_for_small_blobs_there_is_no_journal(tmp_path):
    log = ReceiveLog(tmp_path, small=0)
    assert log.journal() is None
    assert log.pages.tokens() == []
    log.close()


def test_what_is_left_in_the_log_is_none_of_a_crashs_leavings(tmp_path):
    log = ReceiveLog(tmp_path)
    journal = log.journal()
    enter(journal, 1)
    journal.close()
    log.close()
    again = ReceiveLog(tmp_path)
    assert list(again.recover()) == []
    assert notes(again) == [b"note 1"]
    assert len(list(again.keys())) == 1
    again.drop(token_of(again))
    assert list(again.keys()) == []
    again.close()


def test_after_a_sync_that_failed_the_segment_that_was_made_ready_is_the_next(log, journal, monkeypatch):
    for n in range(5):  # over half of the first segment
        journal.enter("instances", [bytes(1 << 20)], 1 << 20, b"note %d" % n)
    page, real = log.pages.open(token_of(log)), os.fdatasync

    def broken(_):
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(os, "fdatasync", broken)
    with pytest.raises(Unavailable):
        enter(journal, 5)
    monkeypatch.setattr(os, "fdatasync", real)
    before = page.durable
    enter(journal, 6)
    tail = log.tail(token_of(log))
    entries, _ = tail.read(before, page.durable, 1000)
    assert [each.note for each in entries] == [b"note 6"]
    tail.close()
    page.close()


def test_who_had_written_before_a_sync_failed_is_not_told_that_all_is_well(log, journal, monkeypatch):
    outcomes, calls = [], []

    def sync(_):
        calls.append(1)
        if len(calls) == 1:
            deadline = time.monotonic() + 60
            while not journal._waiting and time.monotonic() < deadline:
                time.sleep(0.01)
            raise OSError(5, "Input/output error")

    def work(n):
        try:
            enter(journal, n)
            outcomes.append("acknowledged")
        except Unavailable:
            outcomes.append("refused")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fdatasync", sync)
        threads = [threading.Thread(target=work, args=(n,)) for n in range(2)]
        threads[0].start()
        while not calls:
            time.sleep(0.01)
        threads[1].start()
        for thread in threads:
            thread.join(60)
    assert outcomes == ["refused", "refused"]
    assert notes(log) == []


def test_whatever_a_sync_raises_nobody_is_told_that_all_is_well(log, journal, monkeypatch):
    def broken(_):
        raise MemoryError

    with monkeypatch.context() as patch:
        patch.setattr(os, "fdatasync", broken)
        with pytest.raises(Unavailable):
            enter(journal, 1)
    enter(journal, 2)
    page = log.pages.open(token_of(log))
    assert notes(log, page.durable) == [b"note 2"]
    page.close()
