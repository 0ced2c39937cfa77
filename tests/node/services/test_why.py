"""What `why` tells is what was decided, and what was carried out."""

from datetime import UTC, datetime, timedelta

import pytest

from node.core import clock
from node.core.errors import UserError
from node.services.effects import actions_of
from node.services.why import Story, StudyStory, tell
from storage.records.arrival import Origin, Way
from storage.records.deliveries import DeliveryState, Result
from storage.records.history import Quarantined
from storage.records.rulings import Role
from tests.node.rulings.test_settler import settle
from tests.support.arrivals import NOW
from tests.support.ruled import Ruled
from tests.support.samples import ROOT, ct, mr

STUDY = f"{ROOT}.1"
FIRST = f"{STUDY}.1.1"
RULES = """
[[rule]]
name = "CT"
when = 'Modality == "CT" and Rows > 5'
then = [{ action = "route", to = "PACS", alternate = "WEB" }, { action = "tag", label = "seen" }]

[[rule]]
name = "serial"
when = 'DeviceSerialNumber == "B60f"'
then = [{ action = "route", to = "LAB" }]

[[rule]]
name = "MR"
when = 'Modality == "MR"'
then = [{ action = "infer", model = "brain" }]

[[rule]]
name = "by night"
on = "series"
when = "series.instances > 0"
window = { hours = "03:00-03:01", weekdays = ["Monday"] }
then = [{ action = "route", to = "NIGHT" }]

[[rule]]
name = "study"
on = "study"
when = "study.complete"
then = [{ action = "assign", centre = "North", urgency = "stat" }, { action = "hold", reason = "look" }]
stop = true

[[rule]]
name = "never"
on = "study"
when = "study.complete"
then = [{ action = "tag", label = "never" }]
"""


def story(ruled: Ruled, uid: str) -> Story:
    (found,) = tell(ruled.archive, uid)  # type: ignore[misc]
    assert isinstance(found, Story)
    return found


def study(ruled: Ruled, uid: str = STUDY) -> StudyStory:
    found = tell(ruled.archive, uid)
    assert isinstance(found, StudyStory)
    return found


def test_an_instance_is_told_from_its_arrival_to_its_deliveries(ruled: Ruled):
    revision = ruled.apply(RULES)
    ruled.send(ct(1))
    found = story(ruled, FIRST)
    (came,) = found.arrivals
    assert (came.verdict, came.origin.way) == ("stored", Way.DIMSE)
    (ruling,) = found.rulings
    assert (ruling.level, ruling.revision, ruling.author, ruling.uid) == (
        "instance",
        revision,
        "a test",
        FIRST,
    )
    assert {rule.rule: rule.outcome for rule in ruling.rules} == {
        "CT": "fired",
        "serial": "unknown",
        "MR": "not fired",
    }
    fired, unknown, not_fired = ruling.rules
    assert fired.trace is not None
    assert [part["values"] for part in fired.trace["parts"]] == [{"Modality": "CT"}, {"Rows": 16}]
    assert unknown.reason == "DeviceSerialNumber is missing"
    assert not_fired.trace is not None
    assert (not_fired.trace["result"], not_fired.trace["values"]) == (False, {"Modality": "CT"})
    assert found.labels == ("seen",)
    assert {each.delivery.destination: each.delivery.state for each in found.deliveries} == {
        "PACS": DeliveryState.QUEUED,
        "LAB": DeliveryState.HELD,
    }
    assert found.settling is not None
    assert found.active == revision


def test_what_is_told_is_what_was_decided_and_carried_out(ruled: Ruled):
    ruled.apply(RULES)
    ruled.apply(RULES.replace('to = "PACS"', 'to = "OTHER"'), Role.SHADOW)
    ruled.send(ct(1), ct(2, DeviceSerialNumber="B60f"), mr(1, DeviceSerialNumber="x"))
    settle(ruled)
    for number in (1, 2):
        _agrees(ruled, f"{STUDY}.1.{number}")
    _agrees(ruled, f"{STUDY}.2.1")


def _agrees(ruled: Ruled, uid: str) -> None:
    found = story(ruled, uid)
    with ruled.archive.read() as tx:
        subject = tx.subjects.by_uid(uid)
        assert subject is not None
        place = subject.place
        rows = {"instance": place.instance_row, "series": place.series_row, "study": place.study_row}
        kept = [each for level, row in rows.items() for each in tx.rulings.of(level, row)]
    assert len(found.rulings) == len(kept) == 6  # three levels, active and shadow
    asked: dict[str, tuple[str, ...]] = {}
    for account, ruling in zip(found.rulings, sorted(kept, key=lambda each: each.id), strict=True):
        assert (account.level, account.role, account.problem) == (ruling.level, str(ruling.role), "")
        told = {rule.rule: (rule.outcome, rule.reason, [*rule.actions]) for rule in account.rules}
        for outcome in ruling.outcomes:
            expected = (outcome["outcome"], outcome.get("reason", ""), [*outcome.get("actions", ())])
            assert told.pop(outcome["rule"]) == expected
        assert {outcome for outcome, _, _ in told.values()} <= {"not fired"}
        for rule in account.rules:
            assert rule.doubt == ""
            if rule.trace is None:
                assert rule.outcome == "stopped"
            else:
                expected = {True: {"fired", "outside window"}, False: {"not fired"}, None: {"unknown"}}
                assert rule.outcome in expected[rule.trace["result"]]
        if account.role == "active":
            recorded = [{"actions": rule.actions} for rule in account.rules]
            for planned in actions_of(recorded):
                for peer in getattr(planned.action, "to", ()):
                    asked[peer] = planned.rules
    assert {each.delivery.destination: each.delivery.rules for each in found.deliveries} == asked


def test_every_attempt_is_told(ruled: Ruled):
    ruled.apply(RULES)
    ruled.send(ct(1))
    words = "out of resources (0xA700)"
    with ruled.archive.begin() as tx:
        row = tx.destinations.of("PACS")
        at = clock.now()
        tx.destinations.lease("w", at, at + timedelta(minutes=5), 10)
        for state, status, said in (
            (DeliveryState.WAITING, 0xA700, words),
            (DeliveryState.DELIVERED, 0, "success"),
        ):
            (parcel,) = tx.deliveries.claim(row, "w", clock.now(), 1, ())
            due = clock.now() if state is DeliveryState.WAITING else None
            result = Result(parcel, state, clock.now(), status, said, due=due, failed=due is not None)
            assert not tx.deliveries.finish("w", [result], commitment=True)
            tx.deliveries.promote(row, clock.now())
        tx.commit()
    _, pacs = sorted(story(ruled, FIRST).deliveries, key=lambda each: each.delivery.destination)
    assert pacs.delivery.state is DeliveryState.DELIVERED
    assert [(each.number, each.status, each.words) for each in pacs.attempts] == [
        (1, 0xA700, words),
        (2, 0, "success"),
    ]
    assert pacs.delivery.committed == "due"
    assert study(ruled).deliveries == {"PACS": {"delivered": 1}, "LAB": {"held": 1}}


def test_a_study_is_told_in_sums(ruled: Ruled):
    revision = ruled.apply(RULES)
    ruled.send(ct(1), ct(2), mr(1))
    settle(ruled)
    found = study(ruled)
    assert (found.instances, found.series, found.modalities) == (3, 2, ("CT", "MR"))
    sums = {(each.rule, each.outcome): (each.instances, each.example) for each in found.sums}
    assert sums == {
        ("CT", "fired"): (2, FIRST),
        ("serial", "unknown"): (3, FIRST),
        ("MR", "fired"): (1, f"{STUDY}.2.1"),
    }
    assert [each.level for each in found.rulings] == ["series", "series", "study"]
    assert found.rulings[-1].revision == revision
    assert found.assignment is not None
    assert (found.assignment.centre, found.assignment.urgency) == ("North", "stat")
    (held,) = found.holds
    assert (held.level, held.reason, held.released_at) == ("study", "look", None)
    assert {each.label for each in found.labels} == {"seen"}
    assert found.deliveries["NIGHT"] == {"held": 3}  # by the hold on the study
    assert len(found.undelivered) == 8
    assert found.jobs == []  # those of an instance are told with it
    assert [job.kind for job in story(ruled, f"{STUDY}.2.1").jobs] == ["infer"]
    assert found.settling is None


def test_what_came_late_makes_what_was_decided_stale(ruled: Ruled):
    ruled.apply(RULES)
    ruled.send(ct(1))
    settle(ruled)
    ruled.send(ct(2))
    settle(ruled)
    by_study = [each for each in study(ruled).rulings if each.level == "study"]
    assert [each.stale_at is None for each in by_study] == [False, True]


def test_without_rules_it_says_so(ruled: Ruled):
    ruled.send(ct(1))
    found = story(ruled, FIRST)
    assert (found.active, found.rulings, found.deliveries) == (None, [], [])


def test_an_unknown_uid_is_answered_with_advice(ruled: Ruled):
    with pytest.raises(UserError, match="no instance or study of this UID"):
        tell(ruled.archive, "1.2.3")
    ruled.send(ct(1))
    with pytest.raises(UserError, match=f"that is a series; .* isocentre why {STUDY}$"):
        tell(ruled.archive, f"{STUDY}.1")
    with ruled.archive.begin() as tx:
        origin = Origin(Way.DIMSE, "CT1")
        tx.quarantine.add(Quarantined("k", 4, "d", "cut off", origin, NOW, sop_instance_uid="1.2.9"))
        tx.commit()
    with pytest.raises(UserError, match=r"refused at 2026-03-01 12:00:00Z when it came from CT1: cut off"):
        tell(ruled.archive, "1.2.9")


def test_an_instance_that_was_discarded_is_told(ruled: Ruled):
    ruled.apply(RULES)
    ruled.send(ct(1), ct(2))
    at = datetime(2026, 3, 2, tzinfo=UTC)
    with ruled.archive.begin() as tx:
        assert tx.discards.discard(ruled.row(FIRST), "localizer", "CT", at) is not None
        tx.commit()
    found = story(ruled, FIRST)
    assert found.gone is not None
    assert (found.gone.reason, found.gone.at) == ("localizer", at)
    (ruling,) = found.rulings
    assert [rule.outcome for rule in ruling.rules] == ["fired", "unknown", "not fired"]
    assert len(found.deliveries) == 2
    assert [each.sop_instance_uid for each in study(ruled).gone] == [FIRST]
    ruled.send(ct(1))  # and it came again
    stories = tell(ruled.archive, FIRST)
    assert isinstance(stories, list)
    assert [each.gone is None for each in stories] == [False, True]
    with ruled.archive.begin() as tx:
        for uid in (FIRST, f"{STUDY}.1.2"):
            tx.discards.discard(ruled.row(uid), "all", "CT", at)
        tx.commit()
    with pytest.raises(UserError, match="all 3 instances of this study were discarded"):
        tell(ruled.archive, STUDY)
