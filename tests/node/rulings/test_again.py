"""Rules are asked again about what is archived; nothing is delivered twice by that."""

from node.rulings.again import Again
from tests.node.rulings.test_settler import ROUTE_STUDY, settle
from tests.support.deliveries import NOW
from tests.support.ruled import Ruled
from tests.support.samples import ROOT, ct, mr

ROUTE = """
[[rule]]
name = "one scanner"
when = 'DeviceSerialNumber == "7"'
unknown = "skip"
then = [{ action = "route", to = "PACS" }, { action = "infer", model = "m" }]
"""


def ask(ruled: Ruled):
    with ruled.archive.read() as tx:
        subjects = list(tx.subjects.of_study(ruled.study_row(f"{ROOT}.1")))
    return Again(ruled.archive, ruled.blobs, ruled.book).ask(subjects, "a test")


def test_rules_that_came_later_are_asked(ruled: Ruled):
    ruled.send(ct(1, DeviceSerialNumber="7"), ct(2, DeviceSerialNumber="8"))
    ruled.apply(ROUTE)
    done = ask(ruled)
    assert (done.instances, done.deliveries, done.jobs, done.studies) == (2, 1, 1, 0)
    assert [each.sop_instance_uid for each in ruled.deliveries()] == [f"{ROOT}.1.1.1"]
    with ruled.archive.read() as tx:
        (entry,) = tx.audit.list()
    assert (entry.action, entry.actor) == ("rules.run", "a test")


def test_asking_twice_delivers_once_and_marks_what_is_stale(ruled: Ruled):
    ruled.apply(ROUTE)
    ruled.send(ct(1, DeviceSerialNumber="7"))
    ask(ruled)
    assert len(ruled.deliveries()) == 1
    first, second = ruled.rulings("instance", ruled.row(f"{ROOT}.1.1.1"))
    assert (first.stale_at is None, second.stale_at is None) == (False, True)
    with ruled.archive.read() as tx:
        assert len(tx.jobs.list()) == 1  # it is open still


def test_studies_settle_again(ruled: Ruled):
    ruled.send(ct(1), mr(1))
    ruled.apply(ROUTE_STUDY)
    assert ask(ruled).studies == 1
    settle(ruled)
    assert len(ruled.deliveries()) == 2


def test_without_rules_nothing_is_asked(ruled: Ruled):
    ruled.send(ct(1))
    done = ask(ruled)
    assert (done.instances, done.deliveries, done.studies) == (1, 0, 0)


def test_what_was_discarded_meanwhile_is_not_asked_about(ruled: Ruled):
    ruled.send(ct(1, DeviceSerialNumber="7"), ct(2, DeviceSerialNumber="7"))
    ruled.apply(ROUTE)
    with ruled.archive.read() as tx:
        subjects = list(tx.subjects.of_study(ruled.study_row(f"{ROOT}.1")))
    with ruled.archive.begin() as tx:
        assert tx.discards.discard(subjects[0].place.instance_row, "a test", "a test", NOW)
        tx.commit()
    done = Again(ruled.archive, ruled.blobs, ruled.book).ask(subjects, "a test")
    assert (done.instances, done.deliveries) == (1, 1)
    assert [each.sop_instance_uid for each in ruled.deliveries()] == [subjects[1].sop_instance_uid]
