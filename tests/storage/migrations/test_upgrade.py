"""The migrations make what the records declare; the fixtures of all other tests come from them too."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection, Inspector, inspect

from storage.archive import Archive
from storage.engine import make_engine
from storage.migrations.upgrade import head_revision
from storage.records.tables import METADATA


def described(connection: Connection) -> dict[str, Any]:
    """Everything that the database knows about its tables."""
    found = inspect(connection)
    names = sorted(name for name in found.get_table_names() if name != "alembic_version")
    return {name: _table(found, name) for name in names}


def _table(found: Inspector, name: str) -> dict[str, Any]:
    return {
        # In any order: a migration can only add at the end.
        "columns": sorted(
            (
                column["name"],
                str(column["type"]),
                getattr(column["type"], "collation", None),
                getattr(column["type"], "timezone", None),
                column["nullable"],
                column["default"],
            )
            for column in found.get_columns(name)
        ),
        "primary": found.get_pk_constraint(name),
        "foreign": sorted(found.get_foreign_keys(name), key=lambda each: str(each["name"])),
        "unique": sorted(found.get_unique_constraints(name), key=lambda each: str(each["name"])),
        "indexes": sorted(
            ((each["name"], each["column_names"], each["unique"]) for each in found.get_indexes(name)),
            key=str,
        ),
    }


def test_migrations_make_what_the_records_declare(empty_url: str) -> None:
    engine = make_engine(empty_url)
    try:
        with engine.begin() as connection:
            METADATA.create_all(connection)
            declared = described(connection)
            METADATA.drop_all(connection)
        _upgrade(empty_url)
        with engine.begin() as connection:
            assert described(connection) == declared
            assert compare_metadata(MigrationContext.configure(connection), METADATA) == []
    finally:
        engine.dispose()


def _upgrade(url: str) -> None:
    archive = Archive.open(url)
    try:
        archive.upgrade()
    finally:
        archive.close()


def test_upgrade_of_a_current_archive_changes_nothing(archive: Archive) -> None:
    assert archive.is_current()
    archive.upgrade()
    assert archive.is_current()


def test_empty_database_is_upgraded_once_by_many(empty_url: str) -> None:
    def work(_: int) -> bool:
        archive = Archive.open(empty_url)
        try:
            archive.upgrade()
            return archive.is_current()
        finally:
            archive.close()

    with ThreadPoolExecutor(4) as pool:
        assert all(pool.map(work, range(4)))


def test_empty_database_is_not_current(empty_url: str) -> None:
    archive = Archive.open(empty_url)
    try:
        assert not archive.is_current()
        with archive.read() as tx:
            assert inspect(tx.connection).get_table_names() == []
    finally:
        archive.close()


def test_a_failing_upgrade_leaves_nothing_behind(empty_url: str) -> None:
    archive = Archive.open(empty_url)
    try:
        with archive.begin() as tx:
            tx.connection.exec_driver_sql("CREATE TABLE peer (id INTEGER)")
            tx.commit()
        with pytest.raises(Exception, match=r"peer|SQLSTATE"):
            archive.upgrade()
        with archive.read() as tx:
            assert inspect(tx.connection).get_table_names() == ["peer"]
        assert not archive.is_current()
    finally:
        archive.close()


def test_there_is_one_head() -> None:
    assert head_revision()
