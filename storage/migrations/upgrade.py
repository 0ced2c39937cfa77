"""Bring a database to the schema of this program, by Alembic and without any file of settings.

All revisions that are missing run in one transaction, which a lock lets only one process enter: on
SQLite the caller's BEGIN IMMEDIATE, on PostgreSQL an advisory lock.
"""

from functools import cache
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text

_LOCK = 0x150CE  # any number will do, so long as it stays the same


def config(connection: Connection | None = None) -> Config:
    """Return Alembic's settings for the revisions in this package, to run on `connection`."""
    settings = Config()
    # A percent sign in the path would be read as an interpolation.
    settings.set_main_option("script_location", str(Path(__file__).parent).replace("%", "%%"))
    settings.set_main_option("path_separator", "os")
    settings.attributes["connection"] = connection
    return settings


def upgrade(connection: Connection) -> None:
    """Run what is missing in the transaction that `connection` has begun; the caller commits."""
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
    if revision_of(connection) != head_revision():
        command.upgrade(config(connection), "head")


def revision_of(connection: Connection) -> str | None:
    """Return the revision that the database is at, None when it is empty."""
    return MigrationContext.configure(connection).get_current_revision()


@cache
def head_revision() -> str | None:
    """Return the newest revision that this program knows."""
    return ScriptDirectory.from_config(config()).get_current_head()
