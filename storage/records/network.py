"""The tables of other nodes: peers that an administrator named, and callers that nobody did."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Boolean, Column, Integer, Table, UniqueConstraint

from storage.records.schema import METADATA, Moment, identifier, words

peer = Table(
    "peer",
    METADATA,
    identifier(),
    words("name"),
    words("ae_title", index=True),
    words("host"),
    Column("port", Integer, nullable=False),
    Column("tls", Boolean, nullable=False),
    Column("may_query", Boolean, nullable=False),
    Column("may_store", Boolean, nullable=False),
    Column("added_at", Moment, nullable=False),
    UniqueConstraint("name"),
)

caller = Table(
    "caller",
    METADATA,
    identifier(),
    words("ae_title"),
    words("address"),
    Column("first_seen", Moment, nullable=False),
    Column("last_seen", Moment, nullable=False, index=True),
    Column("count", Integer, nullable=False),
    Column("refused", Integer, nullable=False),
    words("asked"),  # sorted, joined by a backslash
    UniqueConstraint("ae_title", "address"),
)


@dataclass(frozen=True, slots=True)
class Peer:
    """Another node that we know: where it listens, and what it may ask of us."""

    name: str
    ae_title: str
    host: str
    port: int
    added_at: datetime
    tls: bool = False
    may_query: bool = True
    may_store: bool = True


@dataclass(frozen=True, slots=True)
class Caller:
    """Somebody who called without being a peer.

    Attributes
    ----------
    count
        Times it called.
    refused
        And times it was turned away.
    asked
        What it asked for, sorted, for example ``("C-FIND", "C-STORE")``.
    """

    ae_title: str
    address: str
    first_seen: datetime
    last_seen: datetime
    count: int
    refused: int
    asked: tuple[str, ...]
