"""The unit of work; and that whatever is read by its exact key is found by an index, on both databases."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from sqlalchemy import event

from storage.archive import Archive
from storage.engine import Busy
from storage.sql import prepared
from storage.transaction import Transaction
from tests.support.arrivals import arrival, put


def test_nothing_is_saved_unless_said(archive: Archive) -> None:
    with archive.begin() as tx:
        tx.arrivals.record([arrival()])
    with pytest.raises(Busy):
        _fail(archive)
    with archive.read() as tx:
        assert tx.studies.count() == 0


def _fail(archive: Archive) -> None:
    with archive.begin() as tx:
        tx.arrivals.record([arrival()])
        raise Busy


def test_a_reader_sees_one_commit_or_none(archive: Archive) -> None:
    put(archive, arrival(number=1))
    with archive.begin() as writer:
        writer.arrivals.record([arrival(number=2)])
        with archive.read() as reader:
            assert reader.instances.count() == 1
        writer.commit()
    with archive.read() as reader:
        assert reader.instances.count() == 2


def test_repositories_share_the_transaction(archive: Archive) -> None:
    with archive.begin() as tx:
        tx.arrivals.record([arrival()])
        assert tx.arrivals is tx.arrivals
        assert tx.instances.count() == 1


@pytest.fixture
def filled(archive: Archive) -> Archive:
    """Enough rows, and fresh statistics, that PostgreSQL prefers an index where there is one."""
    with archive.begin() as tx:
        tx.arrivals.record(
            [arrival(s, 1, n, AccessionNumber=f"A{s}") for s in range(1, 301) for n in range(1, 5)]
        )
        tx.connection.exec_driver_sql("ANALYZE")
        tx.commit()
    return archive


@contextmanager
def watched(tx: Transaction) -> Iterator[list[tuple[str, Any]]]:
    """Gather the statements that run, in the driver's words."""
    seen: list[tuple[str, Any]] = []

    def note(_c: Any, _cursor: Any, statement: str, parameters: Any, _x: Any, _many: bool) -> None:
        seen.append((statement, parameters))

    event.listen(tx.connection, "before_cursor_execute", note)
    try:
        yield seen
    finally:
        event.remove(tx.connection, "before_cursor_execute", note)


def plan(archive: Archive, tx: Transaction, statement: str, parameters: Any) -> str:
    words = "EXPLAIN QUERY PLAN " if archive.kind == "sqlite" else "EXPLAIN "
    cursor = tx.connection.connection.cursor()
    try:
        if archive.kind == "postgresql":  # it may think that so few rows are not worth an index
            cursor.execute("SET LOCAL enable_seqscan = off")
        cursor.execute(words + statement, parameters)
        return "\n".join(str(row[-1]) for row in cursor.fetchall())
    finally:
        cursor.close()


def reads(tx: Transaction) -> Iterator[Any]:
    yield tx.instances.get("1.2.7.1.1")
    yield list(tx.instances.matching(sop_uids=["1.2.7.1.1"]))
    yield list(tx.instances.matching(series_uids=["1.2.7.1"]))
    yield list(tx.instances.matching(study_uids=["1.2.7"]))
    yield tx.instances.by_blob_keys(["instances/none"])
    yield tx.studies.get("1.2.7")
    yield tx.events.list(sop_instance_uid="1.2.7.1.1", limit=10)
    yield tx.events.list(study_instance_uid="1.2.7", limit=10)
    yield tx.arrivals.record([arrival(7, 1, 1, key="instances/other")])
    yield tx.arrivals.record([arrival(7, 1, 99)])


TABLES = ("study", "series", "instance", "event", "arrival")


def test_no_exact_key_reads_a_whole_table(filled: Archive, monkeypatch: pytest.MonkeyPatch) -> None:
    statements: list[tuple[str, Any]] = []
    execute = prepared._execute

    def noted(connection: Any, sql: str, values: Any) -> Any:
        statements.append((sql, values))
        return execute(connection, sql, values)

    monkeypatch.setattr(prepared, "_execute", noted)
    with filled.begin() as tx:
        with watched(tx) as seen:
            for _ in reads(tx):
                pass
        # Several at once are inserts, and updates by the row's own number.
        single = [each for each in statements + seen if ";" not in each[0]]
        assert len(single) > 10
        for statement, parameters in single:
            found = plan(filled, tx, statement, parameters)
            for table in TABLES:
                assert f"SCAN {table}" not in found, f"{statement}\n{found}"
                assert f"Seq Scan on {table}" not in found, f"{statement}\n{found}"
