"""What is kept of decisions, and which holds cover what."""

from datetime import UTC, datetime, timedelta, timezone

import pytest

from node.rulings.book import InForce
from node.rulings.orders import About, Content, orders
from node.rulings.saving import open_holds, ruling, save
from rules.actions import Assign, Deidentify, Hold, Route, Tag
from rules.decisions import decide
from rules.facts import Facts
from rules.planning import Planned
from rules.ruleset import Rule, RuleSet
from storage.records.arrival import Place
from storage.records.rulings import Held, Role
from tests.support.ruled import Ruled
from tests.support.samples import ct

NOW = datetime(2024, 3, 1, 22, 30, tzinfo=UTC)


def test_a_ruling_keeps_what_it_takes_to_explain_it():
    ruleset = RuleSet(
        (
            Rule("evening", "time.hour == 23", (Tag("late"),)),
            Rule("MR", 'Modality == "MR"', (Tag("mr"),)),
            Rule("thick", "SliceThickness > 3", (Tag("thick"),)),
        )
    )
    one = InForce(Role.SHADOW, 7, ruleset, ruleset.needs())
    there = NOW.astimezone(timezone(timedelta(hours=1)))
    kept = ruling(decide(ruleset, Facts({"Modality": "CT"}), there), one, "instance", 3, NOW)
    assert (kept.level, kept.row, kept.role, kept.revision, kept.at, kept.local) == (
        "instance",
        3,
        Role.SHADOW,
        7,
        NOW,
        60,
    )
    assert [(each["rule"], each["outcome"]) for each in kept.outcomes] == [
        ("evening", "fired"),
        ("thick", "unknown"),
    ]
    assert kept.seen == {"Modality": "CT"}
    # And again, from what was kept alone.
    local = kept.at.astimezone(timezone(timedelta(minutes=kept.local)))
    again = decide(ruleset, Facts.from_plain(kept.seen), local)
    assert [each.plain() for each in again.decisions if each.outcome != "not fired"] == list(kept.outcomes)


@pytest.mark.parametrize(
    ("level", "row", "held"),
    [("instance", "instance_row", 1), ("series", "series_row", 2), ("study", "study_row", 3)],
)
def test_a_hold_covers_what_is_in_it(ruled: Ruled, level: str, row: str, held: int):
    ruled.send(ct(1), ct(2), ct(1, series=2), ct(1, study=2))
    with ruled.archive.begin() as tx:
        places = [
            tx.subjects.by_uid(f"2.25.4711.{uid}").place for uid in ("1.1.1", "1.1.2", "1.2.1", "2.1.1")
        ]
        first = places[0]
        tx.holds.add(Held(level, getattr(first, row), first.study_row, "look", "a test", NOW))
        assert len(open_holds(tx, places)) == held
        (hold,) = tx.holds.open_for(first.study_row)
        tx.holds.release(hold.id, "a test", NOW)
        assert open_holds(tx, places) == {}


def test_everything_is_saved_in_one_transaction(ruled: Ruled):
    (outcome,) = ruled.send(ct(1))
    with ruled.archive.begin() as tx:
        place: Place = tx.subjects.by_uid(outcome.sop_instance_uid).place
        about = About("instance", place.instance_row, place.study_row, (Content(place, 1),))
        actions = (Route(("PACS",)), Deidentify("basic", keep=True), Tag("x"), Assign("North"), Hold("look"))
        found = orders([Planned(action, ("r",), 50) for action in actions], about, NOW)
        save(tx, [], found, NOW)
    assert ruled.deliveries() == []  # it was not committed
    with ruled.archive.begin() as tx:
        save(tx, [], found, NOW)
        tx.commit()
    with ruled.archive.read() as tx:
        assert [each.destination for each in tx.ledger.list()] == ["PACS"]
        assert [job.kind for job in tx.jobs.list()] == ["deidentify"]
        assert tx.labels.of(place) == ("x",)
        assert tx.assignments.of(place.study_row).centre == "North"
        assert [each.reason for each in tx.holds.open_for(place.study_row)] == ["look"]
