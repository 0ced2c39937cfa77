import os
import select
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from storage.archive import Archive
from storage.pipes import Pipe, folder_beside, folder_of, ring

WAITS = """
import sys, time
from storage.pipes import Pipe
pipe = Pipe.make(sys.argv[1])
print("ready", flush=True)
time.sleep(600)
"""


@pytest.fixture
def folder(tmp_path: Path) -> str:
    return str(tmp_path / "index.db.wake")


@pytest.fixture
def pipe(folder: str) -> Iterator[Pipe]:
    made = Pipe.make(folder)
    yield made
    made.close()


def rung(pipe: Pipe) -> bool:
    """Tell whether it was rung since this was asked last."""
    ready, _, _ = select.select([pipe], [], [], 0)
    pipe.drain()
    return bool(ready)


def test_whoever_waits_is_rung_and_only_then(pipe: Pipe, folder: str) -> None:
    other = Pipe.make(folder)
    assert not rung(pipe)
    ring(folder)
    assert rung(pipe)
    assert rung(other)
    assert not rung(pipe)
    other.close()
    ring(folder)
    assert rung(pipe)


def test_nobody_else_gets_at_the_pipes(pipe: Pipe, folder: str) -> None:
    assert stat.S_IMODE(os.stat(folder).st_mode) == 0o700
    assert [stat.S_ISFIFO(each.stat().st_mode) for each in Path(folder).iterdir()] == [True]


def test_ringing_where_nobody_ever_waited_does_nothing(folder: str) -> None:
    ring(folder)
    assert not os.path.exists(folder)


def test_a_pipe_full_of_rings_is_no_hindrance(pipe: Pipe, folder: str) -> None:
    for _ in range(70_000):
        ring(folder)
    assert rung(pipe)
    ring(folder)
    assert rung(pipe)


def test_the_pipe_of_a_killed_process_is_removed_by_who_rings(pipe: Pipe, folder: str) -> None:
    with subprocess.Popen([sys.executable, "-c", WAITS, folder], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        assert len(os.listdir(folder)) == 2
        ring(folder)
        assert len(os.listdir(folder)) == 2
        process.kill()
        process.wait()
    ring(folder)
    assert rung(pipe)
    assert len(os.listdir(folder)) == 1
    assert pipe.stands()


def test_what_is_no_pipe_is_left_alone(pipe: Pipe, folder: str) -> None:
    note = Path(folder, "note.txt")
    note.write_bytes(b"mine")
    Path(folder, "link.pipe").symlink_to(note)
    ring(folder)
    assert note.read_bytes() == b"mine"
    assert rung(pipe)


def test_pipes_that_their_makers_died_over_are_swept(pipe: Pipe, folder: str) -> None:
    os.mkfifo(f"{folder}/dead.new")
    ring(folder)
    assert os.path.exists(f"{folder}/dead.new")
    with_reader = os.open(f"{folder}/dead.new", os.O_RDONLY | os.O_NONBLOCK)
    Pipe.make(folder).close()
    assert os.path.exists(f"{folder}/dead.new")
    os.close(with_reader)
    Pipe.make(folder).close()
    assert not os.path.exists(f"{folder}/dead.new")


def test_a_pipe_notices_that_it_was_cleared_away(folder: str) -> None:
    pipe = Pipe.make(folder)
    assert pipe.stands()
    (name,) = os.listdir(folder)
    os.unlink(f"{folder}/{name}")
    assert not pipe.stands()
    os.mkfifo(f"{folder}/{name}")  # another's
    assert not pipe.stands()
    pipe.close()
    assert os.listdir(folder) == [name]


def test_where_there_can_be_no_folder_there_is_no_pipe(folder: str) -> None:
    Path(folder).write_bytes(b"")
    with pytest.raises(OSError, match="Not a directory"):
        Pipe.make(folder)
    ring(folder)


def test_many_come_and_go_while_others_ring(folder: str) -> None:
    """Nobody who waits is taken for dead."""
    failed: list[BaseException] = []
    done = threading.Event()

    def come_and_go() -> None:
        try:
            for _ in range(100):
                pipe = Pipe.make(folder)
                ring(folder)
                assert rung(pipe)
                assert pipe.stands()
                pipe.close()
        except BaseException as error:
            failed.append(error)

    def disturb() -> None:
        while not done.is_set():
            ring(folder)

    comers = [threading.Thread(target=come_and_go) for _ in range(4)]
    ringer = threading.Thread(target=disturb)
    ringer.start()
    for thread in comers:
        thread.start()
    for thread in comers:
        thread.join()
    done.set()
    ringer.join()
    assert failed == []
    assert os.listdir(folder) == []


def test_all_ways_to_a_database_lead_to_the_same_folder(sqlite_url: str, tmp_path: Path) -> None:
    real = Path(sqlite_url.removeprefix("sqlite:///"))
    link = tmp_path / "other.db"
    link.symlink_to(real)
    for url in (sqlite_url, f"sqlite:///{link}", f"sqlite:///file:{real}?uri=true"):
        archive = Archive.open(url)
        with archive.read() as tx:
            assert folder_of(tx.connection.connection.driver_connection) == f"{real}.wake"
            assert folder_beside(tx.connection) == folder_beside(tx.connection) == f"{real}.wake"
        archive.close()
