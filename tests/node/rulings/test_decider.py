"""Decisions are made and kept with the arrival, and nothing about rules makes an arrival fail."""

from dataclasses import replace
from datetime import timedelta
from typing import Any
from unittest.mock import patch

import pytest

from node.rulings import decider, sitting
from node.services.ingest import Outcome
from rules.decisions import Decided
from rules.ruleset import RuleSet
from storage.records.arrival import Origin, Verdict, Way
from storage.records.deliveries import DeliveryState
from storage.records.jobs import JobState
from storage.records.rulings import Label, Role
from tests.support.ruled import Ruled
from tests.support.samples import ct, mr

ROUTE = """
[[rule]]
name = "CT to the archive"
when = 'Modality == "CT"'
then = [{ action = "route", to = "PACS" }]
"""
UNKNOWN = """
[[rule]]
name = "by department"
when = 'DeviceSerialNumber == "B60f"'
then = [{ action = "route", to = "PACS" }]
"""


def stored(outcomes: list[Outcome]) -> list[str]:
    assert [each.verdict for each in outcomes] == [Verdict.STORED] * len(outcomes)
    return [each.sop_instance_uid for each in outcomes]


def test_without_rules_nothing_is_written(ruled: Ruled):
    (uid,) = stored(ruled.send(ct(1)))
    assert ruled.rulings("instance", ruled.row(uid)) == []
    assert ruled.deliveries() == []


def test_a_rule_that_fires_queues_a_delivery_and_says_why(ruled: Ruled):
    revision = ruled.apply(ROUTE)
    first, second = stored(ruled.send(ct(1), mr(1)))
    (sent,) = ruled.deliveries()
    assert (sent.sop_instance_uid, sent.destination, sent.state) == (first, "PACS", DeliveryState.QUEUED)
    assert sent.rules == ("CT to the archive",)
    (why,) = ruled.rulings("instance", ruled.row(first))
    assert (why.revision, why.role, why.seen["Modality"]) == (revision, Role.ACTIVE, "CT")
    assert [(each["rule"], each["outcome"]) for each in why.outcomes] == [("CT to the archive", "fired")]
    (not_fired,) = ruled.rulings("instance", ruled.row(second))
    assert (not_fired.outcomes, not_fired.seen["Modality"]) == ([], "MR")


def test_a_duplicate_is_not_decided_on_again(ruled: Ruled):
    ruled.apply(ROUTE)
    (uid,) = stored(ruled.send(ct(1)))
    assert [each.verdict for each in ruled.send(ct(1))] == [Verdict.DUPLICATE]
    assert len(ruled.rulings("instance", ruled.row(uid))) == len(ruled.deliveries()) == 1


def test_unknown_holds_the_delivery_for_a_person(ruled: Ruled):
    ruled.apply(UNKNOWN)
    stored(ruled.send(ct(1)))
    (held,) = ruled.deliveries()
    assert held.state is DeliveryState.HELD
    assert "by department" in held.words
    assert "DeviceSerialNumber" in held.words


def test_what_is_not_indexed_is_read_when_a_rule_asks(ruled: Ruled):
    ruled.apply(UNKNOWN)
    assert ruled.book.wants().needs.tags == {0x00181000: "DeviceSerialNumber"}
    stored(ruled.send(ct(1, DeviceSerialNumber="B60f"), ct(2, DeviceSerialNumber="B30f")))
    assert [each.state for each in ruled.deliveries()] == [DeliveryState.QUEUED]


def test_rules_that_change_while_an_instance_comes_in_see_what_they_want(ruled: Ruled):
    ruled.book.wants()  # nothing yet, and taken for granted for a second
    ruled.apply(UNKNOWN)
    stored(ruled.send(ct(1, DeviceSerialNumber="B60f")))
    assert [each.state for each in ruled.deliveries()] == [DeliveryState.QUEUED]


def test_a_new_revision_decides_from_its_moment_on(ruled: Ruled):
    ruled.apply(ROUTE)
    stored(ruled.send(ct(1)))
    ruled.apply(ROUTE.replace('"PACS"', '"OTHER"'))
    stored(ruled.send(ct(2)))
    assert [each.destination for each in ruled.deliveries()] == ["PACS", "OTHER"]
    with ruled.archive.begin() as tx:
        tx.rulesets.activate(Role.ACTIVE, None, "a test", decider.clock.now())
        tx.commit()
    stored(ruled.send(ct(3)))
    assert len(ruled.deliveries()) == 2


def test_the_shadow_only_records(ruled: Ruled):
    ruled.apply(ROUTE)
    ruled.apply(ROUTE.replace('"PACS"', '"OTHER"'), Role.SHADOW)
    (uid,) = stored(ruled.send(ct(1)))
    assert [each.destination for each in ruled.deliveries()] == ["PACS"]
    assert [each.role for each in ruled.rulings("instance", ruled.row(uid))] == [Role.ACTIVE, Role.SHADOW]


def test_nothing_goes_back_to_where_it_came_from(ruled: Ruled):
    ruled.peer("PACS", "PACS_AE")
    ruled.apply(ROUTE.replace('"CT"\'', '"CT" and origin.way != "import"\''))  # copies too
    came_from = Origin(Way.DIMSE, "PACS_AE", "ISOCENTRE", "10.0.0.9")
    been = Origin(Way.DERIVED, path=("PACS_AE", "deidentify:basic"))
    first, second = stored([*ruled.send(ct(1), origin=came_from), *ruled.send(ct(2), origin=been)])
    assert ruled.deliveries() == []
    for uid in (first, second):
        (why,) = ruled.rulings("instance", ruled.row(uid))
        assert why.outcomes[0]["dropped"][0]["peer"] == "PACS"


def test_labels_of_the_study_are_seen_by_what_comes_later(ruled: Ruled):
    ruled.apply(
        """
[[rule]]
name = "thin"
when = 'SliceThickness <= 1'
then = [{ action = "tag", label = "thin" }]
[[rule]]
name = "labelled"
when = '"research" in labels'
then = [{ action = "route", to = "RESEARCH" }]
"""
    )
    (uid,) = stored(ruled.send(ct(1)))
    with ruled.archive.begin() as tx:
        place = tx.subjects.by_uid(uid).place
        assert tx.labels.of(place) == ("thin",)
        tx.labels.add(
            Label("study", place.study_row, place.study_row, "research", "dr-a", decider.clock.now())
        )
        tx.commit()
    stored(ruled.send(ct(2)))
    assert [each.destination for each in ruled.deliveries()] == ["RESEARCH"]


def test_a_hold_holds_back_what_comes_after_it_too(ruled: Ruled):
    ruled.apply(
        """
[[rule]]
name = "look"
when = 'InstanceNumber == 1'
then = [{ action = "hold", reason = "look first" }]
"""
        + ROUTE
    )
    (uid,) = stored(ruled.send(ct(1)))
    (held,) = ruled.deliveries()
    assert (held.state, held.words) == (DeliveryState.HELD, "look first")
    with ruled.archive.begin() as tx:
        study_row = tx.subjects.by_uid(uid).place.study_row
        (hold,) = tx.holds.open_for(study_row)
        assert (hold.level, hold.reason, hold.author) == ("instance", "look first", "look")
        tx.holds.add(replace(hold, level="study", row=study_row, reason="the whole study"))
        tx.commit()
    stored(ruled.send(ct(2)))
    assert [(each.state, each.words) for each in ruled.deliveries()][1] == (
        DeliveryState.HELD,
        "the whole study",
    )


def test_jobs_are_queued_with_the_arrival(ruled: Ruled):
    ruled.apply(
        """
[[rule]]
name = "copy"
when = 'Modality == "CT"'
then = [
  { action = "deidentify", profile = "basic", to = ["RESEARCH"] },
  { action = "discard", reason = "copied" },
]
"""
    )
    (uid,) = stored(ruled.send(ct(1)))
    with ruled.archive.read() as tx:
        jobs = sorted(tx.jobs.list(), key=lambda job: job.id)
    assert [(job.kind, job.state) for job in jobs] == [
        ("deidentify", JobState.QUEUED),
        ("discard", JobState.QUEUED),
    ]
    row = ruled.row(uid)
    assert jobs[0].payload["row"] == jobs[1].payload["row"] == row


def test_a_closed_window_makes_the_delivery_wait(ruled: Ruled):
    now = decider.clock.now().astimezone()
    opens, closes = now + timedelta(hours=2), now + timedelta(hours=3)
    ruled.apply(ROUTE + f'window = {{ hours = "{opens:%H:00}-{closes:%H:00}" }}\n')
    stored(ruled.send(ct(1)))
    (waiting,) = ruled.deliveries()
    assert waiting.state is DeliveryState.WAITING
    assert waiting.due is not None
    assert waiting.due > now


@pytest.mark.parametrize("broken", ["rules.decisions.answer", "node.rulings.decider.of_arrival"])
def test_an_instance_is_kept_and_held_when_rules_break(ruled: Ruled, broken: str):
    ruled.apply(ROUTE)
    with patch(broken, side_effect=ZeroDivisionError):  # a fault of ours, which cannot be had otherwise
        (uid,) = stored(ruled.send(ct(1)))
    with ruled.archive.read() as tx:
        (hold,) = tx.holds.open_for(tx.subjects.by_uid(uid).place.study_row)
    assert "the rules could not be asked: ZeroDivisionError" in hold.reason
    assert ruled.deliveries() == []


def test_a_revision_that_cannot_be_read_any_more_holds_too(ruled: Ruled):
    ruled.apply(ROUTE)
    with patch.object(RuleSet, "from_plain", side_effect=ValueError):
        (uid,) = stored(ruled.send(ct(1)))
    with ruled.archive.read() as tx:
        assert tx.holds.open_for(tx.subjects.by_uid(uid).place.study_row)


def test_a_shadow_that_cannot_be_read_any_more_harms_nothing(ruled: Ruled):
    ruled.apply(ROUTE)
    ruled.send(ct(1))
    ruled.apply(ROUTE.replace('"PACS"', '"OTHER"'), Role.SHADOW)
    with patch.object(RuleSet, "from_plain", side_effect=ValueError):
        (uid,) = stored(ruled.send(ct(2)))
    assert [each.state for each in ruled.deliveries()] == [DeliveryState.QUEUED] * 2
    with ruled.archive.read() as tx:
        assert not tx.holds.list()
    assert [each.role for each in ruled.rulings("instance", ruled.row(uid))] == [Role.ACTIVE]


def test_a_shadow_that_fails_harms_nothing(ruled: Ruled):
    active = ruled.apply(ROUTE)
    ruled.apply(ROUTE.replace('"PACS"', '"OTHER"'), Role.SHADOW)
    decide = sitting.decide

    def fails(ruleset: RuleSet, *rest: Any) -> Decided:
        if "OTHER" in str(ruleset.plain()):
            raise ZeroDivisionError
        return decide(ruleset, *rest)

    with patch("node.rulings.sitting.decide", fails):  # a fault of ours, which cannot be had otherwise
        (uid,) = stored(ruled.send(ct(1)))
    assert [each.state for each in ruled.deliveries()] == [DeliveryState.QUEUED]
    assert [each.revision for each in ruled.rulings("instance", ruled.row(uid))] == [active]
    with ruled.archive.read() as tx:
        assert not tx.holds.list()
