"""What an arrival is to the archive: an instance with its attributes, its bytes and its origin."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum


class Way(StrEnum):
    """By which door an instance came in."""

    DIMSE = "dimse"
    STOW = "stow"
    UPLOAD = "upload"
    IMPORT = "import"
    DERIVED = "derived"


@dataclass(frozen=True, slots=True)
class Origin:
    """Who brought an instance, and how. Kept with it for ever.

    Attributes
    ----------
    path
        AE titles and derivations behind it, first to last; the calling AE is the last without being said.
    """

    way: Way
    calling_ae: str = ""
    called_ae: str = ""
    address: str = ""
    user: str = ""
    path: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class BlobRef:
    """Where the bytes of one dataset lie, and what they must hash to.

    The digest says what content is: two datasets of one digest are the same. The checksum costs a thirtieth
    of it, and shows that bytes are still those that were written.

    Attributes
    ----------
    key
        Name in the blob store.
    offset
        Bytes of Part 10 header (preamble and group 0002) before the dataset.
    size
        Bytes of the dataset itself, as the sender encoded it.
    digest
        SHA-256 of these bytes, hexadecimal.
    checksum
        XXH3 of 128 bits of them, hexadecimal; empty: it was not kept, the digest is.
    """

    key: str
    offset: int
    size: int
    digest: str
    checksum: str = ""


@dataclass(frozen=True, slots=True)
class Arrival:
    """One instance whose bytes have been placed, waiting to be recorded.

    Attributes
    ----------
    attributes
        Keyword to Unicode value of every indexed attribute (`storage.records.attributes`) that the
        dataset has; several values are joined by a backslash; present but empty is "".
    as_conflict
        Other content under a SOP Instance UID that the archive already has is recorded as a conflict
        beside it; when False it is not recorded and the verdict is DIFFERS.
    further
        What rules want to know beyond `attributes`, by the names of `rules.symbols`.
    wanted
        Digest of the rule set for which `further` was read; empty: for none.
    """

    sop_instance_uid: str
    sop_class_uid: str
    study_instance_uid: str
    series_instance_uid: str
    transfer_syntax_uid: str
    attributes: Mapping[str, str]
    blob: BlobRef
    origin: Origin
    received_at: datetime
    as_conflict: bool = False
    further: Mapping[str, object] = field(default_factory=dict)
    wanted: str = ""


class Verdict(StrEnum):
    """What recording an arrival came to."""

    STORED = "stored"
    DUPLICATE = "duplicate"  # same SOP Instance UID, same dataset bytes: nothing changed
    DIFFERS = "differs"  # same SOP Instance UID, other bytes: nothing recorded yet
    CONFLICT = "conflict"  # kept beside the first one, for a person to decide


@dataclass(frozen=True, slots=True)
class Place:
    """Rows of an instance, its series and its study."""

    instance_row: int
    series_row: int
    study_row: int


@dataclass(frozen=True, slots=True)
class Recorded:
    """The answer to an arrival once its transaction has committed.

    Attributes
    ----------
    existing
        The bytes that the archive has under this SOP Instance UID, for DUPLICATE, DIFFERS and CONFLICT.
    existing_transfer_syntax_uid
        And their transfer syntax.
    identity_conflict
        The study was known under another patient identity; accepted and flagged.
    place
        Where it stands, of an instance that is STORED by this very transaction; None otherwise.
    """

    verdict: Verdict
    existing: BlobRef | None = None
    existing_transfer_syntax_uid: str = ""
    identity_conflict: bool = field(default=False)
    place: Place | None = field(default=None, compare=False)
