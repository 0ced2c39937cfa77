"""Jobs are found by what they are about, by way of an index."""

from datetime import UTC, datetime, timedelta

from sqlalchemy import text

from storage.archive import Archive
from storage.records.jobs import OPEN, NewJob, about
from storage.records.tables import job
from storage.repos.about import finding, jobs_about

NOW = datetime(2026, 3, 1, tzinfo=UTC)


def enqueue(archive: Archive, *new: NewJob) -> list[int]:
    with archive.begin() as tx:
        numbers = [tx.jobs.enqueue(each, NOW) for each in new]
        tx.commit()
    return [number for number in numbers if number is not None]


def test_they_are_those_of_the_kinds_and_things_that_are_named(archive: Archive) -> None:
    of_row, of_series, _, _ = enqueue(
        archive,
        NewJob("infer", {}, about("infer", "instance", 7) + "lung::"),
        NewJob("infer", {}, about("infer", "series", 7) + "lung::"),
        NewJob("infer", {}, about("infer", "instance", 70) + "lung::"),
        NewJob("discard", {}, about("discard", "instance", 7)),
    )
    with archive.read() as tx:
        found = jobs_about(tx.connection, ["infer"], [("instance", 7), ("series", 7)])
        assert sorted(row["id"] for row in found) == [of_row, of_series]
        queued = jobs_about(tx.connection, ["infer"], [("instance", 7)], job.c.state == "queued")
        assert [row["id"] for row in queued] == [of_row]
        done = jobs_about(tx.connection, ["infer"], [("instance", 7)], job.c.state == "done")
        assert list(done) == []


def test_more_things_than_fit_into_a_statement(archive: Archive) -> None:
    numbers = enqueue(
        archive, *(NewJob("infer", {}, about("infer", "instance", row)) for row in range(1, 151))
    )
    with archive.read() as tx:
        things = [("instance", row) for row in range(1, 151)]
        found = jobs_about(tx.connection, ["deidentify", "infer", "discard"], things)
        assert sorted(row["id"] for row in found) == numbers


def test_the_others_are_not_read(archive: Archive) -> None:
    with archive.begin() as tx:
        rows = [_row(number) for number in range(20_000)]
        tx.connection.execute(job.insert(), rows)
        tx.commit()
    with archive.begin() as tx:
        if tx.connection.dialect.name == "postgresql":
            tx.connection.exec_driver_sql("ANALYZE job")
        prefixes = [about("discard", "instance", 77), about("infer", "instance", 77)]
        for more in ((), (text(OPEN),), (job.c.state == "queued",)):
            query = finding(prefixes, *more)
            sql = str(query.compile(tx.connection, compile_kwargs={"literal_binds": True}))
            explain = "EXPLAIN " if tx.connection.dialect.name == "postgresql" else "EXPLAIN QUERY PLAN "
            plan = "\n".join(str(row) for row in tx.connection.exec_driver_sql(explain + sql))
            assert "ix_job_about" in plan or "uq_job_open" in plan, plan
            assert "SCAN job" not in plan, plan
            assert "Seq Scan" not in plan, plan


def _row(number: int) -> dict[str, object]:
    return {
        "kind": "discard",
        "payload": {"row": number},
        "dedupe": about("discard", "instance", number),
        "state": "queued" if number % 2 else "done",
        "priority": 50,
        "run_after": NOW,
        "attempts": 0,
        "failures": 0,
        "max_failures": 10,
        "created_at": NOW,
        "finished_at": None if number % 2 else NOW + timedelta(hours=1),
    }
