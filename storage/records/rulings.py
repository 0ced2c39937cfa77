"""The tables of rule sets and of what they decided.

A revision is never changed. Which one is in force is the newest row of `activation` for its role, so that the
history of that is kept by itself. Decisions keep the values that were looked at: with the revision they are
enough to explain a decision at any later time.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import Column, ForeignKey, Index, Integer, Table, text

from storage.records.schema import METADATA, Key, Moment, Tree, identifier, words

ruleset = Table(
    "ruleset",
    METADATA,
    identifier(),  # the number of the revision
    words("digest", index=True),
    words("source"),
    Column("plain", Tree, nullable=False),
    words("author"),
    words("note"),
    Column("based_on", Integer, nullable=True),
    words("difference"),
    Column("created_at", Moment, nullable=False),
)

activation = Table(
    "activation",
    METADATA,
    identifier(),
    words("role"),
    Column("revision", Key, ForeignKey("ruleset.id"), nullable=True),
    words("author"),
    Column("at", Moment, nullable=False),
    Index(None, "role", "id"),
)

# No foreign key to what it is about: a decision outlives an instance that was discarded (see `gone`).
decision = Table(
    "decision",
    METADATA,
    identifier(),
    words("level"),
    Column("row", Key, nullable=False),
    words("role"),
    Column("revision", Key, ForeignKey("ruleset.id"), nullable=False),
    Column("at", Moment, nullable=False),
    Column("local", Integer, nullable=False),
    Column("seen", Tree, nullable=False),
    Column("outcomes", Tree, nullable=False),
    Column("stale_at", Moment, nullable=True),
    Index(None, "row", "level"),
)

label = Table(
    "label",
    METADATA,
    identifier(),
    words("level"),
    Column("row", Key, nullable=False),
    Column("study_row", Key, ForeignKey("study.id"), nullable=False, index=True),
    words("label"),
    words("author"),
    Column("at", Moment, nullable=False),
    Index("uq_label_level_row_label", "level", "row", "label", unique=True),
)

assignment = Table(
    "assignment",
    METADATA,
    identifier(),
    Column("study_row", Key, ForeignKey("study.id"), nullable=False, index=True),
    words("centre"),
    words("reader"),
    words("urgency"),
    words("author"),
    Column("at", Moment, nullable=False),
)

hold = Table(
    "hold",
    METADATA,
    identifier(),
    words("level"),
    Column("row", Key, nullable=False),
    Column("study_row", Key, nullable=False),
    words("reason"),
    words("author"),
    Column("at", Moment, nullable=False),
    Column("released_at", Moment, nullable=True),
    words("released_by"),
    # An open hold is one of its kind, however often rules ask for it.
    Index(
        "uq_hold_open",
        "study_row",
        "level",
        "row",
        "reason",
        unique=True,
        sqlite_where=text("released_at IS NULL"),
        postgresql_where=text("released_at IS NULL"),
    ),
)

settling = Table(
    "settling",
    METADATA,
    identifier(),
    Column("study_row", Key, ForeignKey("study.id"), nullable=False, unique=True),
    Column("opened_at", Moment, nullable=False),
    Column("last_at", Moment, nullable=False),
    Column("due", Moment, nullable=False, index=True),
    Column("growth", Integer, nullable=False),
)

gone = Table(
    "gone",
    METADATA,
    identifier(),
    words("sop_instance_uid", index=True),
    words("series_instance_uid"),
    words("study_instance_uid", index=True),
    words("sop_class_uid"),
    words("digest"),
    words("reason"),
    words("author"),
    Column("received_at", Moment, nullable=False),
    Column("at", Moment, nullable=False),
    # No foreign keys: they may be gone too.
    Column("instance_row", Key, nullable=False, index=True),
    Column("series_row", Key, nullable=False, index=True),
    Column("study_row", Key, nullable=False, index=True),
)


class Role(StrEnum):
    """What a rule set is in force for."""

    ACTIVE = "active"  # its decisions are carried out
    SHADOW = "shadow"  # they are only recorded


@dataclass(frozen=True, slots=True)
class Revision:
    """A rule set as it was given.

    Attributes
    ----------
    id
        Its number, from 1.
    digest
        Of the rules themselves (`rules.ruleset.RuleSet.digest`): two sources may have the same.
    source
        The text of the file, as it was written.
    plain
        What `rules.ruleset.RuleSet.from_plain` reads.
    based_on
        Revision that was active when this was made.
    difference
        To that one, in lines of text.
    """

    id: int
    digest: str
    source: str
    plain: Mapping[str, Any]
    author: str
    note: str
    based_on: int | None
    difference: str
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Activation:
    """From when on a revision, or none, was in force for a role."""

    role: Role
    revision: int | None
    author: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Ruling:
    """What a rule set came to about one instance, series or study.

    Attributes
    ----------
    level
        ``instance``, ``series`` or ``study``.
    row
        Of that in its table; the negative id in `gone` of what was discarded.
    at
        The moment; `local` is the offset of the node's wall clock from UTC then, in minutes.
    seen
        `rules.decisions.Decided.seen`.
    outcomes
        `Decision.plain` of each rule that came to more than "not fired".
    stale_at
        When what came later made it out of date.
    """

    level: str
    row: int
    role: Role
    revision: int
    at: datetime
    local: int
    seen: Mapping[str, Any]
    outcomes: Sequence[Mapping[str, Any]]
    stale_at: datetime | None = None
    id: int = 0


@dataclass(frozen=True, slots=True)
class Held:
    """Why a person must look before anything of an instance, series or study is delivered."""

    level: str
    row: int
    study_row: int
    reason: str
    author: str
    at: datetime
    released_at: datetime | None = None
    released_by: str = ""
    id: int = 0


@dataclass(frozen=True, slots=True)
class Label:
    """A label that a rule or a person gave."""

    level: str
    row: int
    study_row: int
    label: str
    author: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Assignment:
    """To whom a study is given to read; of each field the newest that is not empty counts."""

    study_row: int
    at: datetime
    centre: str = ""
    reader: str = ""
    urgency: str = ""
    author: str = ""


@dataclass(frozen=True, slots=True)
class Settling:
    """A study that has grown since it last settled.

    Attributes
    ----------
    opened_at
        Its first arrival since then.
    last_at
        Its last one.
    due
        When it is to be looked at.
    growth
        Times that something came since then.
    """

    study_row: int
    opened_at: datetime
    last_at: datetime
    due: datetime
    growth: int = 1


@dataclass(frozen=True, slots=True)
class Gone:
    """An instance that was discarded: what is left of it.

    Attributes
    ----------
    instance_row, series_row, study_row
        That it had. No other ever has the same.
    """

    sop_instance_uid: str
    series_instance_uid: str
    study_instance_uid: str
    sop_class_uid: str
    digest: str
    reason: str
    author: str
    received_at: datetime
    at: datetime
    instance_row: int
    series_row: int
    study_row: int
    id: int = field(default=0)
