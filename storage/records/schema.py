"""What all tables are built of: the metadata, the column types, and the columns of indexed attributes.

The types hide what differs between SQLite and PostgreSQL: text compares and sorts by code point on both,
times are aware and in UTC, and neither NUL nor a lone surrogate reaches the database.
"""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, cast

from sqlalchemy import JSON, BigInteger, Column, DateTime, Dialect, Index, Integer, MetaData, Text, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.types import TypeDecorator, TypeEngine

from storage.records.attributes import ATTRIBUTES, Attribute, Kind, Level

METADATA = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

# PostgreSQL refuses an index entry above 2,704 bytes. No VR that we index allows a tenth of this (PS3.5 6.2).
INDEXABLE = 640


def clean(text: str) -> str:
    """Return `text` as both databases can keep it: without NUL, lone surrogates as a question mark."""
    if "\0" in text:
        text = text.replace("\0", "")
    return text if text.isascii() else text.encode("utf-8", "replace").decode("utf-8")


def indexable(text: str) -> str:
    """Return `text` as a column that has an index keeps it."""
    return text if is_plain(text) else clean(text[:INDEXABLE])


def is_plain(text: str) -> bool:
    """Tell whether `text`, and any part of it, is what every column keeps of it."""
    return len(text) <= INDEXABLE and text.isascii() and "\0" not in text


def _clean_tree(value: Any) -> Any:
    if isinstance(value, str):
        return clean(value)
    if isinstance(value, dict):
        return {_clean_tree(key): _clean_tree(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_clean_tree(each) for each in value]
    return value


class Words(TypeDecorator[str]):
    """Text compared byte by byte, so that a prefix search uses the index.

    Parameters
    ----------
    indexed
        Keep no more than `INDEXABLE` characters. The dataset has them all; only the index has not.
    """

    impl = Text
    cache_ok = True

    def __init__(self, indexed: bool = False) -> None:
        super().__init__()
        self.indexed = indexed

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[str]:
        """SQLite compares binary by itself; PostgreSQL has to be told."""
        collation = "C" if dialect.name == "postgresql" else None
        return dialect.type_descriptor(Text(collation=collation))

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        """Clean what goes in, and what is compared with it."""
        if value is None or is_plain(value):
            return value
        return indexable(value) if self.indexed else clean(value)

    def bind_processor(self, dialect: Dialect) -> Callable[[str | None], str | None]:
        """Do it without the steps in between, which cost more."""
        keep = indexable if self.indexed else clean

        def process(value: str | None) -> str | None:
            # As `is_plain` has it, written out: a batch has thousands of them.
            if value is None or (len(value) <= INDEXABLE and value.isascii() and "\0" not in value):
                return value
            return keep(value)

        return process


class Moment(TypeDecorator[datetime]):
    """An aware time, in UTC on the way out whatever it was on the way in."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """SQLite keeps no zone, so the time goes in as UTC."""
        return None if value is None else _in_utc(value)

    def bind_processor(self, dialect: Dialect) -> Callable[[datetime | None], Any]:
        """Do it without the steps in between; SQLite's text is written at once."""
        bound = _written if dialect.name == "sqlite" else _in_utc
        return lambda value: None if value is None else bound(value)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Give the zone back."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


def _in_utc(value: datetime) -> datetime:
    if value.tzinfo is None:
        raise ValueError("a time without a zone")
    return value if value.tzinfo is UTC else value.astimezone(UTC)


def _written(value: datetime) -> str:
    """Return a time as SQLAlchemy's own type keeps it in SQLite."""
    return _text_of(_in_utc(value))


@lru_cache(maxsize=256)  # the time of an arrival goes into several tables
def _text_of(at: datetime) -> str:
    day = f"{at.year:04}-{at.month:02}-{at.day:02}"  # in half the time of isoformat()
    return f"{day} {at.hour:02}:{at.minute:02}:{at.second:02}.{at.microsecond:06}"


class Tree(TypeDecorator[Any]):
    """JSON, its strings cleaned as text is."""

    impl = JSON().with_variant(JSONB(), "postgresql")
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Dialect) -> Any:
        """Clean what goes in."""
        return _clean_tree(value)

    def bind_processor(self, dialect: Dialect) -> Callable[[Any], Any]:
        """Clean only what, written as JSON, shows that it must be: it is seldom anything."""
        write = cast(Callable[[Any], Any], self.impl_instance.bind_processor(dialect))

        def process(value: Any) -> Any:
            written = write(value)
            if isinstance(written, str) and ("\\u0000" in written or "\\ud" in written):
                return write(_clean_tree(value))
            return written

        return process


Key = BigInteger().with_variant(Integer(), "sqlite")  # only INTEGER counts up by itself on SQLite


def identifier() -> Column[int]:
    """Return the primary key that every table has."""
    return Column("id", Key, primary_key=True, autoincrement=True)


def words(name: str, *, index: bool = False) -> Column[str]:
    """Return a text column that is never NULL: what is not known is empty."""
    return _words(name, index, index=index)


def _words(name: str, indexed: bool, *, index: bool = False) -> Column[str]:
    kind = Words(indexed=indexed)
    return Column(name, kind, nullable=False, default="", server_default="", index=index)


def key_columns(attribute: Attribute) -> tuple[str, ...]:
    """Return the names of the columns in which `attribute` is matched instead of as it was sent.

    Three for a name (alphabetic, ideographic and phonetic group), one for a date, time or number,
    none for the rest.
    """
    if attribute.kind is Kind.NAME:
        return tuple(f"{attribute.column}_{group}" for group in ("alphabetic", "ideographic", "phonetic"))
    if attribute.kind in (Kind.DATE, Kind.TIME, Kind.NUMBER):
        return (f"{attribute.column}_key",)
    return ()


def attribute_columns(level: Level) -> Iterator[Column[Any]]:
    """Yield the columns of every indexed attribute of `level`: as sent, then its keys."""
    for attribute in ATTRIBUTES:
        if attribute.level is not level:
            continue
        keys = key_columns(attribute)
        yield _words(attribute.column, not keys)
        for name in keys:
            yield Column(name, Key, nullable=True) if attribute.kind is Kind.NUMBER else _words(name, True)


def attribute_indexes(level: Level, *, but: tuple[str, ...] = ()) -> Iterator[Index]:
    """Yield an index for each column of `level` that is matched, except `but` (keywords)."""
    for attribute in ATTRIBUTES:
        if attribute.level is level and attribute.keyword not in but:
            for name in key_columns(attribute) or (attribute.column,):
                yield Index(None, name)


def partial_index(name: str, *columns: str, where: str, unique: bool = False) -> Index:
    """Return an index of the rows for which `where` holds."""
    return Index(name, *columns, unique=unique, sqlite_where=text(where), postgresql_where=text(where))


def origin_columns() -> Iterator[Column[Any]]:
    """Yield the columns of an `Origin`."""
    for name in ("way", "calling_ae", "called_ae", "address", "user_name", "path"):
        yield words(name)


def blob_columns() -> Iterator[Column[Any]]:
    """Yield the columns of a `BlobRef`."""
    yield words("blob_key", index=True)
    yield Column("blob_offset", BigInteger, nullable=False)
    yield Column("blob_size", BigInteger, nullable=False)
    yield words("digest")
    yield words("checksum")
