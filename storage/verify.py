"""Compares every record with every blob, and says what does not fit. It changes nothing.

It may run while the node works: what is found wrong is looked at again before it is reported. Blobs are
read through once, one piece at a time, so that memory stays small however large the archive is.
"""

import hashlib
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import islice

from storage.archive import Archive
from storage.blobs.protocol import BlobStore
from storage.errors import Damaged, NotFound, Unavailable
from storage.records.arrival import BlobRef
from storage.records.history import ConflictKind

AREAS = ("instances", "quarantine")

_PAGE = 500
_KEPT = 10_000  # findings that a report names; beyond that it only counts
_STORE_DOWN = 3  # blobs in a row that cannot be read: then it is the store, not the blobs
_GRACE = 2.0  # seconds that a placed blob is given to get its record

Progress = Callable[[int, int], None]


class Kind(StrEnum):
    """What can be wrong."""

    MISSING = "missing"  # a record's blob is not there
    DAMAGED = "damaged"  # it is, but other bytes or fewer or more than were written
    ORPHAN = "orphan"  # a blob without record: nothing is lost, space is
    MISCOUNTED = "miscounted"  # a study or series does not have the instances that it says
    DATABASE = "database"  # the database itself is damaged


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong.

    Attributes
    ----------
    subject
        SOP, Series or Study Instance UID, or the key of a blob.
    detail
        What was expected and what was found; no patient data.
    """

    kind: Kind
    subject: str
    detail: str


@dataclass(slots=True)
class Report:
    """What came of it.

    Attributes
    ----------
    blobs
        Blobs that were read through and compared with their record.
    size
        Bytes of these.
    findings
        The first ten thousand; `wrong` counts all.
    """

    blobs: int = 0
    size: int = 0
    wrong: int = 0
    findings: list[Finding] = field(default_factory=list)

    @property
    def clean(self) -> bool:
        """Nothing at all was wrong."""
        return self.wrong == 0

    def add(self, kind: Kind, subject: str, detail: str) -> None:
        """Add a finding."""
        self.wrong += 1
        if len(self.findings) < _KEPT:
            self.findings.append(Finding(kind, subject, detail))


def verify(
    archive: Archive, blobs: BlobStore, progress: Progress | None = None, *, grace: float = _GRACE
) -> Report:
    """Compare all records with all blobs.

    Parameters
    ----------
    progress
        Called with the number of instances that have been compared, and that of all.
    grace
        Seconds to wait for the records of blobs that seem to have none.

    Raises
    ------
    Unavailable
        The database or the blob store does not answer.
    """
    report = Report()
    try:
        _check_database(archive, report)
        _check_counters(archive, report)
        suspects = list(islice(_unreferenced(archive, blobs), _KEPT))
        comparison = Comparison(blobs)
        _check_instances(archive, comparison, report, progress)
        _check_conflicts(archive, comparison, report)
        _check_quarantine(archive, comparison, report)
        if suspects:
            time.sleep(grace)
            _check_orphans(archive, blobs, suspects, report)
    except Damaged as error:  # the database; damaged blobs are findings already
        report.add(Kind.DATABASE, "", str(error))
    return report


def fault_of(
    blobs: BlobStore, blob: BlobRef, check: Callable[[], None] = lambda: None
) -> tuple[Kind, str] | None:
    """Read a blob through and return what is wrong with it, None when it is as it was written.

    Parameters
    ----------
    check
        Called between pieces; may raise to interrupt.
    """
    try:
        reader = blobs.open(blob.key)
    except NotFound:
        return Kind.MISSING, f"no blob {blob.key}"
    with reader:
        if reader.size != blob.offset + blob.size:
            return Kind.DAMAGED, f"blob {blob.key}: {reader.size} bytes, not {blob.offset + blob.size}"
        digest = hashlib.sha256()
        try:
            for chunk in reader.chunks(blob.offset):
                check()
                digest.update(chunk)
        except Damaged as error:
            return Kind.DAMAGED, f"blob {blob.key}: {error}"
    if digest.hexdigest() != blob.digest:
        return Kind.DAMAGED, f"blob {blob.key}: SHA-256 {digest.hexdigest()}, not {blob.digest}"
    return None


class Comparison:
    """Reads blobs one after the other; one that cannot be read is damaged, several in a row are no finding.

    Parameters
    ----------
    check
        As in `fault_of`.
    """

    def __init__(self, blobs: BlobStore, check: Callable[[], None] = lambda: None) -> None:
        self._blobs = blobs
        self._check = check
        self._unreadable = 0

    def fault_of(self, blob: BlobRef) -> tuple[Kind, str] | None:
        """Return what is wrong with a blob.

        Raises
        ------
        Unavailable
            The store does not answer.
        """
        try:
            fault = fault_of(self._blobs, blob, self._check)
        except Unavailable:
            self._unreadable += 1
            if self._unreadable == _STORE_DOWN:
                raise
            return Kind.DAMAGED, f"blob {blob.key}: it cannot be read"
        self._unreadable = 0
        return fault


def _check_database(archive: Archive, report: Report) -> None:
    if archive.kind != "sqlite":
        return  # PostgreSQL has its own tools for that, and checksums of pages
    with archive.read() as tx:
        for (line,) in tx.connection.exec_driver_sql("PRAGMA integrity_check(100)"):
            if line != "ok":
                report.add(Kind.DATABASE, "", line)
        for table, row, parent, _ in tx.connection.exec_driver_sql("PRAGMA foreign_key_check"):
            report.add(Kind.DATABASE, "", f"row {row} of {table} has no {parent}")


def _check_counters(archive: Archive, report: Report) -> None:
    with archive.read() as tx:
        for uid, detail in tx.studies.miscounted():
            report.add(Kind.MISCOUNTED, uid, detail)


def _check_instances(
    archive: Archive, comparison: Comparison, report: Report, progress: Progress | None
) -> None:
    with archive.read() as tx:
        total = tx.instances.count()
    after = done = 0
    while True:
        with archive.read() as tx:
            page = tx.instances.page(after, _PAGE)
        if not page:
            return
        after = page[-1][0]
        for _, instance in page:
            fault = _compare(comparison, instance.blob, report)
            if fault is not None:
                with archive.read() as tx:  # it may have been deleted meanwhile, with its blob
                    still = tx.instances.get(instance.sop_instance_uid)
                if still is not None and still.blob == instance.blob:
                    report.add(fault[0], instance.sop_instance_uid, fault[1])
            done += 1
            if progress is not None:
                progress(done, max(done, total))


def _check_conflicts(archive: Archive, comparison: Comparison, report: Report) -> None:
    after = 0
    while True:
        with archive.read() as tx:
            page = tx.conflicts.list(unresolved=False, after=after, limit=_PAGE)
        for conflict in page:
            # The bytes of an identity conflict are the instance's, which have been compared.
            if conflict.kind is ConflictKind.CONTENT:
                fault = _compare(comparison, conflict.blob, report)
                if fault is not None:
                    report.add(fault[0], conflict.sop_instance_uid, f"conflict {conflict.id}: {fault[1]}")
            after = conflict.id
        if not page:
            return


def _check_quarantine(archive: Archive, comparison: Comparison, report: Report) -> None:
    after = 0
    while True:
        with archive.read() as tx:
            page = tx.quarantine.list(after=after, limit=_PAGE)
        for refused in page:
            blob = BlobRef(refused.blob_key, 0, refused.blob_size, refused.digest)
            fault = _compare(comparison, blob, report)
            if fault is not None:
                report.add(fault[0], refused.blob_key, f"quarantine {refused.id}: {fault[1]}")
            after = refused.id
        if not page:
            return


def _compare(comparison: Comparison, blob: BlobRef, report: Report) -> tuple[Kind, str] | None:
    report.blobs += 1
    report.size += blob.size
    return comparison.fault_of(blob)


def _unreferenced(archive: Archive, blobs: BlobStore) -> Iterator[str]:
    for area in AREAS:
        keys = iter(blobs.keys(area))
        while batch := list(islice(keys, _PAGE)):
            with archive.read() as tx:
                known = tx.instances.by_blob_keys(batch)
            yield from (key for key in batch if key not in known)


def _check_orphans(archive: Archive, blobs: BlobStore, suspects: list[str], report: Report) -> None:
    for start in range(0, len(suspects), _PAGE):
        batch = suspects[start : start + _PAGE]
        with archive.read() as tx:
            known = tx.instances.by_blob_keys(batch)
        for key in batch:
            if key not in known and _exists(blobs, key):
                report.add(Kind.ORPHAN, key, "no record refers to this blob")


def _exists(blobs: BlobStore, key: str) -> bool:
    try:
        blobs.open(key).close()
    except NotFound:
        return False
    return True
