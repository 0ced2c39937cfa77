"""How fast questions are answered: findscu against 20,000 studies of one instance each."""

import subprocess
import time
from pathlib import Path

from benchmarks import peers
from benchmarks.asking import calling
from benchmarks.data import instance, write
from benchmarks.ingest import Load, send
from benchmarks.report import Table

REPEATS = 5
_ALWAYS = dict.fromkeys(("StudyInstanceUID", "PatientID", "StudyDate"), "")


def make_studies(folder: Path, count: int) -> Load:
    """One instance without pixels for each study; every tenth patient is a Smith."""
    folders = [folder / f"part{part}" for part in range(4)]
    for number in range(count):
        name = f"SMITH^Number{number}" if number % 10 == 0 else f"Bench^Number{number}"
        ds = instance(number, 0, 0, PatientName=name)
        write(ds, folders[number % 4] / f"{number:06d}.dcm")
    return Load("studies", folders, count)


def find(peer: peers.Peer, *keys: str) -> tuple[float, int]:
    """One findscu at study level: the best seconds of several runs, and how many answers came."""
    command = [str(peers.program("findscu")), "-S", "-aec", peer.ae_title, "127.0.0.1", str(peer.port)]
    for key in ("QueryRetrieveLevel=STUDY", *_ALWAYS, *keys):
        command += ["-k", key]
    best, answers = float("inf"), 0
    for _ in range(REPEATS):
        began = time.perf_counter()
        done = subprocess.run(
            command, env=peers.environment(True), capture_output=True, check=True, timeout=300
        )
        best = min(best, time.perf_counter() - began)
        answers = (done.stdout + done.stderr).count(b"Find Response:")
    return best, answers


def measure(folder: Path, studies: Load) -> list[Table]:
    """Milliseconds of the whole findscu, its start and association included, and of the query alone."""
    whole = Table(f"C-FIND at {studies.count:,} studies, whole findscu", "ms")
    alone = Table(f"C-FIND at {studies.count:,} studies, within one association, median", "ms")
    nodes = [("isocentre", peers.isocentre(folder / "isocentre"))]
    if peers.program("Orthanc"):
        nodes.append(("Orthanc", peers.orthanc(folder / "orthanc", True)))
    for name, node in nodes:
        with node as peer:
            send(studies, peer, True)
            for what, keys in {
                "exact AccessionNumber": {"PatientName": "", "AccessionNumber": "A0000777"},
                "exact PatientID": {"PatientName": "", "PatientID": "P0000777"},
                f"SMITH* ({studies.count // 10:,} answers)": {"PatientName": "SMITH*", "AccessionNumber": ""},
            }.items():
                seconds, answers = find(peer, *(f"{key}={value}" for key, value in keys.items()))
                whole.put(name, what, seconds * 1000)
                with calling(peer) as caller:
                    figures = caller.measure("STUDY", lambda _, keys=keys: _ALWAYS | keys, REPEATS * 10)
                alone.put(name, what, figures.whole * 1000)
                assert figures.answers == answers, f"{figures.answers} answers, {answers} to findscu"
    return [whole, alone]
