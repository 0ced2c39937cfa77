from datetime import datetime

from hypothesis import given
from hypothesis import strategies as st

from node.services.effects import Comparison, Effects, Unit, actions_of, collect, holds, planned_of, withhold
from rules.actions import Assign, Deidentify, Discard, Hold, Infer, Route, Tag
from rules.decisions import decide
from rules.facts import Facts
from rules.planning import Planned
from rules.ruleset import Rule, RuleSet

ACTIONS = st.one_of(
    st.just(Route(("PACS",), "PACS2")),
    st.just(Route(("PACS", "WEB"), priority=3)),
    st.just(Deidentify("basic", ("RESEARCH",), keep=True)),
    st.just(Infer("lung")),
    st.just(Assign("North", urgency="stat")),
    st.just(Tag("thin")),
    st.just(Hold("look")),
    st.just(Discard("localizer")),
)


def planned(action, held=""):
    return Planned(action, ("rule",), 50, None, held)


@given(st.lists(st.tuples(st.sampled_from(["true", "Rows == 5"]), st.lists(ACTIONS, max_size=3)), max_size=4))
def test_what_was_recorded_is_what_was_decided(rules):
    ruleset = RuleSet(tuple(Rule(f"r{n}", when, tuple(then)) for n, (when, then) in enumerate(rules)))
    facts = Facts({"origin.way": "dimse"})
    decided = decide(ruleset, facts, datetime(2024, 3, 1))
    found = actions_of(decision.plain() for decision in decided.decisions)
    assert [each.plain() for each in found] == [each.plain() for each in decided.actions]


def test_a_planned_action_is_read_back():
    at = datetime.fromisoformat("2024-03-01T22:00:00+01:00")
    for one in (
        Planned(Route(("PACS",), "PACS2", 4), ("a", "b"), 4, at),
        Planned(Deidentify("basic", ("R",), keep=True), ("a",), 90, held="why"),
    ):
        assert planned_of(one.plain()).plain() == one.plain()


def test_deliveries_count_by_instance():
    found: Effects = {}
    collect(found, [planned(Route(("PACS", "WEB"))), planned(Tag("x"))], "series", 5, [1, 2])
    assert found == {
        Unit("deliver", "to PACS", "instance", 1): False,
        Unit("deliver", "to PACS", "instance", 2): False,
        Unit("deliver", "to WEB", "instance", 1): False,
        Unit("deliver", "to WEB", "instance", 2): False,
        Unit("tag", "x", "series", 5): False,
    }


def test_the_first_to_ask_for_a_delivery_counts():
    found: Effects = {}
    collect(found, [planned(Route(("PACS",)), "a person must look")], "instance", 1, [1])
    collect(found, [planned(Route(("PACS",)))], "series", 5, [1, 2])
    assert found[Unit("deliver", "to PACS", "instance", 1)] is True
    assert found[Unit("deliver", "to PACS", "instance", 2)] is False


def test_every_action_is_told():
    found: Effects = {}
    actions = [
        Deidentify("basic", ("R",), keep=True),
        Infer("lung"),
        Assign("North", "", "stat"),
        Hold("look"),
        Discard("localizer"),
    ]
    collect(found, [planned(action) for action in actions], "study", 3, [1])
    assert [(unit.action, unit.what, unit.level) for unit in found] == [
        ("deidentify", "by basic, to R", "study"),
        ("deidentify", "by basic, kept", "study"),
        ("infer", "with lung", "study"),
        ("assign", "centre North, urgency stat", "study"),
        ("hold", "look", "study"),
        ("discard", "localizer", "instance"),
    ]


def test_what_differs_is_counted_by_destination():
    comparison = Comparison()
    for study in range(5):
        rows = [10 * study, 10 * study + 1]
        uids = {("instance", row): f"1.2.{row}" for row in rows}
        before: Effects = {}
        after: Effects = {}
        collect(before, [planned(Route(("PACS",)))], "instance", rows[0], rows)
        collect(after, [planned(Route(("PACS",)), "held")], "instance", rows[0], rows[:1])
        collect(after, [planned(Route(("PACS", "WEB")))], "instance", rows[0], rows[1:])
        assert comparison.add(before, after, uids)
        assert not comparison.add(before, dict(before), uids)
    told = {(each.action, each.what, each.held): each for each in comparison.changes}
    assert set(told) == {
        ("deliver", "to PACS", False),
        ("deliver", "to PACS", True),
        ("deliver", "to WEB", False),
    }
    gone = told["deliver", "to PACS", False]
    assert (gone.new.number, gone.missing.number, gone.missing.studies) == (0, 5, 5)
    assert gone.missing.examples == ["1.2.0", "1.2.10", "1.2.20"]
    held = told["deliver", "to PACS", True]
    assert (held.new.number, held.missing.number) == (5, 0)
    assert told["deliver", "to WEB", False].new.number == 5


def test_a_hold_holds_what_any_rule_asked_for():
    found: Effects = {}
    collect(found, [Planned(Route(("PACS",)), ("a",), 50)], "instance", 1, [1])
    collect(found, [Planned(Route(("PACS",)), ("a",), 50)], "instance", 2, [2])
    collect(found, [Planned(Infer("m"), ("b",), 50), Planned(Tag("t"), ("b",), 50)], "study", 9, [1, 2])
    withhold(found, {("study", 9): (1, 2)}, {2})
    assert {(unit.action, unit.row): held for unit, held in found.items()} == {
        ("deliver", 1): False,
        ("deliver", 2): True,
        ("infer", 9): True,
        ("tag", 9): False,
    }
    assert holds(Planned(Hold("look"), ("a",), 50))
    assert not holds(Planned(Hold("look"), ("a",), 50, held="unknown"))
