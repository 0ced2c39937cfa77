"""The tables of what is archived: study, series, instance; and an instance as retrieval needs it.

A patient has no table: its attributes stand in each study as they came, and two studies may disagree.
Columns of attributes are generated from `storage.records.attributes`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Boolean, Column, ForeignKey, Index, Integer, Table, UniqueConstraint, false

from storage.records.arrival import BlobRef
from storage.records.attributes import Level
from storage.records.schema import (
    METADATA,
    Key,
    Moment,
    attribute_columns,
    attribute_indexes,
    blob_columns,
    identifier,
    words,
)

study = Table(
    "study",
    METADATA,
    identifier(),
    *attribute_columns(Level.STUDY),
    words("modalities_in_study"),  # sorted, joined by a backslash
    words("sop_classes_in_study"),  # likewise
    Column("number_of_series", Integer, nullable=False, default=0, server_default="0"),
    Column("number_of_instances", Integer, nullable=False, default=0, server_default="0"),
    Column("identity_conflict", Boolean, nullable=False, default=False, server_default=false()),
    Column("created_at", Moment, nullable=False, index=True),
    # Changes with every arrival: without an index PostgreSQL updates the row in place (HOT).
    Column("updated_at", Moment, nullable=False),
    UniqueConstraint("study_instance_uid"),
    *attribute_indexes(Level.STUDY, but=("StudyInstanceUID",)),
)

series = Table(
    "series",
    METADATA,
    identifier(),
    Column("study_row", Key, ForeignKey("study.id"), nullable=False),
    *attribute_columns(Level.SERIES),
    Column("number_of_instances", Integer, nullable=False, default=0, server_default="0"),
    Column("created_at", Moment, nullable=False),
    Column("updated_at", Moment, nullable=False),
    UniqueConstraint("study_row", "series_instance_uid"),
    *attribute_indexes(Level.SERIES),
)

# Attributes of instances are asked within a series, so that its index serves; more would slow arrivals.
instance = Table(
    "instance",
    METADATA,
    identifier(),
    Column("series_row", Key, ForeignKey("series.id"), nullable=False),
    *attribute_columns(Level.IMAGE),
    words("transfer_syntax_uid"),
    *blob_columns(),
    Column("received_at", Moment, nullable=False, index=True),
    UniqueConstraint("sop_instance_uid"),
    Index(None, "series_row", "instance_number_key"),
)


@dataclass(frozen=True, slots=True)
class StoredInstance:
    """An instance as retrieval and verification need it."""

    sop_class_uid: str
    sop_instance_uid: str
    transfer_syntax_uid: str
    blob: BlobRef
    study_instance_uid: str
    series_instance_uid: str
    received_at: datetime


@dataclass(frozen=True, slots=True)
class Study:
    """A study as people look at it.

    Attributes
    ----------
    attributes
        Keyword to value, as first sent, of every indexed attribute of patient and study.
    identity_conflict
        Instances of it came under different patients.
    """

    study_instance_uid: str
    attributes: Mapping[str, str]
    modalities: tuple[str, ...]
    sop_classes: tuple[str, ...]
    number_of_series: int
    number_of_instances: int
    identity_conflict: bool
    created_at: datetime
    updated_at: datetime
