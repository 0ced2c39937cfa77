"""What is measured counts whole: all processes, those that have ended too; and nothing of it stays."""

import os
import subprocess
import sys
import time
from pathlib import Path

from benchmarks import peers
from benchmarks.running import Peer, environment, started

_BURN = "import time\nwhile time.process_time() < 0.3: pass"
# A child that ends, a grandchild that stays: each of them burns.
_FAMILY = f"""
import subprocess, sys
subprocess.run([sys.executable, "-c", {_BURN!r}])
stays = {_BURN + "; print(flush=True); input()"!r}.replace("; ", chr(10))
inner = "import subprocess, sys; subprocess.run([sys.executable, '-c', sys.argv[1]])"
subprocess.run([sys.executable, "-c", inner, stays])
"""


def test_the_processor_time_of_children_and_of_those_that_ended_counts(tmp_path: Path):
    log = tmp_path / "log"
    process = subprocess.Popen(
        [sys.executable, "-c", _FAMILY], stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=tmp_path
    )
    with process:
        assert process.stdout is not None
        process.stdout.readline()
        peer = Peer("family", "", 0, tmp_path, [process])
        assert len(peer.pids()) == 3
        assert peer.cpu_seconds() >= 0.6
        assert peer.resident() > 1 << 20
        assert process.stdin is not None
        process.stdin.write(b"\n")
    assert not log.exists()


def test_two_receivers_on_one_port_and_none_afterwards(tmp_path: Path):
    with peers.isocentre(tmp_path, processes=2) as peer:
        first, second = peer.processes
        assert first.pid != second.pid
        assert first.poll() is None
        assert second.poll() is None
        pids = peer.pids()
        assert len(pids) > 2  # each has an indexer
    until = time.monotonic() + 20
    while any(map(_lives, pids)) and time.monotonic() < until:
        time.sleep(0.05)
    assert not any(map(_lives, pids))


def _lives(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def test_what_was_started_ends_with_a_failure(tmp_path: Path):
    class Failure(Exception):
        pass

    try:
        with started(["sleep", "600"], tmp_path / "log", environment(False)) as process:
            os.kill(process.pid, 0)
            raise Failure
    except Failure:
        assert process.poll() is not None
