"""The tables of delivery: destinations, what each is to get and has got, attempts that failed, commitment.

A delivery is an instance and a destination: at first a place in that destination's queue, at last an entry of
the ledger.

held -> queued -> sending -> delivered
  ^       |  ^       |-----> waiting -> queued: it failed and may succeed later, or its window is closed
  |       |  |       |-----> dead: hopeless, or too old
  |       |  '------ delivered, dead, cancelled, diverted: sent again by a person
  |       '-> diverted: the alternate gets it, because this one is down
  '---- a rule or a hold; any open state -> cancelled: by a person
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    Table,
    UniqueConstraint,
)

from storage.records.arrival import BlobRef
from storage.records.schema import METADATA, Key, Moment, Tree, identifier, partial_index, words

destination = Table(
    "destination",
    METADATA,
    identifier(),
    words("name"),
    Column("paused", Boolean, nullable=False),
    Column("associations", Integer, nullable=False),
    Column("rate", Float, nullable=False),
    Column("window", Tree, nullable=True),
    words("syntaxes"),
    Column("commitment", Boolean, nullable=False),
    Column("failures", Integer, nullable=False),
    Column("opened_at", Moment, nullable=True),
    Column("probe_at", Moment, nullable=True),
    words("error"),
    Column("succeeded_at", Moment, nullable=True),
    words("worker"),
    Column("lease_until", Moment, nullable=True),
    UniqueConstraint("name"),
)

# No foreign key to the instance: the ledger outlives one that was discarded (see `gone`).
delivery = Table(
    "delivery",
    METADATA,
    identifier(),
    Column("instance_row", Key, nullable=False),
    Column("destination_row", Key, ForeignKey("destination.id"), nullable=False),
    Column("study_row", Key, nullable=False),
    Column("series_row", Key, nullable=False),
    Column("instance_number", BigInteger, nullable=False),
    words("state"),
    Column("priority", Integer, nullable=False),
    Column("rank", BigInteger, nullable=False),
    Column("due", Moment, nullable=True),
    Column("queued_at", Moment, nullable=False),
    words("rules"),
    words("alternate"),
    Column("instead_of", Key, nullable=True),
    Column("attempts", Integer, nullable=False),
    Column("failures", Integer, nullable=False),
    words("worker"),
    Column("ended_at", Moment, nullable=True),
    Column("status", Integer, nullable=True),
    words("words"),
    words("transfer_syntax_uid"),
    words("digest"),
    Column("commitment_row", Key, nullable=True),
    words("committed"),
    UniqueConstraint("instance_row", "destination_row"),
    partial_index("ix_delivery_queue", "destination_row", "rank", "id", where="state = 'queued'"),
    partial_index(
        "ix_delivery_series",
        "destination_row",
        "series_row",
        "instance_number",
        "id",
        where="state = 'queued'",
    ),
    partial_index(
        "ix_delivery_alternate",
        "destination_row",
        "alternate",
        "series_row",
        "instance_number",
        "id",
        where="state = 'queued' AND alternate <> ''",
    ),
    partial_index("ix_delivery_waiting", "destination_row", "due", where="state = 'waiting'"),
    partial_index("ix_delivery_sending", "destination_row", where="state = 'sending'"),
    partial_index("ix_delivery_stuck", "state", "destination_row", "id", where="state IN ('held', 'dead')"),
    partial_index("ix_delivery_uncommitted", "destination_row", "id", where="committed = 'due'"),
    partial_index("ix_delivery_commitment", "commitment_row", where="commitment_row IS NOT NULL"),
    # That is always so; who wants this index says it. Else SQLite would take it for every look into a queue.
    partial_index("ix_delivery_queued_at", "destination_row", "queued_at", where="attempts >= 0"),
    Index(None, "study_row"),
)

# The last attempt stands in the delivery itself; here are those before it.
attempt = Table(
    "attempt",
    METADATA,
    identifier(),
    Column("delivery_row", Key, ForeignKey("delivery.id"), nullable=False, index=True),
    Column("number", Integer, nullable=False),
    words("state"),
    Column("ended_at", Moment, nullable=False),
    Column("status", Integer, nullable=True),
    words("words"),
    words("digest"),
    words("worker"),
)

commitment = Table(
    "commitment",
    METADATA,
    identifier(),
    words("transaction_uid"),
    Column("destination_row", Key, ForeignKey("destination.id"), nullable=False),
    Column("requested_at", Moment, nullable=False),
    Column("answered_at", Moment, nullable=True),
    Column("committed", Integer, nullable=False),
    Column("failed", Integer, nullable=False),
    UniqueConstraint("transaction_uid"),
    partial_index("ix_commitment_open", "destination_row", "requested_at", where="answered_at IS NULL"),
)


class DeliveryState(StrEnum):
    """Where a delivery stands."""

    HELD = "held"
    WAITING = "waiting"
    QUEUED = "queued"
    SENDING = "sending"
    DELIVERED = "delivered"
    DIVERTED = "diverted"
    DEAD = "dead"
    CANCELLED = "cancelled"


OPEN_STATES = (DeliveryState.HELD, DeliveryState.WAITING, DeliveryState.QUEUED, DeliveryState.SENDING)


class Committed(StrEnum):
    """What a destination says of an instance that it took; empty: it was not asked."""

    NOT_ASKED = ""
    DUE = "due"  # it is to be asked
    ASKED = "asked"
    YES = "yes"
    NO = "no"
    UNANSWERED = "unanswered"


@dataclass(frozen=True, slots=True)
class Destination:
    """A peer as something to deliver to: its settings, and how it is doing.

    Attributes
    ----------
    name
        Of the peer.
    associations
        How many to hold with it at once; 0: as configured.
    rate
        Instances a second at most; 0: no limit.
    window
        `rules.window.Window.plain` of when anything may be sent; None: always.
    syntaxes
        Transfer syntaxes to prefer, in this order; empty: the stored one.
    commitment
        Ask it for storage commitment (PS3.4 J).
    failures
        Of the destination itself, one after the other, since it last took something.
    opened_at
        When it was given up for the time being (its circuit breaker opened); None: it is not.
    probe_at
        When it will be asked again by C-ECHO.
    error
        What went wrong last.
    succeeded_at
        When it last took something.
    worker, lease_until
        Who delivers to it at present.
    """

    id: int
    name: str
    paused: bool
    associations: int
    rate: float
    window: Mapping[str, Any] | None
    syntaxes: tuple[str, ...]
    commitment: bool
    failures: int
    opened_at: datetime | None
    probe_at: datetime | None
    error: str
    succeeded_at: datetime | None
    worker: str
    lease_until: datetime | None


@dataclass(frozen=True, slots=True)
class NewDelivery:
    """What a destination is to get.

    Attributes
    ----------
    instance_number
        As `storage.records.keys` makes it of Instance Number; 0 without one.
    held
        Why it waits for a person; empty: it does not.
    due
        Not before this moment; None: at once.
    rules
        Who asks for it: names of rules, or of a person.
    """

    instance_row: int
    series_row: int
    study_row: int
    instance_number: int
    destination: str
    priority: int
    queued_at: datetime
    rules: tuple[str, ...]
    held: str = ""
    due: datetime | None = None
    alternate: str = ""
    instead_of: int | None = None


@dataclass(frozen=True, slots=True)
class Delivery:
    """An instance and a destination as they stand.

    Attributes
    ----------
    sop_instance_uid
        Of the instance; also when that was discarded.
    attempts
        Times that sending it began.
    failures
        Of them that failed since it was queued, or since a person sent it again.
    ended_at, status, words, transfer_syntax_uid, digest
        The last attempt: its end, DIMSE status, what is to be said of it (while it is held: why), in which
        syntax and with which SHA-256 the dataset went.
    """

    id: int
    instance_row: int
    sop_instance_uid: str
    destination: str
    state: DeliveryState
    priority: int
    due: datetime | None
    queued_at: datetime
    rules: tuple[str, ...]
    alternate: str
    instead_of: int | None
    attempts: int
    failures: int
    worker: str
    ended_at: datetime | None
    status: int | None
    words: str
    transfer_syntax_uid: str
    digest: str
    committed: Committed


@dataclass(frozen=True, slots=True)
class Parcel:
    """A delivery that was claimed, with all that sending it needs."""

    id: int
    attempt: int
    failures: int
    queued_at: datetime
    priority: int
    alternate: str
    instance_row: int
    series_row: int
    sop_class_uid: str
    sop_instance_uid: str
    transfer_syntax_uid: str
    blob: BlobRef
    study_instance_uid: str
    series_instance_uid: str
    received_at: datetime


@dataclass(frozen=True, slots=True)
class Result:
    """How an attempt at a parcel ended.

    Attributes
    ----------
    state
        DELIVERED, WAITING (until `due`), DEAD, or QUEUED (given back, nothing is wrong with it).
    failed
        Count it as a failure of this delivery.
    status
        DIMSE status of the answer; None when there was none.
    digest
        SHA-256 of the dataset that was sent.
    """

    parcel: Parcel
    state: DeliveryState
    at: datetime
    status: int | None = None
    words: str = ""
    transfer_syntax_uid: str = ""
    digest: str = ""
    due: datetime | None = None
    failed: bool = False


@dataclass(frozen=True, slots=True)
class Attempt:
    """An attempt before the last one."""

    number: int
    state: str
    ended_at: datetime
    status: int | None
    words: str
    digest: str
    worker: str


@dataclass(frozen=True, slots=True)
class Tally:
    """What became of the deliveries that a destination was given in some time.

    Attributes
    ----------
    received
        All of them: the sum of the others.
    open
        Waiting, queued or being sent.
    diverted
        An alternate got them.
    missing
        SOP Instance UIDs, the first of those neither forwarded nor diverted.
    """

    received: int
    forwarded: int
    open: int
    held: int
    dead: int
    cancelled: int
    diverted: int
    missing: tuple[str, ...]
