import threading
import time

import pytest

from node.services import callers as module
from node.services.callers import Callers
from storage.archive import Archive
from storage.errors import Unavailable


@pytest.fixture
def callers(archive: Archive):
    made = Callers(archive)
    yield made
    made.close()


def test_calls_are_counted(callers: Callers):
    callers.note("CT1", "10.0.0.7", ["C-STORE"], refused=False)
    callers.note("CT1", "10.0.0.7", ["C-FIND", "C-ECHO"], refused=True)
    callers.note("CT1", "10.0.0.8", [], refused=True)
    seen = {(caller.ae_title, caller.address): caller for caller in callers.list()}
    first = seen["CT1", "10.0.0.7"]
    assert (first.count, first.refused, first.asked) == (2, 1, ("C-ECHO", "C-FIND", "C-STORE"))
    second = seen["CT1", "10.0.0.8"]
    assert (second.count, second.refused, second.asked) == (1, 1, ())


def test_later_calls_are_added(callers: Callers):
    callers.note("CT1", "a", ["C-STORE"], refused=False)
    callers.list()
    callers.note("CT1", "a", ["C-FIND"], refused=False)
    (caller,) = callers.list()
    assert (caller.count, caller.asked) == (2, ("C-FIND", "C-STORE"))
    assert caller.first_seen <= caller.last_seen


def test_a_call_does_not_wait_for_the_database(archive: Archive, callers: Callers):
    with archive.begin():  # holds SQLite's write lock
        for _ in range(100):
            callers.note("CT1", "a", ["C-STORE"], refused=False)
    assert callers.list()[0].count == 100


def test_what_waits_is_written_every_few_seconds(archive: Archive, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(module, "EVERY", 0.02)
    callers = Callers(archive)
    callers.note("CT1", "a", ["C-STORE"], refused=False)
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        with archive.read() as tx:
            if tx.callers.list():
                break
        time.sleep(0.01)
    else:
        pytest.fail("nothing was written")
    callers.close()


def test_what_waits_is_written_at_the_end_and_the_thread_ends(archive: Archive):
    callers = Callers(archive)
    callers.note("CT1", "a", ["C-STORE"], refused=False)
    callers.close()
    with archive.read() as tx:
        assert [caller.ae_title for caller in tx.callers.list()] == ["CT1"]
    assert not any(thread.name == "callers" for thread in threading.enumerate())


def test_without_calls_there_is_no_thread(archive: Archive):
    before = threading.active_count()
    callers = Callers(archive)
    assert threading.active_count() == before
    callers.close()


class Away:
    def begin(self):
        raise Unavailable("away")


def test_calls_wait_for_a_database_that_is_away(
    archive: Archive, callers: Callers, monkeypatch: pytest.MonkeyPatch
):
    callers.note("CT1", "a", ["C-STORE"], refused=False)
    monkeypatch.setattr(callers, "_archive", Away())
    callers.flush()
    callers.note("CT1", "a", ["C-ECHO"], refused=False)
    callers.flush()
    monkeypatch.setattr(callers, "_archive", archive)
    (caller,) = callers.list()
    assert (caller.count, caller.asked) == (2, ("C-ECHO", "C-STORE"))


def test_a_flood_of_invented_titles_is_bounded(callers: Callers, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(module, "MOST", 3)
    for number in range(10):
        callers.note(f"AE{number}", "a", [], refused=True)
    callers.note("AE0", "a", [], refused=True)
    seen = {caller.ae_title: caller.count for caller in callers.list()}
    assert seen == {"AE0": 2, "AE1": 1, "AE2": 1}


def test_only_the_latest_are_kept(callers: Callers, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(module, "KEPT", 3)
    for number in range(6):
        callers.note(f"AE{number}", "a", [], refused=True)
        callers.flush()
    assert [caller.ae_title for caller in callers.list()] == ["AE5", "AE4", "AE3"]


def test_many_threads_call_at_once(callers: Callers):
    threads = [
        threading.Thread(target=lambda: [callers.note("CT1", "a", ["X"], refused=False) for _ in range(50)])
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert callers.list()[0].count == 400
