"""The tables of what happened on the way in: arrivals, conflicts between them, and the quarantine."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from sqlalchemy import BigInteger, Column, ForeignKey, Table, UniqueConstraint

from storage.records.arrival import BlobRef, Origin
from storage.records.schema import (
    METADATA,
    Key,
    Moment,
    Tree,
    blob_columns,
    identifier,
    origin_columns,
    words,
)

arrival = Table(
    "arrival",
    METADATA,
    identifier(),
    Column("instance_row", Key, ForeignKey("instance.id"), nullable=False, index=True),
    words("verdict"),
    *origin_columns(),
    Column("received_at", Moment, nullable=False, index=True),
)

conflict = Table(
    "conflict",
    METADATA,
    identifier(),
    words("kind"),
    # One row for each distinct content, or patient, however often it is sent and by how many at once.
    words("fingerprint"),
    Column("study_row", Key, ForeignKey("study.id"), nullable=False, index=True),
    Column("instance_row", Key, ForeignKey("instance.id"), nullable=False, index=True),
    words("transfer_syntax_uid"),
    *blob_columns(),
    Column("attributes", Tree, nullable=False),
    *origin_columns(),
    Column("received_at", Moment, nullable=False, index=True),
    Column("resolved_at", Moment, nullable=True),
    words("resolution"),
    UniqueConstraint("fingerprint"),
)

quarantine = Table(
    "quarantine",
    METADATA,
    identifier(),
    words("blob_key", index=True),
    Column("blob_size", BigInteger, nullable=False),
    words("digest"),
    words("reason"),
    words("sop_class_uid"),
    words("sop_instance_uid", index=True),
    words("transfer_syntax_uid"),
    *origin_columns(),
    Column("received_at", Moment, nullable=False, index=True),
)


class ConflictKind(StrEnum):
    """What two arrivals disagree about."""

    CONTENT = "content"  # one SOP Instance UID, two datasets
    IDENTITY = "identity"  # one Study Instance UID, two patients


@dataclass(frozen=True, slots=True)
class Conflict:
    """Two arrivals that cannot both be right; both are kept until a person decides.

    Attributes
    ----------
    blob
        The later one's bytes. Those of a content conflict are kept nowhere else; those of an identity
        conflict are the stored instance's own.
    attributes
        The later one's indexed attributes.
    """

    id: int
    kind: ConflictKind
    study_instance_uid: str
    sop_instance_uid: str
    transfer_syntax_uid: str
    blob: BlobRef
    attributes: Mapping[str, str]
    origin: Origin
    received_at: datetime
    resolved_at: datetime | None
    resolution: str


@dataclass(frozen=True, slots=True)
class Quarantined:
    """A dataset that was refused, kept with the reason.

    Attributes
    ----------
    blob_size
        Bytes of the whole blob.
    digest
        SHA-256 of the whole blob, hexadecimal.
    sop_class_uid, sop_instance_uid, transfer_syntax_uid
        As the sender claimed; may be empty.
    """

    blob_key: str
    blob_size: int
    digest: str
    reason: str
    origin: Origin
    received_at: datetime
    sop_class_uid: str = ""
    sop_instance_uid: str = ""
    transfer_syntax_uid: str = ""
    id: int = 0
