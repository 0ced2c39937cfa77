"""How fast a study is given back: C-GET by getscu, C-MOVE to a storescp that keeps nothing."""

import contextlib
import subprocess
import time
from pathlib import Path

from benchmarks import peers
from benchmarks.data import ROOT, write_load
from benchmarks.ingest import Load, send
from benchmarks.report import Table

REPEATS = 3
SIDE = 512


def _timed(command: list[str]) -> float:
    best = float("inf")
    for _ in range(REPEATS):
        began = time.perf_counter()
        subprocess.run(command, env=peers.environment(True), capture_output=True, check=True, timeout=600)
        best = min(best, time.perf_counter() - began)
    return best


def get(peer: peers.Peer, study: str) -> float:
    """Seconds of a C-GET whose instances are received and dropped."""
    command = [str(peers.program("getscu")), "-S", "--ignore", "-aec", peer.ae_title]
    keys = ["-k", "QueryRetrieveLevel=STUDY", "-k", f"StudyInstanceUID={study}"]
    return _timed([*command, *keys, "127.0.0.1", str(peer.port)])


def move(peer: peers.Peer, study: str) -> float:
    """Seconds of a C-MOVE to BENCHDEST."""
    command = [str(peers.program("movescu")), "-S", "-aec", peer.ae_title, "-aem", "BENCHDEST"]
    keys = ["-k", "QueryRetrieveLevel=STUDY", "-k", f"StudyInstanceUID={study}"]
    return _timed([*command, *keys, "127.0.0.1", str(peer.port)])


def make_load(folder: Path) -> Load:
    """Two studies of 250 CT of 525 KB."""
    return Load("525 KB", write_load(folder, 2, 250, SIDE, 1), 500)


def measure(folder: Path, load: Load) -> Table:
    """Instances a second of one study of `load`, which has two."""
    each = load.count // 2
    table = Table(f"Retrieve a study of {each} instances of 525 KB", "instances/s")
    study = f"{ROOT}.{SIDE}.1"
    with contextlib.ExitStack() as stack:
        sink = stack.enter_context(peers.storescp(folder / "sink", True, "BENCHDEST", "--ignore"))
        nodes = [("isocentre", peers.isocentre(folder / "isocentre", sink.port))]
        if peers.program("Orthanc"):
            nodes.append(("Orthanc", peers.orthanc(folder / "orthanc", True, sink.port)))
        for name, node in nodes:
            with node as peer:
                send(load, peer, True)
                table.put(name, "C-GET", each / get(peer, study))
                table.put(name, "C-MOVE", each / move(peer, study))
    return table
