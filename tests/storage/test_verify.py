import hashlib
import threading
import tracemalloc
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from storage.archive import Archive
from storage.blobs.filesystem import FilesystemStore
from storage.blobs.memory import MemoryStore
from storage.blobs.protocol import BlobReader
from storage.errors import Unavailable
from storage.records.history import Quarantined
from storage.verify import Finding, Kind, Report, fault_of, verify
from tests.support.arrivals import NOW, ORIGIN, arrival, place, placed, put


@pytest.fixture
def blobs(tmp_path: Path) -> Iterator[FilesystemStore]:
    store = FilesystemStore(tmp_path / "blobs")
    yield store
    store.close()


def quarantine(archive: Archive, blobs: FilesystemStore) -> str:
    blob = place(blobs, b"refused", "quarantine")
    with blobs.open(blob.key) as reader:
        whole = reader.read_at(0, 100)
    refused = Quarantined(blob.key, len(whole), hashlib.sha256(whole).hexdigest(), "cut off", ORIGIN, NOW)
    with archive.begin() as tx:
        tx.quarantine.add(refused)
        tx.commit()
    return blob.key


def found(report: Report) -> list[tuple[Kind, str]]:
    return [(each.kind, each.subject) for each in report.findings]


def test_sound_archive_is_clean(archive: Archive, blobs: FilesystemStore) -> None:
    put(archive, *(placed(blobs, b"%d" % n, number=n) for n in range(7)))
    put(archive, placed(blobs, b"other", number=1, as_conflict=True), placed(blobs, number=8, PatientID="P2"))
    quarantine(archive, blobs)
    seen: list[tuple[int, int]] = []
    report = verify(archive, blobs, lambda done, total: seen.append((done, total)), grace=0)
    assert report.clean
    assert report.findings == []
    assert report.blobs == 10  # eight instances, one conflict of content, one in quarantine
    assert report.size > 0
    assert seen == [(n, 8) for n in range(1, 9)]


def test_empty_archive_is_clean(archive: Archive) -> None:
    assert verify(archive, MemoryStore()) == Report()


def test_each_damage_is_named_by_its_uid(archive: Archive, blobs: FilesystemStore) -> None:
    arrivals = [placed(blobs, b"content %d" % n, number=n) for n in range(5)]
    put(archive, *arrivals)
    flip(blobs.path(arrivals[1].blob.key), -1)
    blobs.delete(arrivals[2].blob.key)
    with blobs.path(arrivals[3].blob.key).open("ab") as file:
        file.write(b"more")
    report = verify(archive, blobs, grace=0)
    assert not report.clean
    assert found(report) == [
        (Kind.DAMAGED, "1.2.1.1.1"),
        (Kind.MISSING, "1.2.1.1.2"),
        (Kind.DAMAGED, "1.2.1.1.3"),
    ]
    assert "SHA-256" in report.findings[0].detail
    assert "17 bytes, not 13" in report.findings[2].detail


def test_damage_in_conflict_and_quarantine_is_found(archive: Archive, blobs: FilesystemStore) -> None:
    other = placed(blobs, b"other", as_conflict=True)
    put(archive, placed(blobs), other)
    refused = quarantine(archive, blobs)
    flip(blobs.path(other.blob.key), 5)
    flip(blobs.path(refused), 0)
    report = verify(archive, blobs, grace=0)
    assert found(report) == [(Kind.DAMAGED, other.sop_instance_uid), (Kind.DAMAGED, refused)]


def test_blobs_without_record_are_listed(archive: Archive, blobs: FilesystemStore) -> None:
    put(archive, placed(blobs))
    lone = place(blobs, b"lone").key
    refused = place(blobs, b"refused", "quarantine").key
    report = verify(archive, blobs, grace=0)
    assert found(report) == [(Kind.ORPHAN, lone), (Kind.ORPHAN, refused)]


def test_blob_that_gets_its_record_meanwhile_is_none(archive: Archive, blobs: FilesystemStore) -> None:
    first, late, gone = placed(blobs), placed(blobs, b"late", number=2), place(blobs, b"gone")
    put(archive, first)

    def progress(done: int, total: int) -> None:
        if done == 1:
            put(archive, late)
            blobs.delete(gone.key)

    assert verify(archive, blobs, progress, grace=0).clean


def test_wrong_counters_are_found(archive: Archive, blobs: FilesystemStore) -> None:
    put(archive, placed(blobs))
    with archive.begin() as tx:
        tx.connection.exec_driver_sql("UPDATE series SET number_of_instances = 5")
        tx.commit()
    report = verify(archive, blobs, grace=0)
    assert report.findings == [Finding(Kind.MISCOUNTED, "1.2.1.1", "number_of_instances is 5, 1 are there")]


def test_damaged_sqlite_is_found(sqlite_url: str, blobs: FilesystemStore) -> None:
    archive = Archive.open(sqlite_url)
    put(archive, *(placed(blobs, b"%d" % n, number=n) for n in range(50)))
    with archive.begin() as tx:
        root = tx.connection.exec_driver_sql(
            "SELECT rootpage FROM sqlite_schema WHERE name = 'ix_instance_blob_key'"
        ).scalar_one()
        size = tx.connection.exec_driver_sql("PRAGMA page_size").scalar_one()
    archive.close()
    path = Path(sqlite_url.removeprefix("sqlite:///"))
    with path.open("r+b") as file:
        file.seek((root - 1) * size + 200)
        file.write(b"\xff" * (size - 200))
    archive = Archive.open(sqlite_url)
    report = verify(archive, blobs, grace=0)
    assert Kind.DATABASE in {each.kind for each in report.findings}
    archive.close()


def test_broken_reference_in_sqlite_is_found(sqlite_url: str, blobs: FilesystemStore) -> None:
    archive = Archive.open(sqlite_url)
    put(archive, placed(blobs))
    with archive.begin() as tx:
        raw = tx.connection.connection.driver_connection
        tx.commit()
        assert raw is not None
        raw.execute("PRAGMA foreign_keys=OFF")
        raw.execute("DELETE FROM series")
        raw.execute("PRAGMA foreign_keys=ON")
    report = verify(archive, blobs, grace=0)
    assert ("row 1 of instance has no series") in [each.detail for each in report.findings]
    archive.close()


def test_findings_are_counted_beyond_those_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("storage.verify._KEPT", 2)
    report = Report()
    for n in range(5):
        report.add(Kind.ORPHAN, str(n), "")
    assert (report.wrong, len(report.findings)) == (5, 2)


def test_memory_stays_small_whatever_the_size(archive: Archive, tmp_path: Path) -> None:
    store = FilesystemStore(tmp_path / "blobs")
    put(archive, placed(store, bytes(64 << 20)))
    tracemalloc.start()
    try:
        assert verify(archive, store, grace=0).clean
        assert tracemalloc.get_traced_memory()[1] < 16 << 20
    finally:
        tracemalloc.stop()
        store.close()


def test_while_others_write(archive: Archive, blobs: FilesystemStore) -> None:
    commits = archive.commits(blobs)
    stop = threading.Event()
    errors: list[BaseException] = []

    def write() -> None:
        n = 0
        try:
            while not stop.is_set():
                n += 1
                commits.record(placed(blobs, b"%d" % n, series=n % 3, number=n))
        except BaseException as error:
            errors.append(error)

    writer = threading.Thread(target=write)
    writer.start()
    try:
        reports = [verify(archive, blobs) for _ in range(3)]
    finally:
        stop.set()
        writer.join()
    assert errors == []
    assert [report.findings for report in reports] == [[], [], []]


def test_fault_of_tells_what_is_wrong() -> None:
    blobs = MemoryStore()
    blob = place(blobs, b"content")
    assert fault_of(blobs, blob) is None
    assert fault_of(blobs, replace(blob, key=arrival().blob.key)) is not None
    assert (fault_of(blobs, replace(blob, digest="00" * 32)) or ("",))[0] is Kind.DAMAGED


def flip(path: Path, at: int) -> None:
    content = bytearray(path.read_bytes())
    content[at] ^= 1
    path.write_bytes(content)


class Unreadable(MemoryStore):
    """A store on a disk with bad sectors."""

    def __init__(self) -> None:
        super().__init__()
        self.bad: set[str] = set()

    def open(self, key: str) -> BlobReader:
        if key in self.bad:
            raise Unavailable("blob store: Input/output error while opening a file")
        return super().open(key)


def test_what_cannot_be_read_is_damaged_and_the_rest_is_read(archive: Archive) -> None:
    blobs = Unreadable()
    arrivals = [placed(blobs, b"content %d" % n, number=n) for n in range(5)]
    put(archive, *arrivals)
    blobs.bad = {arrivals[1].blob.key, arrivals[2].blob.key, arrivals[4].blob.key}
    report = verify(archive, blobs, grace=0)
    assert found(report) == [(Kind.DAMAGED, f"1.2.1.1.{n}") for n in (1, 2, 4)]
    assert report.findings[0].detail.endswith("it cannot be read")


def test_when_nothing_can_be_read_the_store_is_down(archive: Archive) -> None:
    blobs = Unreadable()
    arrivals = [placed(blobs, b"content %d" % n, number=n) for n in range(5)]
    put(archive, *arrivals)
    blobs.bad = {each.blob.key for each in arrivals}
    with pytest.raises(Unavailable):
        verify(archive, blobs, grace=0)
