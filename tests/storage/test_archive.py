from pathlib import Path

import pytest

from storage.archive import Archive
from storage.blobs.memory import MemoryStore
from storage.commit import GroupCommit
from storage.errors import StorageError
from storage.records.arrival import Verdict
from tests.support.arrivals import arrival, placed, put


def test_opening_leaves_the_schema_as_it_is(tmp_path: Path) -> None:
    archive = Archive.open(f"sqlite:///{tmp_path}/index.db")
    assert archive.kind == "sqlite"
    assert not archive.is_current()
    archive.upgrade()
    assert archive.is_current()
    archive.close()


def test_reading_changes_nothing(archive: Archive) -> None:
    """On PostgreSQL the server holds to it."""
    if archive.kind == "postgresql":
        with archive.read() as tx, pytest.raises(StorageError):
            tx.arrivals.record([arrival()])
    with archive.read() as tx:
        assert tx.studies.count() == 0


def test_reader_never_waits_for_a_writer(archive: Archive) -> None:
    with archive.begin() as writer:
        put_in = writer.arrivals.record([arrival()])
        assert put_in[0].verdict is Verdict.STORED
        with archive.read() as reader:
            assert reader.studies.count() == 0


def test_way_in_for_arrivals(archive: Archive) -> None:
    blobs = MemoryStore()
    commits = archive.commits(blobs)
    assert isinstance(commits, GroupCommit)
    assert commits.record(placed(blobs)).verdict is Verdict.STORED


def test_two_archives_of_one_database(archive: Archive, archive_url: str) -> None:
    put(archive, arrival())
    other = Archive.open(archive_url)
    with other.read() as tx:
        assert tx.studies.count() == 1
    other.close()
