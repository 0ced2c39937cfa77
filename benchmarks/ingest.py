"""How fast instances are taken: dcmtk's storescu as the scanner, several receivers in turn."""

import contextlib
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from benchmarks import peers
from benchmarks.data import write_load
from benchmarks.report import Table

Receiver = contextlib.AbstractContextManager[peers.Peer]


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
            folders = write_load(folder / f"{side}-{parts}", studies, each, side, parts)
            loads.append(Load(f"{name} x{parts}", folders, studies * each))
    return loads


def send(load: Load, peer: peers.Peer, nodelay: bool) -> float:
    """Send a load with a storescu for each folder at once; return the seconds until the last has ended."""
    command = [str(peers.program("storescu")), "-aec", peer.ae_title, "+sd", "+r"]
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
    for process in running:
        _, said = process.communicate(timeout=900)
        if process.returncode:
            raise RuntimeError(f"storescu to {peer.name}: {said.decode(errors='replace')[-500:]}")
    return time.perf_counter() - began


def receivers(folder: Path, nodelay: bool) -> Iterator[tuple[str, Receiver]]:
    """All that are installed, ours first."""
    yield "isocentre", peers.isocentre(folder / "isocentre")
    if peers.program("Orthanc"):
        yield "Orthanc", peers.orthanc(folder / "orthanc", nodelay)
    else:
        print("  Orthanc is not installed: left out")
    if peers.program("storescp"):
        yield "dcmtk storescp (no index, no sync)", peers.storescp(folder / "storescp", nodelay)
        yield "dcmtk dcmqrscp (flat index, no sync)", peers.dcmqrscp(folder / "dcmqrscp", nodelay)


def measure(folder: Path, loads: list[Load], *, nodelay: bool) -> tuple[Table, Table]:
    """Instances a second, and CPU seconds of the receiver for 1,000 instances."""
    how = "TCP_NODELAY=1 for sender and peers" if nodelay else "everyone as shipped"
    rates = Table(f"Ingest, {how}", "instances/s")
    cpu = Table(f"CPU of the receiver, {how}", "s per 1,000 instances")
    for load in loads:
        place = folder / f"{'nodelay' if nodelay else 'shipped'}-{load.name.replace(' ', '')}"
        for name, receiver in receivers(place, nodelay):
            with receiver as peer:
                before = peer.cpu_seconds()
                try:
                    seconds = send(load, peer, nodelay)
                except RuntimeError as error:  # dcmqrscp loses some when several send at once
                    print(f"  {name}, {load.name}: left out: {error}", flush=True)
                    continue
                rates.put(name, load.name, load.count / seconds)
                cpu.put(name, load.name, (peer.cpu_seconds() - before) / load.count * 1000)
    return rates, cpu
