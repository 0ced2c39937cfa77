from itertools import chain

import pytest
from sqlalchemy import text

from storage.archive import Archive
from storage.errors import StorageError
from storage.sql.streaming import BATCH, FIRST, stream

NUMBERS = {
    "sqlite": "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?) SELECT i FROM n",
    "postgresql": "SELECT i FROM generate_series(1, %s) AS i",
}


@pytest.mark.parametrize("count", [1, FIRST - 1, FIRST, FIRST + 1, FIRST + BATCH, FIRST + 3 * BATCH + 7])
def test_rows_come_in_batches_few_at_first(archive: Archive, count: int) -> None:
    with archive.read() as tx:
        batches = list(stream(tx.connection, NUMBERS[archive.kind], (count,)))
    assert [number for (number,) in chain.from_iterable(batches)] == list(range(1, count + 1))
    assert len(batches[0]) == min(count, FIRST)
    assert all(len(batch) == BATCH for batch in batches[1:-1])


def test_no_rows_are_no_batch(archive: Archive) -> None:
    nothing = f"SELECT * FROM ({NUMBERS[archive.kind]}) AS listed WHERE i < 0"
    with archive.read() as tx:
        assert list(stream(tx.connection, nothing, (5,))) == []


def test_two_can_be_read_by_turns_and_one_given_up(archive: Archive) -> None:
    with archive.read() as tx:
        one, other = (stream(tx.connection, NUMBERS[archive.kind], (1000,)) for _ in range(2))
        assert next(one) == next(other)
        other.close()
        assert sum(map(len, one)) == 1000 - FIRST
        assert tx.connection.execute(text("SELECT 7")).scalar_one() == 7


@pytest.mark.parametrize("sql", ["SELECT * FROM nothing_that_is_there", "SELECT FROM FROM"])
def test_what_the_database_refuses_is_an_error_of_storage(archive: Archive, sql: str) -> None:
    with archive.read() as tx, pytest.raises(StorageError) as told:
        list(stream(tx.connection, sql, ()))
    assert "nothing_that" not in str(told.value) or archive.kind == "sqlite"
