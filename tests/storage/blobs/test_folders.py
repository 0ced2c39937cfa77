import os
import stat
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from storage.blobs.folders import Folders, SharedSync, make_root


class Slow:
    """Something that takes until it is let go, and counts."""

    def __init__(self):
        self.begun = threading.Semaphore(0)
        self.go = threading.Semaphore(0)
        self.rounds = []
        self.error = None

    def __call__(self, folder):
        self.rounds.append(folder)
        self.begun.release()
        self.go.acquire()
        if self.error:
            raise self.error


@pytest.fixture
def pool():
    with ThreadPoolExecutor(16) as made:
        yield made


class CountingLock:
    """A lock that knows how often it was let go; each caller of a shared sync does so once on arrival."""

    def __init__(self):
        self._lock = threading.Lock()
        self.left = 0

    def __enter__(self):
        self._lock.acquire()

    def __exit__(self, *_):
        self.left += 1
        self._lock.release()


def start(shared, slow, pool, others):
    """Let one round for ``a`` run and `others` callers wait for the next."""
    shared._lock = CountingLock()
    first = pool.submit(shared, "a")
    slow.begun.acquire()
    turns = [first, *(pool.submit(shared, "a") for _ in range(others))]
    while shared._lock.left < 2 + others:
        threading.Event().wait(0.001)
    return turns


def test_all_who_wait_during_a_round_share_the_next(pool):
    slow = Slow()
    shared = SharedSync(slow)
    turns = start(shared, slow, pool, 10)
    assert slow.rounds == ["a"]  # none began while the first ran
    assert not any(turn.done() for turn in turns)
    slow.go.release(2)
    for turn in turns:
        turn.result()
    assert slow.rounds == ["a", "a"]


def test_folders_do_not_wait_for_each_other(pool):
    slow = Slow()
    shared = SharedSync(slow)
    turns = [pool.submit(shared, name) for name in "ab"]
    slow.begun.acquire()
    slow.begun.acquire()  # both run
    slow.go.release(2)
    for turn in turns:
        turn.result()


def test_all_who_share_a_round_hear_of_its_failure_and_the_next_can_succeed(pool):
    slow = Slow()
    shared = SharedSync(slow)
    turns = start(shared, slow, pool, 3)
    slow.error = OSError(5, "Input/output error")
    slow.go.release(2)
    for turn in turns:
        assert isinstance(turn.exception(), OSError)
    slow.error = None
    slow.go.release()
    shared("a")
    assert (shared._coming, shared._running) == ({}, {})


def test_folders_are_made_for_this_user_alone(tmp_path):
    folders = Folders(str(tmp_path))
    old = os.umask(0)
    try:
        folders.make("a/b/c/d")
    finally:
        os.umask(old)
    for made in ("a", "a/b", "a/b/c", "a/b/c/d"):
        assert stat.S_IMODE((tmp_path / made).stat().st_mode) == 0o700


def test_a_folder_that_somebody_else_made_will_do(tmp_path):
    (tmp_path / "a/b").mkdir(parents=True)
    folders = Folders(str(tmp_path))
    folders.make("a/b")
    folders.make("a/b/c")
    folders.sync("a/b/c")


def test_a_folder_that_was_removed_is_made_again(tmp_path):
    folders = Folders(str(tmp_path))
    folders.make("a/b")
    (tmp_path / "a/b").rmdir()
    (tmp_path / "a").rmdir()
    folders.make("a/b")  # believes what it remembers
    assert not (tmp_path / "a").exists()
    folders.remake("a/b")
    assert (tmp_path / "a/b").is_dir()


def test_without_its_root_nothing_is_made(tmp_path):
    with pytest.raises(FileNotFoundError):
        Folders(str(tmp_path / "gone")).make("a/b")


def test_syncing_what_is_not_there_fails(tmp_path):
    with pytest.raises(FileNotFoundError):
        Folders(str(tmp_path)).sync("a")


def test_a_root_is_made_with_its_parents(tmp_path):
    make_root(str(tmp_path / "x/y/z"))
    make_root(str(tmp_path / "x/y/z"))
    assert stat.S_IMODE((tmp_path / "x/y/z").stat().st_mode) == 0o700
    (tmp_path / "file").touch()
    with pytest.raises(FileExistsError):
        make_root(str(tmp_path / "file"))
