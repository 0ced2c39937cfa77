"""Copies an archive while it is in use: first the database as it is at one moment, then the blobs.

A blob is placed before the record that refers to it is committed, so every record of the copy finds its blob
among those copied afterwards. Blobs never change: a second backup into the same folder copies the new
ones only. Restoring is described in docs/operations.md.
"""

import contextlib
import errno
import os
import shutil
import sqlite3
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy.engine import URL

from storage.archive import Archive
from storage.blobs.filesystem import FilesystemStore
from storage.blobs.log.store import ReceiveLog
from storage.blobs.protocol import BlobStore
from storage.engine import classify, describe
from storage.errors import NotFound, OutOfSpace, StorageError, Unavailable
from storage.verify import AREAS

Progress = Callable[[int, int], None]

_PAGES = 2048  # of the SQLite database in one step


@dataclass(slots=True)
class Backup:
    """What a backup did.

    Attributes
    ----------
    database
        The copy: an SQLite database, or an archive for ``pg_restore``.
    copied, linked, kept
        Blobs that were copied, hard-linked (files on the same filesystem), or there already.
    """

    database: Path
    copied: int = 0
    linked: int = 0
    kept: int = 0


def backup(archive: Archive, blobs: BlobStore, target: Path, progress: Progress | None = None) -> Backup:
    """Copy `archive` and `blobs` into the folder `target`, which is made when it is not there.

    Parameters
    ----------
    progress
        Called with the number of blobs done, and of instances in all.

    Raises
    ------
    OutOfSpace
        The target is full.
    Unavailable
        The database or the blob store does not answer, or the target cannot be written.
    StorageError
        ``pg_dump`` is not there, or does not work.
    """
    try:
        target.mkdir(parents=True, exist_ok=True, mode=0o700)
        done = Backup(_copy_database(archive, target))
        with archive.read() as tx:
            total = tx.instances.count()
        _copy_blobs(blobs, target / "blobs", done, total, progress)
    except OSError as error:
        full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        raise (OutOfSpace if full else Unavailable)(f"backup: {error.strerror}: {target}") from error
    return done


def _copy_database(archive: Archive, target: Path) -> Path:
    sqlite = archive.kind == "sqlite"
    final = target / ("index.db" if sqlite else "index.dump")
    part = final.with_name(f"{final.name}.part")
    part.unlink(missing_ok=True)
    with archive.read() as tx:
        if sqlite:
            tx.connection.exec_driver_sql(
                "SELECT count(*) FROM study"
            ).all()  # from here on the moment stands
            _copy_sqlite(tx.connection.connection.driver_connection, part)
        else:
            _dump_postgresql(tx.connection.engine.url, part)
    _sync(part)
    os.replace(part, final)
    _sync(target)
    return final


def _copy_sqlite(source: object, part: Path) -> None:
    assert isinstance(source, sqlite3.Connection)  # noqa: S101 - for the type checker
    with contextlib.closing(sqlite3.connect(part)) as copy:
        os.chmod(part, 0o600)
        try:
            source.backup(copy, pages=_PAGES)
        except sqlite3.Error as error:
            kind = classify(error) or StorageError
            raise kind(describe(error)) from None


def _dump_postgresql(url: URL, part: Path) -> None:
    program = shutil.which("pg_dump")
    if program is None:
        raise StorageError(
            "backup: the program pg_dump is not on PATH; install PostgreSQL's client programs of the"
            " server's version or newer (Debian: postgresql-client)"
        )
    # The password goes by the environment: arguments can be read by every user of the machine.
    place = URL.create("postgresql", url.username, None, url.host, url.port, url.database, url.query)
    environment = dict(os.environ)
    if url.password:
        environment["PGPASSWORD"] = str(url.password)
    part.touch(mode=0o600)
    run = subprocess.run(
        [
            program,
            "--format=custom",
            "--no-password",
            f"--file={part}",
            f"--dbname={place.render_as_string()}",
        ],
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    if run.returncode:
        reason = (run.stderr.strip().splitlines() or ["no reason given"])[-1]
        raise StorageError(f"backup: pg_dump: {reason}")


def _copy_blobs(blobs: BlobStore, target: Path, done: Backup, total: int, progress: Progress | None) -> None:
    _make(target)
    folder = target
    for area in AREAS:
        for key in blobs.keys(area):
            path = target / key
            if path.parent != folder:
                _sync_names(folder, target)
                folder = path.parent
                _make(folder)
            with contextlib.suppress(NotFound):  # a duplicate's, deleted meanwhile
                _copy_blob(blobs, key, path, done)
            if progress is not None:
                count = done.copied + done.linked + done.kept
                progress(count, max(count, total))
    _sync_names(folder, target)


def _copy_blob(blobs: BlobStore, key: str, path: Path, done: Backup) -> None:
    if path.exists():
        done.kept += 1
        return
    source = blobs.path(key) if isinstance(blobs, FilesystemStore | ReceiveLog) else None
    if source is not None and _link(source, path):
        done.linked += 1
        return
    part = path.with_name(f"{path.name}.part")
    part.unlink(missing_ok=True)
    part.touch(mode=0o600)
    with blobs.open(key) as reader, part.open("wb") as file:
        for chunk in reader.chunks():
            file.write(chunk)
        file.flush()
        os.fsync(file.fileno())
    os.replace(part, path)
    done.copied += 1


def _link(source: Path, path: Path) -> bool:
    try:
        os.link(source, path)
    except FileNotFoundError:
        raise NotFound(f"no blob {source.name}") from None
    except OSError:  # another filesystem, or one that has no links
        return False
    return True


def _make(folder: Path) -> None:
    """Make `folder` and its parents, for nobody else to read."""
    if not folder.is_dir():
        _make(folder.parent)
        folder.mkdir(exist_ok=True, mode=0o700)


def _sync_names(folder: Path, top: Path) -> None:
    """Make the names in `folder`, its own and those of its parents up to `top` durable."""
    while True:
        _sync(folder)
        if folder == top:
            return
        folder = folder.parent


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
