import fcntl
import multiprocessing
import os
import signal
import stat

import pytest

from storage.blobs.desks import Desk, clear_dead
from storage.blobs.keys import KeyMaker


def _sit(root, tell, names):
    desk = Desk(root, KeyMaker())
    for name in names:
        with open(f"{desk.path}/{name}", "w"):
            pass
    tell.put(desk.keys.token)
    signal.pause()


@pytest.fixture
def other(tmp_path):
    """Start another process that sits at a desk of the same root."""
    context = multiprocessing.get_context("spawn")
    started = []

    def start(*names):
        tell = context.SimpleQueue()
        process = context.Process(target=_sit, args=(str(tmp_path), tell, names))
        process.start()
        started.append(process)
        return process, tell.get()

    yield start
    for process in started:
        process.kill()
        process.join()


def test_what_a_killed_process_left_is_cleared(tmp_path, other):
    process, token = other("one", "two")
    process.kill()
    process.join()
    last = os.stat(tmp_path / ".writing" / token).st_mtime
    (dead,) = clear_dead(str(tmp_path))
    assert (dead.token, dead.last) == (token, last)
    assert os.listdir(tmp_path / ".writing") == ["gate"]
    assert clear_dead(str(tmp_path)) == []


def test_a_living_process_is_left_alone(tmp_path, other):
    _, token = other("one")
    assert clear_dead(str(tmp_path)) == []
    assert os.listdir(tmp_path / ".writing" / token) == ["one"]


def test_this_process_is_left_alone_too(tmp_path):
    desk = Desk(str(tmp_path), KeyMaker())
    assert clear_dead(str(tmp_path)) == []
    assert os.path.isdir(desk.path)
    desk.leave()


def test_whoever_leaves_in_order_is_not_dead(tmp_path):
    Desk(str(tmp_path), KeyMaker()).leave()
    assert clear_dead(str(tmp_path)) == []
    assert os.listdir(tmp_path / ".writing") == ["gate"]


def test_a_desk_left_in_disorder_is_cleared_by_the_next(tmp_path):
    desk = Desk(str(tmp_path), KeyMaker())
    open(f"{desk.path}/half", "w").close()
    desk.leave()
    assert [dead.token for dead in clear_dead(str(tmp_path))] == [desk.keys.token]
    assert not os.path.exists(desk.path)


def test_a_lock_without_a_folder_is_cleared_silently(tmp_path):
    Desk(str(tmp_path), KeyMaker()).leave()
    (tmp_path / ".writing" / "0123456789ab.lock").touch()
    assert clear_dead(str(tmp_path)) == []
    assert os.listdir(tmp_path / ".writing") == ["gate"]


def test_a_forked_child_does_not_end_its_parents_desk(tmp_path):
    desk = Desk(str(tmp_path), KeyMaker())
    child = multiprocessing.get_context("fork").Process(target=desk.leave)
    child.start()
    child.join()
    assert child.exitcode == 0
    assert os.path.isdir(desk.path)
    assert clear_dead(str(tmp_path)) == []  # the lock holds
    desk.leave()


def test_nobody_else_may_look(tmp_path):
    desk = Desk(str(tmp_path), KeyMaker())
    assert stat.S_IMODE(os.stat(desk.path).st_mode) == 0o700
    assert stat.S_IMODE(os.stat(f"{desk.path}.lock").st_mode) & 0o077 == 0
    desk.leave()


def test_who_leaves_while_it_is_looked_at_is_not_dead(tmp_path, monkeypatch):
    desk = Desk(str(tmp_path), KeyMaker())
    real, asked = fcntl.flock, []

    def flock(file, how):
        asked.append(how)
        if len(asked) == 2:  # the first is for the gate
            desk.leave()
        real(file, how)

    monkeypatch.setattr(fcntl, "flock", flock)
    assert clear_dead(str(tmp_path)) == []
    assert os.listdir(tmp_path / ".writing") == ["gate"]
