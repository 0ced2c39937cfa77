from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest

from storage.archive import Archive
from storage.records.arrival import Place
from storage.records.jobs import JobState, NewJob, about

NOW = datetime(2026, 3, 1, tzinfo=UTC)
PLACE = Place(instance_row=7, series_row=5, study_row=3)


def enqueue(archive: Archive, kind: str, level: str, row: int, held: str = "") -> int:
    job = NewJob(
        kind, {"level": level, "row": row}, dedupe=about(kind, level, row) + "basic:", held=held
    )  # fmt: skip
    with archive.begin() as tx:
        number = tx.jobs.enqueue(job, NOW)
        tx.commit()
    assert number is not None
    return number


def pending(archive: Archive) -> Sequence[tuple[int, JobState]]:
    with archive.read() as tx:
        return [(job.id, job.state) for job in tx.pending.jobs_of(PLACE)]


@pytest.mark.parametrize(("level", "row"), [("instance", 7), ("series", 5), ("study", 3)])
def test_jobs_of_the_instance_its_series_and_its_study(archive: Archive, level: str, row: int) -> None:
    number = enqueue(archive, "deidentify", level, row)
    assert pending(archive) == [(number, JobState.QUEUED)]


@pytest.mark.parametrize(("level", "row"), [("instance", 70), ("instance", 5), ("series", 7), ("study", 7)])
def test_those_of_others_are_not(archive: Archive, level: str, row: int) -> None:
    enqueue(archive, "deidentify", level, row)
    assert pending(archive) == []


def test_held_and_dead_ones_are_open_ends_and_what_is_done_is_not(archive: Archive) -> None:
    held = enqueue(archive, "deidentify", "study", 3, held="look at it")
    numbers = [enqueue(archive, "infer", "series", 5), enqueue(archive, "infer", "study", 3)]
    with archive.begin() as tx:
        for again_at in (None, NOW):
            job = tx.jobs.claim("w", ["infer"], NOW, NOW + timedelta(hours=1))
            assert job is not None
            if again_at is None:
                tx.jobs.fail(job, "no such model", NOW, None)
            else:
                tx.jobs.finish(job, NOW)
        tx.commit()
    assert pending(archive) == [(held, JobState.HELD), (numbers[0], JobState.DEAD)]


def test_other_kinds_read_nothing(archive: Archive) -> None:
    enqueue(archive, "discard", "instance", 7)
    assert pending(archive) == []
