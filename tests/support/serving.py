"""`isocentre serve` as a process, and the processes that it has started."""

import time
from collections.abc import Callable
from pathlib import Path

from tests.support.node import NodeProcess

Start = Callable[..., NodeProcess]


def until(found: Callable[[], object], process: NodeProcess, seconds: float = 120.0) -> None:
    """Wait until something is found, as long as the process lives."""
    deadline = time.monotonic() + seconds
    while not found():
        assert process.process.poll() is None, process.read_log()
        assert time.monotonic() < deadline, process.read_log()
        time.sleep(0.05)


def serve(start_process: Start, config: Path, *options: str) -> NodeProcess:
    """Start everything and wait until it says that it is ready."""
    process = start_process(config, "serve", *options, wait=False)
    until(lambda: "ready" in process.read_log().splitlines(), process)
    return process


def children(process: NodeProcess) -> dict[str, int]:
    """Command and number of the processes that `serve` has started; of several receivers, one."""
    return {command: pid for pid, command in family(process).items()}


def family(process: NodeProcess) -> dict[int, str]:
    """Number and command of the processes that `serve` has started."""
    found = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, parent = stat.read_text().rpartition(")")[2].split()[:2]
            command = stat.with_name("cmdline").read_text().split("\0")
        except OSError:
            continue
        if int(parent) == process.process.pid and state != "Z" and "node.cli.child" in command:
            found[int(stat.parent.name)] = command[command.index("node.cli.child") + 2]
    return found


def gone(pid: int) -> bool:
    """Whether there is no such process any more."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True
