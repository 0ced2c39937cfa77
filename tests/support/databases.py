"""Fixtures: an archive on each of the two databases, quickly made from a copy that is already migrated."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import make_url

from storage.archive import Archive
from tests.support.postgres import NoPostgres, Server, server

KINDS = ("sqlite", "postgresql")


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[Server]:
    """A PostgreSQL server; without one the test is skipped, in a CI run it fails."""
    running = server()
    try:
        found = running.__enter__()
    except NoPostgres as error:
        if os.environ.get("CI"):
            pytest.fail(f"PostgreSQL is needed here: {error}")
        pytest.skip(f"PostgreSQL: {error}")
    try:
        yield found
    finally:
        running.__exit__(None, None, None)


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("template") / "index.db"
    _migrate(f"sqlite:///{path}")
    return path


@pytest.fixture(scope="session")
def postgres_template(postgres_server: Server) -> Iterator[str]:
    url = postgres_server.create()
    _migrate(url)
    yield make_url(url).database or ""
    postgres_server.drop(url)


def _migrate(url: str) -> None:
    archive = Archive.open(url)
    try:
        archive.upgrade()
    finally:
        archive.close()


@pytest.fixture
def sqlite_url(tmp_path: Path, sqlite_template: Path) -> str:
    """The URL of a fresh archive in SQLite."""
    path = tmp_path / "database" / "index.db"
    path.parent.mkdir()
    shutil.copyfile(sqlite_template, path)
    return f"sqlite:///{path}"


@pytest.fixture
def postgres_url(postgres_server: Server, postgres_template: str) -> Iterator[str]:
    """The URL of a fresh archive in PostgreSQL."""
    url = postgres_server.create(postgres_template)
    yield url
    postgres_server.drop(url)


@pytest.fixture(params=KINDS)
def archive_url(request: pytest.FixtureRequest) -> str:
    """The URL of a fresh archive, upgraded, on each database."""
    name = "sqlite_url" if request.param == "sqlite" else "postgres_url"
    url: str = request.getfixturevalue(name)
    return url


@pytest.fixture(params=KINDS)
def empty_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The URL of a database without any table, on each database."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'empty.db'}"
        return
    made: Server = request.getfixturevalue("postgres_server")
    url = made.create()
    yield url
    made.drop(url)


@pytest.fixture
def archive(archive_url: str) -> Iterator[Archive]:
    """A fresh archive, opened and upgraded, on each database."""
    opened = Archive.open(archive_url)
    yield opened
    opened.close()
