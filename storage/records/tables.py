"""Every table, in one place: whoever imports this has the whole schema in `METADATA`."""

from storage.records.history import arrival, conflict, quarantine
from storage.records.jobs import bookmark, job
from storage.records.network import caller, peer
from storage.records.objects import instance, series, study
from storage.records.schema import METADATA
from storage.records.trail import audit, event

__all__ = [
    "METADATA",
    "arrival",
    "audit",
    "bookmark",
    "caller",
    "conflict",
    "event",
    "instance",
    "job",
    "peer",
    "quarantine",
    "series",
    "study",
]
