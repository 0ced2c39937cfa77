"""What one acknowledged instance costs in syncs, counted by strace (the traced run is not timed)."""

import re
import shutil
import signal
import subprocess
import time
from pathlib import Path

from benchmarks import peers
from benchmarks.ingest import Load, send
from benchmarks.report import Table

_ROW = re.compile(r"^\s*[\d.]+\s+[\d.]+\s+\d+\s+(\d+)\s+(?:\d+\s+)?(fsync|fdatasync)$", re.MULTILINE)


def measure(folder: Path, loads: list[Load]) -> Table | None:
    """fsync and fdatasync calls for each instance, ours only."""
    strace = shutil.which("strace")
    if strace is None:
        print("  strace is not installed: syncs are not counted")
        return None
    table = Table("Syncs", "fsync + fdatasync per instance")
    for load in loads:
        with peers.isocentre(folder / load.name.replace(" ", "")) as peer:
            output = peer.folder / "strace"
            command = [strace, "-f", "-c", "-e", "trace=fsync,fdatasync", "-o", str(output)]
            pids = " ".join(map(str, peer.pids()))
            tracer = subprocess.Popen([*command, "-p", pids], stderr=subprocess.DEVNULL)
            time.sleep(1.0)
            send(load, peer, True)
            tracer.send_signal(signal.SIGINT)
            tracer.wait(20)
            calls = sum(int(count) for count, _ in _ROW.findall(output.read_text()))
            table.put("isocentre", load.name, calls / load.count)
    return table
