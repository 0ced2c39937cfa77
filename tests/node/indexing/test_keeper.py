"""The indexer as a process: started again when it dies, ended with its receiver."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.noted import Noted

KEEPING = """
import os, sys, time
from pathlib import Path
from node.config import load
from node.core import logs
from node.indexing.keeper import Keeper
logs.configure("info", json=True)
keeper = Keeper(load(Path(sys.argv[1]), environ={}))
print(keeper._pid, flush=True)
sys.stdin.read(1)
keeper.stop()
print("stopped", flush=True)
"""


def wait(until: Callable[[], object]) -> None:
    deadline = time.monotonic() + 60
    while not until():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def children(pid: int) -> list[int]:
    try:
        return [int(each) for each in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except FileNotFoundError:
        return []


def gone(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] == "Z"
    except FileNotFoundError:
        return True


class Keeping:
    """A process that keeps an indexer."""

    def __init__(self, noted: Noted) -> None:
        config = noted.config.data_dir.parent / "config.toml"
        self.process = subprocess.Popen(
            [sys.executable, "-c", KEEPING, str(config)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        assert self.process.stdout
        self.keeper = int(self.process.stdout.readline())

    def indexer(self) -> int:
        found: list[int] = []
        wait(lambda: found.extend(pid for pid in children(self.keeper) if not gone(pid)) or found)
        return found[0]

    def end(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        for stream in (self.process.stdin, self.process.stdout):
            if stream:
                stream.close()


@pytest.fixture
def keep(noted: Noted):
    made: list[Keeping] = []

    def start() -> Keeping:
        made.append(Keeping(noted))
        return made[-1]

    yield start
    for each in made:
        each.end()


def test_it_indexes_and_is_started_again_when_it_dies(noted: Noted, keep: Callable[[], Keeping]):
    keeping = keep()
    for n in range(3):
        indexer = keeping.indexer()
        made = noted.acknowledge(n)
        assert noted.journal.settle(60)
        assert noted.blob_of(made.sop_instance_uid) == made.blob
        os.kill(indexer, signal.SIGKILL)
        wait(lambda dead=indexer: gone(dead))
    noted.acknowledge(9)
    assert noted.journal.settle(60)


def test_of_two_one_works_and_the_other_takes_over(noted: Noted, keep: Callable[[], Keeping]):
    first = keep()
    first.indexer()
    noted.acknowledge(1)
    assert noted.journal.settle(60)
    second = keep()
    second.indexer()
    first.end()
    noted.acknowledge(2)
    assert noted.journal.settle(60)
    noted.assert_clean()


@pytest.mark.parametrize("how", ["stopped", "killed"])
def test_it_ends_with_its_receiver(noted: Noted, keep: Callable[[], Keeping], how: str):
    keeping = keep()
    pids = [keeping.keeper, keeping.indexer()]
    os.kill(pids[1], signal.SIGTERM)  # as sent to all: it is no end for these two
    os.kill(pids[0], signal.SIGTERM)
    noted.acknowledge(1)
    assert noted.journal.settle(60)
    if how == "stopped":
        assert keeping.process.stdin
        assert keeping.process.stdout
        keeping.process.stdin.write(b".")
        keeping.process.stdin.flush()
        assert keeping.process.stdout.readline() == b"stopped\n"
    else:
        keeping.process.kill()
    wait(lambda: all(map(gone, pids)))
