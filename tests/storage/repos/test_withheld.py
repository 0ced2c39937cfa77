from storage.archive import Archive
from storage.records.jobs import JobState, NewJob
from tests.support.deliveries import NOW, get, instances, queue


def test_held_deliveries_of_a_study_and_why(archive: Archive) -> None:
    first, second = instances(archive, each=2)
    other = instances(archive, study=2)
    held = queue(archive, [first], held="look at it")
    queue(archive, [second])
    queue(archive, other, held="look at it")
    with archive.begin() as tx:
        assert tx.withheld.deliveries(first.study_row, "something else") == []
        (found,) = tx.withheld.deliveries(first.study_row, "look at it")
        assert found.id == held[0]
        assert (found.instance_row, found.series_row) == (first.instance_row, first.series_row)
        tx.withheld.say_of_deliveries([found.id], "another reason")
        tx.withheld.say_of_deliveries([], "nothing")
        tx.commit()
    assert get(archive, held[0]).words == "another reason"


def test_what_goes_out_keeps_its_words(archive: Archive) -> None:
    number = queue(archive, instances(archive))[0]
    with archive.begin() as tx:
        tx.withheld.say_of_deliveries([number], "held")
        tx.commit()
    assert get(archive, number).words == ""


def test_held_jobs_and_what_they_are_about(archive: Archive) -> None:
    (place,) = instances(archive)
    with archive.begin() as tx:
        tx.jobs.enqueue(NewJob("infer", {"level": "series", "row": place.series_row}, held="why"), NOW)
        tx.jobs.enqueue(NewJob("discard", {"row": place.instance_row}, held="why"), NOW)
        tx.jobs.enqueue(NewJob("scrub", {}, held="why"), NOW)
        tx.jobs.enqueue(NewJob("infer", {"level": "series", "row": place.series_row}), NOW)
        tx.commit()
    with archive.begin() as tx:
        assert tx.withheld.jobs("something else") == []
        one, two = tx.withheld.jobs("why")
        assert (one.level, one.row) == ("series", place.series_row)
        assert (two.level, two.row) == ("instance", place.instance_row)
        tx.withheld.say_of_jobs([one.id], "another")
        tx.withheld.say_of_jobs([], "nothing")
        tx.commit()
    with archive.read() as tx:
        job = tx.jobs.get(one.id)
        assert job is not None
        assert (job.state, job.error) == (JobState.HELD, "another")
