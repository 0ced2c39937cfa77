"""The tables that only grow: events about what is archived, and the audit of who did what."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import Column, Table

from storage.records.schema import METADATA, Moment, Tree, identifier, words

event = Table(
    "event",
    METADATA,
    identifier(),
    Column("at", Moment, nullable=False, index=True),
    words("kind", index=True),
    words("study_instance_uid", index=True),
    words("series_instance_uid"),
    words("sop_instance_uid", index=True),
    Column("detail", Tree, nullable=False),
)

audit = Table(
    "audit",
    METADATA,
    identifier(),
    Column("at", Moment, nullable=False, index=True),
    words("actor", index=True),
    words("address"),
    words("action", index=True),
    words("subject", index=True),
    words("outcome"),
    Column("detail", Tree, nullable=False),
)


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened to a study, series or instance, for those who follow.

    That an instance came is no event of its own: the table of arrivals says it, at half the cost.
    """

    at: datetime
    kind: str
    study_instance_uid: str = ""
    series_instance_uid: str = ""
    sop_instance_uid: str = ""
    detail: Mapping[str, Any] = field(default_factory=dict)
    id: int = 0


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """Who did what to what, from where, and how it ended (PS3.15 A.5)."""

    at: datetime
    actor: str
    action: str
    subject: str = ""
    outcome: str = "success"
    address: str = ""
    detail: Mapping[str, Any] = field(default_factory=dict)
    id: int = 0
