"""Fixture: an archive of twenty thousand studies, filled once for all tests and then only copied."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import make_url

from storage.archive import Archive
from tests.support.databases import KINDS
from tests.support.index import analyze, fill, one_study
from tests.support.postgres import Server

STUDIES = 20_000
DESCRIPTION = "X" * 60
"""StudyDescription of each of them."""


def _fill(url: str) -> None:
    archive = Archive.open(url)
    try:
        fill(
            archive,
            (
                one_study(n, PatientName=f"DOE^{n:05}", PatientID=str(n % 50), StudyDescription=DESCRIPTION)
                for n in range(STUDIES)
            ),
        )
        analyze(archive)
    finally:
        archive.close()


@pytest.fixture(scope="session")
def crowded_sqlite(sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("crowded") / "index.db"
    shutil.copyfile(sqlite_template, path)
    _fill(f"sqlite:///{path}")
    return path


@pytest.fixture(scope="session")
def crowded_postgres(postgres_server: Server, postgres_template: str) -> Iterator[str]:
    url = postgres_server.create(postgres_template)
    _fill(url)
    yield make_url(url).database or ""
    postgres_server.drop(url)


@pytest.fixture(params=KINDS)
def crowded_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The URL of a fresh copy, on each database. Patient n is called DOE^n, there are fifty PatientIDs."""
    if request.param == "sqlite":
        path = tmp_path / "crowded.db"
        shutil.copyfile(request.getfixturevalue("crowded_sqlite"), path)
        yield f"sqlite:///{path}"
        return
    server: Server = request.getfixturevalue("postgres_server")
    url = server.create(request.getfixturevalue("crowded_postgres"))
    yield url
    server.drop(url)
