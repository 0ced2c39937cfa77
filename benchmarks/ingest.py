"""How fast instances are taken: dcmtk's storescu as the scanner, several receivers in turn."""

import os
import shutil
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks import peers
from benchmarks.data import write_load
from benchmarks.receivers import FAST, SENDER, SHIPPED, TLS, Receivers, Way
from benchmarks.report import OURS, Table

_FEWER = 5  # an Nth of the load is sent to who waits 40 ms for each message


@dataclass(frozen=True)
class Load:
    """What is sent: whole studies, one folder an association."""

    name: str
    folders: list[Path]
    count: int


def make_loads(folder: Path, share: int) -> list[Load]:
    """500 CT of 525 KB in 2 studies and 2,000 of 39 KB in 20, for 1 and 4 associations, or a share of it."""
    loads = []
    for name, studies, each, side in (("525 KB", 2, 250 // share, 512), ("39 KB", 20, 100 // share, 138)):
        for parts in (1, 4):
            count = max(each, parts)
            folders = write_load(folder / f"{side}-{parts}", studies, count, side, parts)
            loads.append(Load(f"{name} x{parts}", folders, studies * count))
    return loads


def send(load: Load, peer: peers.Peer, nodelay: bool) -> float:
    """Send a load with a storescu for each folder at once; return the seconds until the last has ended."""
    command = [str(peers.program("storescu")), *peer.options, "-aec", peer.ae_title, "+sd", "+r"]
    target = ["127.0.0.1", str(peer.port)]
    began = time.perf_counter()
    running = [
        subprocess.Popen(
            [*command, *target, str(folder)],
            env=peers.environment(nodelay),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        )
        for folder in load.folders
    ]
    try:
        for process in running:
            _, said = process.communicate(timeout=900)
            if process.returncode:
                words = said.decode(errors="replace")[-500:]
                raise RuntimeError(f"storescu to {peer.name} ended with {process.returncode}: {words}")
        return time.perf_counter() - began
    finally:
        for process in running:
            process.kill()
            process.wait()


def measure(folder: Path, loads: Sequence[Load], share: int, rounds: int) -> list[Table]:
    """Instances a second, and CPU seconds of the receiver for 1,000, in every way of meeting.

    Each figure is the best of so many `rounds`.
    """
    receivers = Receivers(folder)
    fewer = make_loads(folder / "fewer", share * _FEWER)
    tables = []
    for way in (SHIPPED, SENDER, FAST, TLS):
        rates, cpu = Table(f"Ingest, {way.title}", "instances/s"), Table(cpu_title(way), CPU_UNIT)
        for load, few in zip(loads, fewer, strict=True):
            for _ in range(rounds if way is not SENDER or load.name == "39 KB x1" else 0):
                _measure(folder / "node", receivers, way, load, few, rates, cpu)
        tables += [table for table in (rates, cpu) if table.rows]
    return tables


CPU_UNIT = "s per 1,000 instances"


def cpu_title(way: Way) -> str:
    """The title of the table that tells of CPU."""
    return f"CPU of the receiver, {way.title}"


def _measure(
    folder: Path, receivers: Receivers, way: Way, load: Load, few: Load, rates: Table, cpu: Table
) -> None:
    for name, receiver in receivers.met(way, folder):
        sent = few if way.waits(name) else load
        os.sync()  # what the one before has left to be written is not to be this one's business
        try:
            with receiver as peer:
                before = peer.cpu_seconds()
                seconds = send(sent, peer, way.sender)
                spent = peer.cpu_seconds() - before
        except RuntimeError as error:  # dcmqrscp loses some when several send at once
            if name.startswith(OURS):
                raise
            print(f"  {name}, {load.name}: left out: {error}", flush=True)
            continue
        finally:
            shutil.rmtree(folder, ignore_errors=True)
        rates.better(name, load.name, sent.count / seconds)
        cpu.better(name, load.name, spent / sent.count * 1000)
