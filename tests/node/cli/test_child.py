import signal
import subprocess
import sys
from pathlib import Path

from node.cli.child import run
from node.run.supervisor import TOLD
from tests.support.node import write_config

# A parent that starts a child, says its number, and waits to be killed.
PARENT = """
import os, subprocess, sys, time
child = subprocess.Popen([sys.executable, "-m", "node.cli.child", str(os.getpid()), *sys.argv[1:]])
print(child.pid, flush=True)
time.sleep(600)
"""


def gone(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return True
    return state == "Z"  # dead, and its new parent has not looked yet


def test_a_child_dies_with_a_parent_that_is_killed(tmp_path: Path):
    config = write_config(tmp_path)
    command = [sys.executable, "-c", PARENT, "scheduler", "--config", str(config)]
    parent = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert parent.stdout is not None
    assert parent.stderr is not None
    pid = int(parent.stdout.readline())
    while b"scheduler.leading" not in parent.stderr.readline():
        assert not gone(pid)
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    parent.stdout.close()
    while parent.stderr.read(4096):  # open until the child is gone
        pass
    parent.stderr.close()
    while not gone(pid):
        pass


def test_a_child_whose_parent_went_before_dies_at_once(tmp_path: Path):
    command = [sys.executable, "-m", "node.cli.child", "1", "check-config"]
    assert subprocess.run(command, cwd=tmp_path, check=False).returncode == -signal.SIGKILL


def test_a_command_that_says_what_is_wrong(tmp_path: Path, capsys):
    assert run(["check-config", "--config", str(tmp_path / "no.toml")]) == TOLD
    assert "No such file" in capsys.readouterr().err
    assert run(["no-such-command"]) == TOLD


def test_a_command_that_is_done(tmp_path: Path, capsys):
    config = write_config(tmp_path)
    assert run(["check-config", "--config", str(config)]) == 0
    assert "is right" in capsys.readouterr().out
