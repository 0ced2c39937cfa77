"""What recording an arrival and deciding on it costs: CPU of this process, statements, and bytes of WAL.

    python -m benchmarks.bench_index [--kinds sqlite postgresql] [--sizes 1 8 16 64] [--fill 0] [--count 1920]

Arrivals of several studies by turns, as several associations bring them, recorded in batches, a transaction
each, that are not synced: as the indexer does it. `--fill` puts so many instances into the index before.
"""

import argparse
import contextlib
import gc
import hashlib
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import event

from node.config.sections import RulesSection
from node.core import clock
from node.intake.reader import Reader
from node.rulings.book import Book
from node.rulings.decider import Decider
from storage.archive import Archive
from storage.blobs.memory import MemoryStore
from storage.records.arrival import Arrival, BlobRef, Origin, Way
from storage.records.network import Peer
from tests.support.postgres import server
from tests.support.ruled import put_in_force
from tests.support.samples import EXPLICIT, ct, encode

_STUDIES = 4  # at a time
_EACH = 100  # instances of a study
_ROOT = "1.2.826.0.1.3680043.8.498.2026030110151234"
_ORIGIN = Origin(Way.DIMSE, "CT1", "ISOCENTRE", "127.0.0.1")
_ROUNDS = 5

RULES = """
[[rule]]
name = "CT to the archive"
when = 'Modality == "CT" and Rows >= 64'
then = [{ action = "route", to = ["PACS"] }]

[[rule]]
name = "heads to the workstation"
when = 'BodyPartExamined == "HEAD" and origin.calling_ae == "CT1"'
then = [{ action = "route", to = ["WORKSTATION"] }]

[[rule]]
name = "MR to research"
when = 'Modality == "MR" and "PRIMARY" in ImageType'
then = [{ action = "route", to = ["RESEARCH"] }]
"""


class Arrivals:
    """Makes arrivals that no other was like, with the attributes of a real header."""

    def __init__(self) -> None:
        self._made = 0
        self._headers = [self._header(number) for number in range(_EACH)]

    def next(self, count: int) -> list[Arrival]:
        """Return the next `count`."""
        start, self._made = self._made, self._made + count
        return [self._arrival(number) for number in range(start, start + count)]

    def _header(self, number: int) -> dict[str, str]:
        reader = Reader(EXPLICIT, 1 << 30)
        reader.feed(encode(ct(number + 1, rows=64)))
        return dict(reader.finish().attributes)

    def _arrival(self, number: int) -> Arrival:
        group, place = divmod(number, _STUDIES * _EACH)
        which, study = divmod(place, _STUDIES)
        study += group * _STUDIES
        uid = f"{_ROOT}.{study}.1.{which}"
        at = datetime.fromtimestamp(1.77e9, UTC) + timedelta(milliseconds=number)
        digest = hashlib.sha256(uid.encode()).hexdigest()
        key = f"instances/{at:%Y/%m%d/%H%M}/0123456789ab-{number:x}-1-{number * 40000 & 0xFFFFFFF:x}-9c40"
        return Arrival(
            sop_instance_uid=uid,
            sop_class_uid="1.2.840.10008.5.1.4.1.1.2",
            study_instance_uid=f"{_ROOT}.{study}",
            series_instance_uid=f"{_ROOT}.{study}.1",
            transfer_syntax_uid=EXPLICIT,
            attributes=self._headers[which] | {"PatientID": f"P{study}", "AccessionNumber": f"A{study}"},
            blob=BlobRef(key, 350, 40000, digest),
            origin=replace(_ORIGIN),
            received_at=at,
        )


class Bench:
    """One archive, and the means to look at what it does."""

    def __init__(self, url: str, *, rules: bool) -> None:
        self.archive = Archive.open(url, durable=False)
        self.archive.upgrade()
        self.arrivals = Arrivals()
        book = Book(self.archive)
        if rules:
            with self.archive.begin() as tx:
                for name in ("PACS", "WORKSTATION", "RESEARCH"):
                    tx.peers.add(Peer(name, name, "127.0.0.1", 104, clock.now()))
                tx.commit()
            put_in_force(self.archive, RULES)
        self._decider = Decider(book, MemoryStore(), RulesSection())
        if self.archive.kind == "sqlite":
            # A checkpoint is no business of a batch; the log's length is what was written.
            self.archive.close()
            event.listen(self.archive._engine, "connect", _no_checkpoints)

    def record(self, batch: Sequence[Arrival]) -> None:
        """Record a batch as the indexer does."""
        with self.archive.begin() as tx:
            recorded = tx.arrivals.record(batch)
            self._decider(tx, list(zip(batch, recorded, strict=True)))
            tx.commit()

    def fill(self, count: int) -> None:
        """Record so many beforehand."""
        for _ in range(count // 64):
            self.record(self.arrivals.next(64))
        self.wal()

    def cpu(self, size: int, count: int) -> float:
        """Return the microseconds of CPU for each arrival in batches of `size`, of some rounds the best."""
        best = float("inf")
        gc.freeze()  # as the indexer has it
        for _ in range(_ROUNDS):
            spent, batches = 0.0, max(1, count // _ROUNDS // size)
            for _ in range(batches):
                batch = self.arrivals.next(size)
                begin = time.process_time()
                self.record(batch)
                spent += time.process_time() - begin
            best = min(best, spent / batches / size)
            self.wal()
        return best * 1e6

    def statements(self, size: int) -> float:
        """Return how many statements one arrival takes."""
        self.record(self.arrivals.next(size))
        batches = [self.arrivals.next(size) for _ in range(8)]
        with _counted(self.archive) as count:
            for batch in batches:
                self.record(batch)
        return count[0] / size / len(batches)

    def written(self, size: int) -> float:
        """Return the bytes of WAL that one arrival takes."""
        batches = [self.arrivals.next(size) for _ in range(max(8, 512 // size))]
        before = self.wal()
        for batch in batches:
            self.record(batch)
        return (self.wal() - before) / size / len(batches)

    def wal(self) -> int:
        """Return how much was written so far; on SQLite since this was last asked, which begins anew."""
        if self.archive.kind == "postgresql":
            with self.archive.read() as tx:
                return int(tx.connection.exec_driver_sql("SELECT pg_current_wal_lsn() - '0/0'").scalar_one())
        path = Path(f"{self.archive._engine.url.database}-wal")
        size = path.stat().st_size if path.exists() else 0
        with contextlib.closing(self.archive._engine.raw_connection()) as borrowed:
            borrowed.cursor().execute("PRAGMA wal_checkpoint(TRUNCATE)")
        return size


def _no_checkpoints(connection: Any, _record: object) -> None:
    connection.execute("PRAGMA wal_autocheckpoint=0")


@contextlib.contextmanager
def _counted(archive: Archive) -> Iterator[list[int]]:
    count, last = [0], ""

    def add(statement: object) -> None:
        nonlocal last
        begin = str(statement)[:40]
        if archive.kind == "postgresql" or begin != last:  # what is run for many rows is one
            count[0] += 1
        last = begin

    def trace(connection: Any, _record: object, _proxy: object) -> None:
        if archive.kind == "sqlite":
            connection.set_trace_callback(add)
        else:
            connection.cursor_factory = _counting(add)

    event.listen(archive._engine, "checkout", trace)
    yield count
    event.remove(archive._engine, "checkout", trace)
    archive.close()  # the connections that are traced


def _counting(add: Callable[[object], None]) -> Any:
    from psycopg2.extensions import cursor

    class Counting(cursor):
        def execute(self, query: Any, vars: Any = None) -> None:
            add(query)
            super().execute(query, vars)

    return Counting


@contextlib.contextmanager
def _urls(kind: str) -> Iterator[Callable[[], str]]:
    if kind == "postgresql":
        with server() as running:
            yield running.create
        return
    with tempfile.TemporaryDirectory() as folder:
        made = iter(range(1000))
        yield lambda: f"sqlite:///{folder}/{next(made)}.db"


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.bench_index", description=__doc__)
    parser.add_argument("--kinds", nargs="+", default=["sqlite", "postgresql"])
    parser.add_argument("--sizes", nargs="+", type=int, default=[1, 8, 16, 64])
    parser.add_argument("--fill", type=int, default=0, help="instances in the index before")
    parser.add_argument("--count", type=int, default=1920, help="arrivals for each measurement")
    arguments = parser.parse_args()
    print("database    rules  batch   CPU us  statements  WAL bytes   (for each arrival)")
    for kind in arguments.kinds:
        with _urls(kind) as url:
            for rules in (False, True):
                bench = Bench(url(), rules=rules)
                bench.fill(arguments.fill)
                for size in arguments.sizes:
                    bench.record(bench.arrivals.next(size))
                    cpu = bench.cpu(size, arguments.count)
                    statements, written = bench.statements(size), bench.written(size)
                    numbers = f"{cpu:9.0f}{statements:12.2f}{written:11.0f}"
                    print(f"{kind:11} {3 * rules:6} {size:6}{numbers}", flush=True)
                bench.archive.close()


if __name__ == "__main__":
    main()
