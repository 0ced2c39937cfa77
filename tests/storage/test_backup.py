import os
import shutil
import stat
import subprocess
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from sqlalchemy import make_url

from storage.archive import Archive
from storage.backup import backup
from storage.blobs.filesystem import FilesystemStore
from storage.blobs.memory import MemoryStore
from storage.errors import StorageError, Unavailable
from storage.verify import Kind, verify
from tests.support.arrivals import place, placed, put
from tests.support.postgres import Server


@pytest.fixture
def blobs(tmp_path: Path) -> Iterator[FilesystemStore]:
    store = FilesystemStore(tmp_path / "blobs")
    yield store
    store.close()


@pytest.fixture
def restore(request: pytest.FixtureRequest, archive: Archive) -> "Iterator[Restore]":
    """A function that opens what a backup wrote, restored as docs/operations.md says."""
    opened: list[Archive] = []
    made: list[str] = []

    def open_copy(database: Path) -> Archive:
        if archive.kind == "sqlite":
            url = f"sqlite:///{database}"
        else:
            server: Server = request.getfixturevalue("postgres_server")
            url = server.create()
            made.append(url)
            into = make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)
            program = shutil.which("pg_restore")
            assert program is not None
            subprocess.run(
                [program, "--exit-on-error", "--no-owner", f"--dbname={into}", database], check=True
            )
        copy = Archive.open(url)
        opened.append(copy)
        return copy

    yield open_copy
    for copy in opened:
        copy.close()
    for url in made:
        request.getfixturevalue("postgres_server").drop(url)


Restore = Callable[[Path], Archive]


def test_copy_has_everything(
    archive: Archive, blobs: FilesystemStore, tmp_path: Path, restore: Restore
) -> None:
    put(archive, *(placed(blobs, b"%d" % n, number=n) for n in range(5)))
    put(archive, placed(blobs, b"other", number=1, as_conflict=True))
    seen: list[tuple[int, int]] = []
    done = backup(archive, blobs, tmp_path / "copy", lambda n, total: seen.append((n, total)))
    assert (done.linked, done.copied, done.kept) == (6, 0, 0)
    assert seen[-1] == (6, 6)
    copy, files = restore(done.database), FilesystemStore(tmp_path / "copy" / "blobs")
    assert copy.is_current()
    report = verify(copy, files, grace=0)
    assert report.findings == []
    assert report.blobs == 6
    files.close()


def test_every_record_of_the_copy_has_its_blob_while_others_write(
    archive: Archive, blobs: FilesystemStore, tmp_path: Path, restore: Restore
) -> None:
    commits = archive.commits(blobs)
    stop = threading.Event()

    def write(which: int) -> int:
        n = 0
        while not stop.is_set():
            n += 1
            commits.record(placed(blobs, b"%d %d" % (which, n), series=which, number=n))
        return n

    with ThreadPoolExecutor(3) as pool:
        writers = [pool.submit(write, which) for which in range(3)]
        try:
            copies = [backup(archive, blobs, tmp_path / f"copy{n}") for n in range(3)]
        finally:
            stop.set()
        written = sum(each.result() for each in writers)
    for n, done in enumerate(copies):
        files = FilesystemStore(tmp_path / f"copy{n}" / "blobs")
        copy = restore(done.database)
        report = verify(copy, files, grace=0)
        assert {each.kind for each in report.findings} <= {Kind.ORPHAN}
        assert report.blobs <= written
        files.close()


def test_second_backup_takes_the_new_ones_only(
    archive: Archive, blobs: FilesystemStore, tmp_path: Path, restore: Restore
) -> None:
    put(archive, placed(blobs, b"1", number=1))
    backup(archive, blobs, tmp_path / "copy")
    put(archive, placed(blobs, b"2", number=2))
    done = backup(archive, blobs, tmp_path / "copy")
    assert (done.linked, done.kept) == (1, 1)
    with restore(done.database).read() as tx:
        assert tx.instances.count() == 2
    assert not list((tmp_path / "copy").rglob("*.part"))


def test_store_without_files_is_copied(archive: Archive, tmp_path: Path) -> None:
    blobs = MemoryStore()
    one = placed(blobs, b"content")
    put(archive, one)
    done = backup(archive, blobs, tmp_path / "copy")
    assert (done.copied, done.linked) == (1, 0)
    assert (tmp_path / "copy" / "blobs" / one.blob.key).read_bytes() == b"DICMcontent"


def test_files_without_links_are_copied(
    archive: Archive, blobs: FilesystemStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_links(source: Path, path: Path) -> None:
        raise OSError(18, "Invalid cross-device link")

    monkeypatch.setattr(os, "link", no_links)
    one = placed(blobs, b"content")
    put(archive, one)
    done = backup(archive, blobs, tmp_path / "copy")
    assert (done.copied, done.linked) == (1, 0)
    assert (tmp_path / "copy" / "blobs" / one.blob.key).read_bytes() == b"DICMcontent"


@pytest.mark.parametrize("copied", [False, True])
def test_nobody_else_can_read_the_copy(
    archive: Archive,
    blobs: FilesystemStore,
    tmp_path: Path,
    copied: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    place(blobs)
    if copied:
        monkeypatch.setattr("storage.backup._link", lambda source, path: False)
    done = backup(archive, blobs, tmp_path / "copy")
    for path in [tmp_path / "copy", done.database, *(tmp_path / "copy" / "blobs").rglob("*")]:
        assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0, path


def test_target_that_cannot_be_written_is_said(archive: Archive, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(Unavailable, match="backup"):
        backup(archive, MemoryStore(), tmp_path / "file" / "copy")


def test_without_pg_dump_it_says_what_to_install(
    postgres_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive = Archive.open(postgres_url)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(StorageError, match="pg_dump is not on PATH"):
        backup(archive, MemoryStore(), tmp_path / "copy")
    archive.close()


def test_what_pg_dump_says_is_passed_on_without_the_password(
    postgres_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive = Archive.open(postgres_url)
    program = tmp_path / "bin" / "pg_dump"
    program.parent.mkdir()
    program.write_text('#!/bin/sh\necho "arguments: $*" >&2\nexit 1\n')
    program.chmod(0o700)
    monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")
    with pytest.raises(StorageError, match="pg_dump: arguments: --format=custom") as caught:
        backup(archive, MemoryStore(), tmp_path / "copy")
    assert str(make_url(postgres_url).password) not in str(caught.value)
    archive.close()
