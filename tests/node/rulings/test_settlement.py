"""One study that settles; how it comes to that is in test_settler."""

from datetime import timedelta

from node.core import clock
from node.rulings.settlement import Settlement
from storage.records.jobs import JobState
from storage.records.rulings import Role, Settling
from tests.support.ruled import Ruled
from tests.support.samples import ROOT, ct, mr

STUDY = f"{ROOT}.1"
RULES = """
[[rule]]
name = "series"
on = "series"
when = 'Modality == "MR"'
requires = ['SeriesNumber == 2']
then = [{ action = "tag", label = "mr" }]
[[rule]]
name = "study"
on = "study"
when = 'study.instances >= 2'
requires = ['Modality == "CT"', 'Modality == "MR"']
then = [{ action = "route", to = "PACS" }, { action = "infer", model = "m" }]
"""


def settlement(ruled: Ruled) -> tuple[Settlement, Settling]:
    with ruled.archive.read() as tx:
        (seen,) = tx.settling.due(clock.now() + timedelta(hours=1), 10)
    return Settlement(ruled.archive, ruled.blobs, ruled.book, seen), seen


def test_it_is_complete_when_all_that_act_have_what_they_require(ruled: Ruled):
    ruled.apply(RULES)
    ruled.send(mr(1))
    assert settlement(ruled)[0].is_complete()  # only the series rule acts, and the series is there
    ruled.send(mr(2))
    assert not settlement(ruled)[0].is_complete()  # now the study rule acts, and there is no CT
    ruled.send(ct(1))
    assert settlement(ruled)[0].is_complete()


def test_without_rules_it_is_never_complete(ruled: Ruled):
    ruled.apply(RULES)
    ruled.send(mr(1))
    with ruled.archive.begin() as tx:
        tx.rulesets.activate(Role.ACTIVE, None, "a test", clock.now())
        tx.commit()
    found, _ = settlement(ruled)
    assert not found.is_complete()
    assert found.carry_out()
    with ruled.archive.read() as tx:
        assert tx.settling.next_due() is None


def test_a_rule_that_requires_nothing_waits_for_quiet(ruled: Ruled):
    ruled.apply(RULES.replace("requires = ['SeriesNumber == 2']\n", ""))
    ruled.send(mr(1))
    assert not settlement(ruled)[0].is_complete()


def test_of_two_one_carries_it_out(ruled: Ruled):
    ruled.apply(RULES)
    ruled.send(mr(1), ct(1))
    first, second = settlement(ruled)[0], settlement(ruled)[0]
    assert first.carry_out()
    assert not second.carry_out()
    assert len(ruled.deliveries()) == 2
    with ruled.archive.read() as tx:
        assert [job.kind for job in tx.jobs.list()] == ["infer"]
        place = tx.subjects.by_uid(f"{STUDY}.2.1").place
        assert tx.labels.of(place) == ("mr",)


def test_what_came_meanwhile_is_not_passed_over(ruled: Ruled):
    ruled.apply(RULES)
    ruled.send(mr(1), ct(1))
    found, _ = settlement(ruled)
    ruled.send(mr(2))
    assert not found.carry_out()
    assert ruled.deliveries() == []
    assert settlement(ruled)[0].carry_out()
    assert len(ruled.deliveries()) == 3


def test_a_late_arrival_lets_a_model_look_again(ruled: Ruled):
    ruled.apply(RULES)
    ruled.send(mr(1), ct(1))
    assert settlement(ruled)[0].carry_out()
    ruled.send(mr(2))
    assert settlement(ruled)[0].carry_out()
    with ruled.archive.read() as tx:
        assert [(job.kind, job.state) for job in tx.jobs.list()] == [("infer", JobState.QUEUED)] * 2


def test_what_a_hold_covers_is_held(ruled: Ruled):
    ruled.apply(
        RULES
        + """
[[rule]]
name = "look"
when = 'Modality == "CT"'
then = [{ action = "hold", reason = "look" }]
"""
    )
    ruled.send(mr(1), ct(1))
    assert settlement(ruled)[0].carry_out()
    assert {each.sop_instance_uid: each.words for each in ruled.deliveries() if each.state == "held"} == {
        f"{STUDY}.1.1": "look"
    }
