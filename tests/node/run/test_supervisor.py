import contextlib
import os
import signal
import threading
from collections.abc import Callable, Iterator, Mapping, MutableMapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from node.core.errors import UserError
from node.run.supervisor import Child, Supervisor
from tests.support.node import write_config

SCHEDULER = ("scheduler", "--config")


def supervisor(
    commands: Mapping[str, Sequence[str]], *, grace: float = 60.0, missing: str = ""
) -> Supervisor:
    return Supervisor(commands, grace=grace, missing=lambda: missing, ready=lambda: None)


def children() -> dict[int, str]:
    """Number and command of the processes that this one has started."""
    found = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, parent = stat.read_text().rpartition(")")[2].split()[:2]
            command = stat.with_name("cmdline").read_text().split("\0")
        except OSError:
            continue
        if int(parent) == os.getpid() and state != "Z" and "node.cli.child" in command:
            found[int(stat.parent.name)] = command[command.index("node.cli.child") + 2]
    return found


@contextlib.contextmanager
def stopping(when: Callable[[], object], *, times: int = 1) -> Iterator[None]:
    """Ask this process to stop as soon as something is so, as long as the block lasts."""
    over = threading.Event()

    def run() -> None:
        while not when():
            if over.wait(0.02):
                return
        for _ in range(times):
            os.kill(os.getpid(), signal.SIGTERM)
            if over.wait(0.3):
                return

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def named(logs: Sequence[MutableMapping[str, Any]], event: str) -> list[MutableMapping[str, Any]]:
    return [log for log in logs if log["event"] == event]


def test_who_dies_is_started_again_after_pauses_that_grow():
    with capture_logs() as logs, stopping(lambda: len(named(logs, "supervisor.restart")) == 3):
        assert supervisor({"short": ["--version"]}).run()
    restarts = named(logs, "supervisor.restart")
    assert [log["process"] for log in restarts] == ["short"] * 3
    for log, exact in zip(restarts, (0.5, 1.0, 2.0), strict=True):
        assert exact * 0.8 <= log["pause"] <= exact * 1.2
        assert log["ended"] == "exit code 0"
    assert children() == {}


def test_the_pause_has_a_limit():
    assert Child("x", [], deaths=10**6).pause() <= 72


def test_who_is_killed_is_started_again(tmp_path: Path):
    config = str(write_config(tmp_path))

    def killed_and_back() -> bool:
        now = children()
        if not first:
            first.update(now)
            for pid in now:
                os.kill(pid, signal.SIGKILL)
        return bool(now) and not set(now) & set(first)

    first: dict[int, str] = {}
    with capture_logs() as logs, stopping(killed_and_back):
        assert supervisor({"scheduler": [*SCHEDULER, config]}).run()
    assert named(logs, "supervisor.restart")[0]["ended"] == "SIGKILL"
    assert children() == {}


def test_one_that_cannot_start_ends_all(tmp_path: Path):
    config = str(write_config(tmp_path))
    commands = {
        "scheduler": [*SCHEDULER, config],
        "worker": ["worker", "--config", str(tmp_path / "no.toml")],
    }
    with pytest.raises(UserError, match=r"^worker cannot start \(exit code 78\)"):
        supervisor(commands, missing="something").run()
    assert children() == {}


def test_one_that_dies_without_a_word_is_given_three_tries():
    with capture_logs() as logs, pytest.raises(UserError, match=r"^short cannot start \(exit code 0\)"):
        supervisor({"short": ["--version"]}, missing="something").run()
    assert len(named(logs, "supervisor.restart")) == 2


def catches(pid: int, number: signal.Signals) -> bool:
    """Whether a process has its own handler; a frozen one that has none is killed all the same."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("SigCgt:"):
            return bool(int(line.split()[1], 16) >> (number - 1) & 1)
    return False


def freeze_all() -> bool:
    """Stop what runs, so that it hears nothing."""
    found = [pid for pid in children() if catches(pid, signal.SIGTERM)]
    for pid in found:
        os.kill(pid, signal.SIGSTOP)
    return bool(found)


def test_who_does_not_end_in_time_is_killed(tmp_path: Path):
    config = str(write_config(tmp_path))
    with capture_logs() as logs, stopping(freeze_all):
        assert not supervisor({"scheduler": [*SCHEDULER, config]}, grace=0.5).run()
    assert [log["process"] for log in named(logs, "supervisor.killed")] == ["scheduler"]
    assert children() == {}


def test_asking_twice_does_not_wait(tmp_path: Path):
    config = str(write_config(tmp_path))
    with stopping(freeze_all, times=2):
        assert not supervisor({"scheduler": [*SCHEDULER, config]}, grace=3600.0).run()
    assert children() == {}


def test_ready_is_told_once_when_nothing_is_missing(tmp_path: Path):
    config, told, answers = str(write_config(tmp_path)), [], ["database", "dicom"]
    run = Supervisor(
        {"scheduler": [*SCHEDULER, config]},
        grace=60.0,
        missing=lambda: answers.pop() if answers else "",
        ready=lambda: told.append(len(answers)),
    )
    with stopping(lambda: told):
        assert run.run()
    assert told == [0]


def test_a_machine_that_cannot_start_a_process_now_is_asked_again(monkeypatch: pytest.MonkeyPatch):
    starts: list[float] = []

    def refused(child: Child) -> None:
        starts.append(child.pause())
        raise BlockingIOError(11, "Resource temporarily unavailable")

    monkeypatch.setattr(Child, "start", refused)
    with capture_logs() as logs, stopping(lambda: len(starts) == 3):
        assert supervisor({"a": ["--version"]}, missing="something").run()
    assert {log["error"] for log in named(logs, "supervisor.not_started")} == {
        "Resource temporarily unavailable"
    }
