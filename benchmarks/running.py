"""Programs that are measured while they run: each started in its own session, stopped by its id."""

import contextlib
import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

Process = subprocess.Popen[bytes]

TICKS = os.sysconf("SC_CLK_TCK")
_START = 60.0  # seconds to answer
_STOP = 40.0  # seconds to end


def program(name: str) -> str | None:
    """The path of a program outside of the virtual environment, where pynetdicom's twins lie."""
    own = Path(sys.executable).parent
    path = os.pathsep.join(part for part in os.get_exec_path() if Path(part).resolve() != own.resolve())
    return shutil.which(name, path=path + os.pathsep + "/usr/sbin")


def free_port() -> int:
    """A port that was free a moment ago."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


def environment(nodelay: bool) -> dict[str, str]:
    """The environment for a peer: as shipped, or with Nagle off (dcmtk and Orthanc read TCP_NODELAY)."""
    environ = {key: value for key, value in os.environ.items() if key != "TCP_NODELAY"}
    return environ | {"TCP_NODELAY": "1"} if nodelay else environ


@dataclass
class Peer:
    """A running node.

    Attributes
    ----------
    processes
        What was started for it; `beside` are the ids of others that work for it, as a database's.
    options
        Further arguments that dcmtk's senders need to reach it.
    """

    name: str
    ae_title: str
    port: int
    folder: Path
    processes: list[Process]
    beside: list[int] = field(default_factory=list)
    options: list[str] = field(default_factory=list)

    def pids(self) -> list[int]:
        """All its processes, however deep."""
        roots = [process.pid for process in self.processes] + self.beside
        return [pid for root in roots for pid in (root, *children(root))]

    def cpu_seconds(self) -> float:
        """User and system time of its processes, and of those below them that have ended, in seconds."""
        total = 0
        for pid in self.pids():
            with contextlib.suppress(OSError):
                values = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
                total += sum(int(value) for value in values[11:15])
        return total / TICKS

    def resident(self) -> int:
        """Bytes of memory of its processes; what several share counts once."""
        total = 0
        for pid in self.pids():
            with contextlib.suppress(OSError):
                for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
                    total += int(line.split()[1]) << 10 if line.startswith("Pss:") else 0
        return total


def children(pid: int) -> list[int]:
    """The processes below `pid`, however deep."""
    found = []
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        with contextlib.suppress(OSError):
            for child in task.read_text().split():
                found += [int(child), *children(int(child))]
    return found


@contextlib.contextmanager
def serve(
    name: str, commands: Sequence[list[str]], port: int, folder: Path, nodelay: bool, ready: str = ""
) -> Iterator[list[Process]]:
    """Run the commands, each once the one before answers on `port` and has logged the word `ready`."""
    with contextlib.ExitStack() as stack:
        processes = []
        for number, command in enumerate(commands):
            log = folder / f"{name}{number or ''}.log"
            process = stack.enter_context(started(command, log, environment(nodelay)))
            _wait(process, port, log, ready)
            processes.append(process)
        yield processes


@contextlib.contextmanager
def started(
    command: list[str], log: Path, environ: dict[str, str], user: int | None = None, end: int = signal.SIGTERM
) -> Iterator[Process]:
    """Run one command as `user`, root's group and all others given up; tell it to `end`, then insist."""
    lesser = {} if user is None else {"user": user, "group": pwd.getpwuid(user).pw_gid, "extra_groups": ()}
    with log.open("wb") as output:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            env=environ,
            cwd=log.parent,
            start_new_session=True,
            **lesser,  # type: ignore[call-overload]
        )
    try:
        yield process
    finally:
        process.send_signal(end)
        try:
            process.wait(_STOP)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait(process: Process, port: int, log: Path, ready: str) -> None:
    deadline = time.monotonic() + _START
    while time.monotonic() < deadline and process.poll() is None:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            if ready in log.read_text(errors="replace"):
                return
        time.sleep(0.05)
    raise RuntimeError(f"{log.stem} does not answer: {log.read_text(errors='replace')[-2000:]}")
