"""Actions become deliveries, jobs, labels and holds; nothing that is held goes out."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from node.rulings.orders import About, Content, orders
from rules.actions import Action, Assign, Deidentify, Discard, Hold, Infer, Route, Tag
from rules.planning import Planned
from storage.records.arrival import Place

NOW = datetime(2024, 3, 1, 12, tzinfo=UTC)
ONE = About("instance", 7, 3, (Content(Place(7, 5, 3), 12),))
STUDY = About(
    "study",
    3,
    3,
    (Content(Place(7, 5, 3), 12), Content(Place(8, 5, 3), 13), Content(Place(9, 6, 3), 1)),
    generation="1709290800000",
)


def planned(action: Action, **how: object) -> Planned:
    return Planned(action, ("a rule",), **({"priority": 50} | how))  # type: ignore[arg-type]


def test_a_route_becomes_a_delivery_of_the_instance():
    (found,) = orders([planned(Route(("PACS",), "PACS2"), priority=10)], ONE, NOW).deliveries
    assert (found.instance_row, found.series_row, found.study_row, found.instance_number) == (7, 5, 3, 12)
    assert (found.destination, found.alternate, found.priority) == ("PACS", "PACS2", 10)
    assert (found.rules, found.held, found.due, found.queued_at) == (("a rule",), "", None, NOW)


def test_a_route_of_a_study_delivers_everything_in_it():
    found = orders([planned(Route(("PACS",)))], STUDY, NOW).deliveries
    assert [each.instance_row for each in found] == [7, 8, 9]


def test_a_closed_window_puts_the_work_off():
    later = NOW + timedelta(hours=10)
    found = orders(
        [planned(Route(("PACS",)), not_before=later), planned(Infer("lung"), not_before=later)], ONE, NOW
    )
    assert found.deliveries[0].due == later
    assert found.jobs[0].run_after == later


def test_what_a_rule_holds_waits_with_its_reason():
    actions = [planned(each, held="unknown") for each in (Route(("PACS",)), Infer("lung"), Discard("old"))]
    found = orders(actions, ONE, NOW)
    assert [each.held for each in found.deliveries] == ["unknown"]
    assert [each.held for each in found.jobs] == ["unknown", "unknown"]


def test_an_open_hold_holds_back_only_what_it_is_on():
    held = About("study", 3, 3, STUDY.contents, held={8: "look first"})
    found = orders([planned(Route(("PACS",))), planned(Discard("old")), planned(Infer("m"))], held, NOW)
    assert [each.held for each in found.deliveries] == ["", "look first", ""]
    by_kind = {(job.kind, job.payload.get("row")): job.held for job in found.jobs}
    assert by_kind == {
        ("discard", 7): "",
        ("discard", 8): "look first",
        ("discard", 9): "",
        ("infer", 3): "look first",
    }


def test_labels_and_assignments_are_given_by_those_who_know():
    found = orders([planned(Tag("thin")), planned(Assign("North", "dr-a", "stat"))], STUDY, NOW)
    assert [(each.level, each.row, each.label, each.author) for each in found.labels] == [
        ("study", 3, "thin", "a rule")
    ]
    (given,) = found.assignments
    assert (given.study_row, given.centre, given.reader, given.urgency) == (3, "North", "dr-a", "stat")
    nothing = orders([planned(Tag("thin"), held="?"), planned(Assign("North"), held="?")], STUDY, NOW)
    assert (nothing.labels, nothing.assignments) == ([], [])


def test_a_hold_of_a_rule_that_could_not_decide_holds_nobody():
    assert orders([planned(Hold("thin"), held="rule r is unknown: no SliceThickness")], ONE, NOW).holds == []


def test_a_hold_is_put_on_what_was_decided_on():
    (hold,) = orders([planned(Hold("uploaded"))], STUDY, NOW).holds
    assert (hold.level, hold.row, hold.study_row, hold.reason, hold.author) == (
        "study",
        3,
        3,
        "uploaded",
        "a rule",
    )


def test_a_copy_is_made_once_for_each_state_of_a_study():
    action = Deidentify("basic", ("RESEARCH",), keep=True)
    first = orders([planned(action)], STUDY, NOW).jobs[0]
    later = About("study", 3, 3, STUDY.contents, generation="1709290899999")
    second = orders([planned(action)], later, NOW).jobs[0]
    assert (
        first.payload
        == second.payload
        == {
            "level": "study",
            "row": 3,
            "rules": ["a rule"],
            "profile": "basic",
            "to": ["RESEARCH"],
            "alternate": "",
            "keep": True,
            "priority": 50,
        }
    )
    assert first.dedupe != second.dedupe
    assert orders([planned(action)], STUDY, NOW).jobs[0].dedupe == first.dedupe


def test_what_waits_for_something_else_is_a_job_of_its_own():
    action = Deidentify("basic", ("RESEARCH",))
    ways = [{}, {"held": "unknown"}, {"not_before": NOW + timedelta(hours=1)}]
    found = orders([planned(action, **how) for how in ways], ONE, NOW).jobs
    assert len({job.dedupe for job in found}) == 3


ACTIONS = st.sampled_from(
    [
        Route(("A",)),
        Route(("A", "B"), "C"),
        Deidentify("basic", keep=True),
        Infer("m"),
        Discard("old"),
        Tag("x"),
    ]
)


@given(st.lists(st.tuples(ACTIONS, st.sampled_from(["", "why"]))), st.sampled_from(["", "open hold"]))
def test_nothing_held_is_free_to_go(asked: list[tuple[Action, str]], hold: str):
    about = About(
        "study", 3, 3, STUDY.contents, held={each.place.instance_row: hold for each in STUDY.contents}
    )
    found = orders([planned(action, held=held) for action, held in asked], about, NOW)
    free = [each for each in [*found.deliveries, *found.jobs] if not each.held]
    expected = [action for action, held in asked if not (held or hold) and not isinstance(action, Tag)]
    assert bool(free) == bool(expected)
