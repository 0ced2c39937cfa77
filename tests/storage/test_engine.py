import sqlite3
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psycopg2
import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from storage.archive import Archive
from storage.engine import Busy, classify, describe, make_engine
from storage.errors import Damaged, OutOfSpace, StorageError, Unavailable
from tests.support.arrivals import arrival, put


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("", "URL"),
        ("nonsense", "URL"),
        ("mysql://h/d", "neither"),
        ("sqlite://", "needs a file"),
        ("sqlite:///:memory:", "needs a file"),
        ("postgresql+pg8000://h/d", r"psycopg2|pg8000"),
    ],
)
def test_wrong_urls_say_what_is_wrong(url: str, reason: str) -> None:
    with pytest.raises(StorageError, match=reason):
        make_engine(url)


def test_sqlite_is_durable(sqlite_url: str) -> None:
    engine = make_engine(sqlite_url)
    with engine.connect() as connection:
        assert connection.execute(text("PRAGMA journal_mode")).scalar() == "wal"
        assert connection.execute(text("PRAGMA synchronous")).scalar() == 2  # FULL
        assert connection.execute(text("PRAGMA foreign_keys")).scalar() == 1
    engine.dispose()


def test_postgresql_is_durable_whatever_the_server_says(postgres_url: str) -> None:
    engine = make_engine(postgres_url)
    with engine.connect() as connection:
        assert connection.execute(text("SHOW synchronous_commit")).scalar() == "on"
        assert connection.execute(text("SHOW transaction_isolation")).scalar() == "read committed"
        assert connection.execute(text("SHOW timezone")).scalar() == "UTC"
    engine.dispose()


def test_second_writer_of_sqlite_is_busy(sqlite_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("storage.engine._BUSY_SECONDS", 0.1)
    archive = Archive.open(sqlite_url)
    with archive.begin(), pytest.raises(Busy):
        archive.begin()
    with archive.begin():
        pass
    archive.close()


def test_full_disk_is_out_of_space(sqlite_url: str) -> None:
    archive = Archive.open(sqlite_url)
    with archive.begin() as tx:
        pages = tx.connection.exec_driver_sql("PRAGMA page_count").scalar()
        tx.connection.exec_driver_sql(f"PRAGMA max_page_count = {pages}")
        with pytest.raises(OutOfSpace):
            tx.arrivals.record([arrival(n, 1, m) for n in range(20) for m in range(60)])
    archive.close()


def test_no_database_is_unavailable(tmp_path: Path) -> None:
    with pytest.raises(Unavailable):
        Archive.open(f"sqlite:///{tmp_path}/none/index.db")
    with pytest.raises(Unavailable):
        Archive.open("postgresql+psycopg2://u:secret@127.0.0.1:1/d")


def test_foreign_file_is_damaged(tmp_path: Path) -> None:
    (tmp_path / "index.db").write_bytes(b"not a database, and long enough to be looked at" * 100)
    with pytest.raises(Damaged):
        Archive.open(f"sqlite:///{tmp_path}/index.db")


def test_broken_constraint_stays_what_it_is_and_hides_values(archive: Archive) -> None:
    put(archive, arrival())
    with archive.begin() as tx, pytest.raises(IntegrityError) as caught:
        tx.connection.execute(
            text("UPDATE instance SET sop_instance_uid = :name, digest = NULL"), {"name": "Secret^Name"}
        )
    assert "Secret" not in str(caught.value.orig) or archive.kind == "postgresql"
    assert "Secret" not in describe(caught.value.orig or caught.value)


def test_lost_server_is_unavailable_and_then_back(postgres_url: str) -> None:
    archive = Archive.open(postgres_url)
    with archive.read() as tx:
        (mine,) = tx.connection.exec_driver_sql("SELECT pg_backend_pid()").one()
        with archive.begin() as other:
            other.connection.exec_driver_sql(f"SELECT pg_terminate_backend({mine}, 5000)")
        with pytest.raises(Unavailable):
            tx.studies.count()
    with archive.read() as tx:
        assert tx.studies.count() == 0
    archive.close()


def test_connection_that_died_in_a_pause_is_replaced(
    postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("storage.engine._IDLE_SECONDS", 0.0)
    archive = Archive.open(postgres_url)
    with archive.read() as first, archive.read() as second:
        (one,) = first.connection.exec_driver_sql("SELECT pg_backend_pid()").one()
        killer = second.connection
        killer_pid = killer.exec_driver_sql("SELECT pg_backend_pid()").scalar()
    with archive.begin() as tx:
        now = tx.connection.exec_driver_sql("SELECT pg_backend_pid()").scalar()
        other = one if now == killer_pid else killer_pid
        tx.connection.exec_driver_sql(f"SELECT pg_terminate_backend({other}, 5000)")
        with archive.read() as again:
            assert again.studies.count() == 0
    archive.close()


def test_classify_knows_what_is_not_its_own() -> None:
    assert classify(ValueError()) is None
    assert classify(sqlite3.OperationalError()) is StorageError
    assert classify(psycopg2.OperationalError("no answer")) is Unavailable
    assert describe(psycopg2.OperationalError("no answer\nDETAIL: Doe^Jane")) == "database: no answer"


def test_wal_is_turned_on_by_many_at_once(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/new.db"

    def work(_: int) -> None:
        Archive.open(url).close()

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, range(16)))


def test_writers_of_sqlite_take_turns_and_keep_their_patience(sqlite_url: str) -> None:
    """Two write by turns; each waits for the other, and other statements wait as before."""
    archive = Archive.open(sqlite_url)
    done: list[int] = []

    def write(number: int) -> None:
        for _ in range(20):
            with archive.begin() as tx:
                assert tx.connection.exec_driver_sql("PRAGMA busy_timeout").scalar() == 30_000
                done.append(number)
                tx.commit()

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(write, range(4)))
    assert sorted(done) == sorted(20 * [*range(4)])
    archive.close()


@pytest.mark.parametrize("durable", [True, False])
def test_only_a_durable_engine_waits_for_the_disk(archive_url: str, durable: bool):
    engine = make_engine(archive_url, durable=durable)
    with engine.connect() as connection:
        if engine.dialect.name == "sqlite":
            found = connection.exec_driver_sql("PRAGMA synchronous").scalar_one()
            assert found == (2 if durable else 1)  # FULL, NORMAL
        else:
            found = connection.exec_driver_sql("SHOW synchronous_commit").scalar_one()
            assert found == ("on" if durable else "off")
    engine.dispose()
