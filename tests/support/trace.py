"""The system calls of a process in order, by strace: what was synced before what was said."""

import re
import shutil
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

from tests.support.missing import missing

_LINE = re.compile(r"^(?:(?P<pid>\d+) +)?(?P<at>\d+\.\d+) (?P<rest>.*)$")
_CALL = re.compile(r"^(?P<name>\w+)\((?P<rest>.*)$")
_RESUMED = re.compile(r"^<\.\.\. (?P<name>\w+) resumed>")
_PATH = re.compile(r"^\d+<(?P<path>.*?)>(?=[,)\s]|$)")


@dataclass(frozen=True)
class Call:
    """One system call: when it began and when it had ended, seconds since the epoch."""

    pid: str
    name: str
    began: float
    ended: float
    target: str
    text: str


class Trace:
    """strace attached to a running process, its threads, and its children now and later."""

    def __init__(self, pid: int, output: Path, calls: str) -> None:
        program = shutil.which("strace")
        if program is None:
            missing("strace is not installed (on Debian: apt-get install strace)")
        self._output = output
        arguments = ["-f", "-ttt", "-T", "-y", "-yy", "-s", "64", "-e", f"trace={calls}", "-e", "signal=none"]
        self._process = subprocess.Popen(
            [str(program), *arguments, "-o", str(output), "-p", " ".join(map(str, family(pid)))],
            stderr=subprocess.PIPE,
        )
        deadline = time.monotonic() + 10
        while not output.exists() and time.monotonic() < deadline:
            time.sleep(0.05)
        time.sleep(0.5)
        if self._process.poll() is not None:
            said = (self._process.stderr.read() if self._process.stderr else b"").decode()
            missing(f"strace cannot attach here: {said.strip()[-200:]}")

    def stop(self) -> list[Call]:
        """Detach, and return all calls in the order in which they ended."""
        self._process.terminate()
        self._process.wait(10)
        if self._process.stderr:
            self._process.stderr.close()
        return sorted(_parse(self._output.read_text(errors="replace")), key=lambda call: call.ended)


def family(pid: int) -> list[int]:
    """Return a process, its children, and theirs."""
    found = [pid]
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in task.read_text().split():
            found += family(int(child))
    return found


def _parse(text: str) -> list[Call]:
    calls: list[Call] = []
    open_calls: dict[tuple[str, str], tuple[float, str]] = {}
    for line in text.splitlines():
        match = _LINE.match(line)
        if not match:
            continue
        pid, at, rest = match["pid"] or "", float(match["at"]), match["rest"]
        resumed = _RESUMED.match(rest)
        if resumed:
            began, arguments = open_calls.pop((pid, resumed["name"]), (at, ""))
            calls.append(Call(pid, resumed["name"], began, at, _target(arguments), arguments + rest))
            continue
        call = _CALL.match(rest)
        if not call:
            continue
        if rest.endswith("<unfinished ...>"):
            open_calls[(pid, call["name"])] = (at, call["rest"])
        else:
            took = re.search(r"<(\d+\.\d+)>$", rest)
            ended = at + (float(took[1]) if took else 0.0)
            calls.append(Call(pid, call["name"], at, ended, _target(call["rest"]), rest))
    return calls


def _target(arguments: str) -> str:
    match = _PATH.match(arguments)
    return match["path"] if match else ""
