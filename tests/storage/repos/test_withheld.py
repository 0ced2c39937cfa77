from datetime import timedelta

import pytest

from storage.archive import Archive
from storage.records.deliveries import DeliveryState
from storage.records.jobs import JobState, NewJob, about
from storage.records.rulings import Held
from tests.support.deliveries import NOW, W1, claim, finish, get, instances, lease, queue, waiting


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


@pytest.mark.parametrize(("level", "held"), [("instance", 1), ("series", 2), ("study", 3)])
def test_a_hold_takes_back_what_is_queued_and_has_not_begun(archive: Archive, level: str, held: int) -> None:
    first, second = instances(archive, each=2)
    third = instances(archive, series=2)[0]
    other = instances(archive, study=2)[0]
    queue(archive, [first, second, third, other])
    row = {"instance": first.instance_row, "series": first.series_row, "study": first.study_row}[level]
    hold = Held(level, row, first.study_row, "look", "a rule", NOW)
    things = [("instance", first.instance_row), ("series", first.series_row), ("study", first.study_row)]
    with archive.begin() as tx:
        for what, number in things:
            tx.jobs.enqueue(
                NewJob("infer", {"level": what, "row": number}, about("infer", what, number)), NOW
            )
        kept = about("discard", "instance", other.instance_row)
        tx.jobs.enqueue(NewJob("discard", {"row": other.instance_row}, kept), NOW)
        tx.jobs.enqueue(NewJob("scrub"), NOW)
        assert tx.withheld.withhold(hold) == 2 * held
        assert tx.withheld.withhold(hold) == 0
        tx.commit()
    with archive.begin() as tx:
        found = tx.withheld.deliveries(first.study_row, "look")
        assert len(found) == held
        assert {each.level for each in tx.withheld.jobs("look")} == {what for what, _ in things[:held]}


def test_what_is_taken_back_keeps_its_attempts_and_its_time(archive: Archive) -> None:
    failed, planned = instances(archive, each=2)
    (first,) = queue(archive, [failed])
    home = lease(archive)
    (parcel,) = claim(archive, home.id)
    finish(archive, [waiting(parcel, NOW + timedelta(minutes=1))])
    tonight = NOW + timedelta(hours=9)
    (second,) = queue(archive, [planned], due=tonight)
    with archive.begin() as tx:
        assert tx.withheld.withhold(Held("study", failed.study_row, failed.study_row, "look", "r", NOW)) == 2
        tx.commit()
    with archive.read() as tx:
        (attempt,) = tx.ledger.attempts(first)
    assert (attempt.status, attempt.words) == (0xA700, "out of resources")
    assert (get(archive, first).words, get(archive, first).status) == ("look", None)
    with archive.begin() as tx:
        tx.ledger.release(ids=[first, second], at=NOW + timedelta(hours=1))
        tx.commit()
    assert get(archive, first).state is DeliveryState.QUEUED
    assert (get(archive, second).state, get(archive, second).due) == (DeliveryState.WAITING, tonight)


def test_what_is_on_its_way_is_not_taken_back(archive: Archive) -> None:
    (place,) = instances(archive)
    queue(archive, [place])
    home = lease(archive)
    with archive.begin() as tx:
        assert tx.deliveries.claim(home.id, W1, NOW, 10, ())
        assert tx.withheld.withhold(Held("study", place.study_row, place.study_row, "look", "r", NOW)) == 0
