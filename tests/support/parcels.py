"""Destinations, parcels and results as tests of delivery need them, without an archive."""

from datetime import UTC, datetime
from typing import Any

from storage.records.arrival import BlobRef
from storage.records.deliveries import Destination, Parcel
from tests.support.samples import CT_CLASS, EXPLICIT

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


def destination(name: str = "pacs", **settings: Any) -> Destination:
    """A destination with default settings, and these."""
    plain: dict[str, Any] = {
        "id": 1,
        "name": name,
        "paused": False,
        "associations": 0,
        "rate": 0.0,
        "window": None,
        "syntaxes": (),
        "commitment": False,
        "failures": 0,
        "opened_at": None,
        "probe_at": None,
        "error": "",
        "succeeded_at": None,
        "worker": "w1",
        "lease_until": None,
    }
    return Destination(**{**plain, **settings})


def parcel(number: int = 1, **settings: Any) -> Parcel:
    """A parcel whose rows and UIDs follow from its number."""
    plain: dict[str, Any] = {
        "id": number,
        "attempt": 1,
        "failures": 0,
        "queued_at": NOW,
        "priority": 50,
        "alternate": "",
        "instance_row": number,
        "series_row": 1,
        "sop_class_uid": CT_CLASS,
        "sop_instance_uid": f"1.2.1.1.{number}",
        "transfer_syntax_uid": EXPLICIT,
        "blob": BlobRef(f"instances/{number}", 4, 100, "0" * 64),
        "study_instance_uid": "1.2.1",
        "series_instance_uid": "1.2.1.1",
        "received_at": NOW,
    }
    return Parcel(**{**plain, **settings})
