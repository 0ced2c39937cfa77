"""What taking in one instance costs in this process: CPU and wall clock, part by part.

    python -m benchmarks.bench_intake [--data-dir DIR]

`read` is walking and decoding the header, `hash` SHA-256 alone, `receive` everything up to the placed blob
without the index (files in --data-dir), `ingest` all of it with an index in SQLite.
"""

import argparse
import hashlib
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from node.intake.reader import Reader
from node.services.ingest import Claim, Ingest
from storage.archive import Archive
from storage.blobs.filesystem import FilesystemStore
from storage.commit import GroupCommit
from storage.records.arrival import Arrival, Origin, Recorded, Verdict, Way
from tests.support.samples import BIG, EXPLICIT, SMALL, ct, encode

_FRAGMENT = 16372  # bytes: what dcmtk sends by default
_BATCH = 64 * 1024  # bytes that come with one read from the network

Instance = tuple[Claim, bytes]


class _NoIndex(GroupCommit):
    """Says that everything is recorded."""

    def record(self, arrival: Arrival) -> Recorded:
        return Recorded(Verdict.STORED)


def _instances(rows: int, count: int, study: int) -> list[Instance]:
    made = []
    for number in range(count):
        dataset = ct(number, study=study, rows=rows)
        claim = Claim(dataset.SOPClassUID, dataset.SOPInstanceUID, EXPLICIT)
        made.append((claim, encode(dataset)))
    return made


def _read(instance: Instance) -> None:
    reader = Reader(EXPLICIT, 1 << 40)
    reader.feed(instance[1])
    reader.finish()


def _hash(instance: Instance) -> None:
    hashlib.sha256(instance[1]).digest()


def _through(ingest: Ingest, origin: Origin) -> Callable[[Instance], None]:
    def take(instance: Instance) -> None:
        claim, data = instance
        view = memoryview(data)
        reception = ingest.begin(claim, origin)
        for start in range(0, len(view), _BATCH):
            batch = view[start : start + _BATCH]
            reception.write([batch[i : i + _FRAGMENT] for i in range(0, len(batch), _FRAGMENT)])
        outcome = reception.finish()
        if outcome.verdict is not Verdict.STORED:
            raise RuntimeError(f"not stored: {outcome}")

    return take


def _measure(name: str, work: Callable[[Instance], None], instances: Sequence[Instance]) -> None:
    wall, cpu = time.perf_counter(), time.process_time()
    for instance in instances:
        work(instance)
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    size = len(instances[0][1]) / 1000
    per = 1000 / len(instances)
    print(f"{size:7.0f} KB  {name:8} {cpu * per:8.3f} ms CPU  {wall * per:8.3f} ms")


def main() -> None:
    parser = argparse.ArgumentParser(description="What taking in one instance costs.")
    parser.add_argument("--data-dir", type=Path, help="where blobs are written (default: temporary)")
    arguments = parser.parse_args()
    origin = Origin(Way.DIMSE, "CT1", "ISOCENTRE", "127.0.0.1")
    with tempfile.TemporaryDirectory(dir=arguments.data_dir) as folder:
        archive = Archive.open(f"sqlite:///{folder}/index.db")
        archive.upgrade()
        blobs = FilesystemStore(Path(folder, "blobs"))
        unindexed = Ingest(
            archive, blobs, free_floor=0, max_dataset=1 << 40, commits=_NoIndex(archive.begin, blobs)
        )
        ingest = Ingest(archive, blobs, free_floor=0, max_dataset=1 << 40)
        for study, (rows, count) in enumerate(((SMALL, 500), (BIG, 200)), start=1):
            instances = _instances(rows, count, study)
            _measure("read", _read, instances)
            _measure("hash", _hash, instances)
            _measure("receive", _through(unindexed, origin), instances)
            _measure("ingest", _through(ingest, origin), instances)
        blobs.close()
        archive.close()


if __name__ == "__main__":
    main()
