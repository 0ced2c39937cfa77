"""Every table, in one place: whoever imports this has the whole schema in `METADATA`."""

from storage.records.deliveries import attempt, commitment, delivery, destination
from storage.records.history import arrival, conflict, quarantine
from storage.records.jobs import bookmark, job
from storage.records.network import caller, peer
from storage.records.objects import instance, series, study
from storage.records.rulings import activation, assignment, decision, gone, hold, label, ruleset, settling
from storage.records.schema import METADATA
from storage.records.trail import audit, event

__all__ = [
    "METADATA",
    "activation",
    "arrival",
    "assignment",
    "attempt",
    "audit",
    "bookmark",
    "caller",
    "commitment",
    "conflict",
    "decision",
    "delivery",
    "destination",
    "event",
    "gone",
    "hold",
    "instance",
    "job",
    "label",
    "peer",
    "quarantine",
    "ruleset",
    "series",
    "settling",
    "study",
]
