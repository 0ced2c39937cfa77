"""Arrivals as ingest makes them, without any dataset behind them unless a test places one."""

import hashlib
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from storage.archive import Archive
from storage.blobs.protocol import BlobStore
from storage.records.arrival import Arrival, BlobRef, Origin, Recorded, Way

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
CT = "1.2.840.10008.5.1.4.1.1.2"
EXPLICIT = "1.2.840.10008.1.2.1"
ORIGIN = Origin(Way.DIMSE, "CT1", "ISOCENTRE", "10.0.0.7")
ATTRIBUTES = {
    "PatientName": "Doe^Jane",
    "PatientID": "P1",
    "PatientBirthDate": "19700101",
    "StudyDate": "20260301",
    "StudyTime": "1015",
    "AccessionNumber": "A1",
    "Modality": "CT",
    "SeriesNumber": "1",
    "Rows": "512",
}


def arrival(
    study: int = 1,
    series: int = 1,
    number: int = 1,
    content: str = "",
    *,
    blob: BlobRef | None = None,
    key: str = "",
    sop_class: str = CT,
    as_conflict: bool = False,
    at: datetime = NOW,
    **attributes: str,
) -> Arrival:
    """An arrival whose UIDs follow from its numbers, and its digest from them and `content`."""
    uid = f"1.2.{study}.{series}.{number}"
    digest = hashlib.sha256(f"{uid} {content}".encode()).hexdigest()
    key = key or f"instances/2026/0301/1200/{digest[:12]}-0"
    return Arrival(
        sop_instance_uid=uid,
        sop_class_uid=sop_class,
        study_instance_uid=f"1.2.{study}",
        series_instance_uid=f"1.2.{study}.{series}",
        transfer_syntax_uid=EXPLICIT,
        attributes={**ATTRIBUTES, "InstanceNumber": str(number), **attributes},
        blob=blob or BlobRef(key, 350, 1000, digest, digest[:32]),
        origin=ORIGIN,
        received_at=at,
        as_conflict=as_conflict,
    )


def put(archive: Archive, *arrivals: Arrival) -> list[Recorded]:
    """Record in one transaction."""
    with archive.begin() as tx:
        recorded = tx.arrivals.record(arrivals)
        tx.commit()
    return recorded


def place(blobs: BlobStore, content: bytes = b"dataset", area: str = "instances") -> BlobRef:
    """Place a blob with a header of four bytes."""
    writer = blobs.create(area)
    writer.write([b"DICM", content])
    key = writer.place()
    return BlobRef(key, 4, len(content), hashlib.sha256(content).hexdigest())


def placed(blobs: BlobStore, content: bytes = b"dataset", **settings: Any) -> Arrival:
    """An arrival with its blob."""
    return arrival(blob=place(blobs, content), **settings)


def rows(archive: Archive, sql: str) -> Sequence[Any]:
    """What the database itself says."""
    with archive.read() as tx:
        return [tuple(row) for row in tx.connection.exec_driver_sql(sql)]
