"""Conversations: a rule set and facts in, decisions out."""

import json
from datetime import datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rules.actions import Discard, Hold, Route, Tag
from rules.decisions import Outcome, decide
from rules.facts import Facts, Unknown
from rules.language import ConditionError, parse
from rules.ruleset import Rule, RuleSet, WhenUnknown
from rules.symbols import On
from rules.window import Window
from tests.rules import generated

NOON = datetime(2024, 3, 1, 12, 30)  # a Friday
CT = {"Modality": "CT", "Rows": "512", "origin.way": "dimse", "origin.calling_ae": "SCANNER"}


def rule(name, when, *then, **more):
    return Rule(name, when, then or (Tag(name),), **more)


def outcomes(rules, facts, now=NOON, **more):
    return [
        decision.outcome.value
        for decision in decide(RuleSet(tuple(rules)), Facts(facts), now, **more).decisions
    ]


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        (CT, ["fired", "not fired", "unknown"]),
        ({**CT, "Modality": "MR"}, ["not fired", "fired", "unknown"]),
        ({**CT, "SliceThickness": "0.5"}, ["fired", "not fired", "fired"]),
        ({**CT, "SliceThickness": "thin"}, ["fired", "not fired", "unknown"]),
        ({}, ["unknown", "unknown", "unknown"]),
    ],
)
def test_outcomes(facts, expected):
    rules = [
        rule("ct", 'Modality == "CT"'),
        rule("mr", 'Modality == "MR"'),
        rule("thin", "SliceThickness < 1"),
    ]
    assert outcomes(rules, facts) == expected


def test_only_rules_of_the_same_level_are_asked():
    rules = RuleSet((rule("a", "true"), rule("b", "true", on=On.SERIES), rule("c", "true", on=On.STUDY)))
    assert [[d.rule for d in decide(rules, Facts(), NOON, on).decisions] for on in On] == [
        ["a"],
        ["b"],
        ["c"],
    ]
    assert decide(rules, Facts(), NOON, "series").on is On.SERIES


class TestUnknown:
    rules = (Route(("PACS",)), Tag("thin"))

    def decide(self, unknown):
        one = Rule("thin", "SliceThickness < 1", self.rules, unknown=unknown, stop=True)
        return decide(RuleSet((one, rule("after", "true"))), Facts(CT), NOON)

    def test_holds_what_it_would_do_and_says_why(self):
        decided = self.decide(WhenUnknown.HOLD)
        first = decided.decisions[0]
        assert (first.outcome, first.reason) == (Outcome.UNKNOWN, "SliceThickness is missing")
        held = "rule thin is unknown: SliceThickness is missing"
        assert [(one.action, one.held) for one in decided.actions] == [
            (Route(("PACS",)), held),
            (Tag("thin"), held),
            (Tag("after"), ""),
        ]

    def test_skips(self):
        assert [one.action for one in self.decide(WhenUnknown.SKIP).actions] == [Tag("after")]

    def test_fires_and_stops(self):
        decided = self.decide(WhenUnknown.FIRE)
        assert [one.action for one in decided.actions] == [Route(("PACS",)), Tag("thin")]
        assert [one.outcome for one in decided.decisions] == [Outcome.UNKNOWN, Outcome.STOPPED]

    def test_another_rule_may_deliver_the_same_all_the_same(self):
        rules = RuleSet(
            (rule("thin", "SliceThickness < 1", Route(("PACS",))), rule("all", "true", Route(("PACS",))))
        )
        (one,) = decide(rules, Facts(CT), NOON).actions
        assert (one.held, one.rules) == ("", ("thin", "all"))


def test_stop():
    rules = [rule("first", "Rows > 100", stop=True), rule("second", "true")]
    assert outcomes(rules, CT) == ["fired", "stopped"]
    assert outcomes(rules, {**CT, "Rows": "5"}) == ["not fired", "fired"]
    assert decide(RuleSet(tuple(rules)), Facts(CT), NOON).decisions[1].reason == "by first"


def test_outside_its_window_it_waits_for_it():
    night = Window(((22 * 60, 6 * 60),))
    rules = RuleSet((rule("night", 'Modality == "CT"', Route(("RESEARCH",)), window=night),))
    decided = decide(rules, Facts(CT), NOON)
    assert (decided.decisions[0].outcome, decided.decisions[0].reason) == (
        Outcome.OUTSIDE_WINDOW,
        "until 2024-03-01 22:00",
    )
    assert decided.actions[0].not_before == datetime(2024, 3, 1, 22)
    decided = decide(rules, Facts(CT), NOON.replace(hour=23))
    assert (decided.decisions[0].outcome, decided.actions[0].not_before) == (Outcome.FIRED, None)
    assert outcomes(rules.rules, {"Modality": "MR"}) == ["not fired"]


def test_time_is_that_of_the_decision():
    rules = [rule("now", 'time.hour == 12 and time.minute == 30 and time.weekday == "Friday"')]
    assert outcomes(rules, {"time.hour": 3}) == ["fired"]


def test_never_back_to_where_it_came_from():
    peers = {"PACS": "PACS_AE", "OLD": "OLD_AE", "NEW": "NEW_AE"}
    rules = RuleSet((rule("all", "true", Route(("PACS", "OLD", "NEW"))),))
    facts = Facts(
        {"origin.calling_ae": "PACS_AE ", "origin.path": ["OLD_AE", "deidentified"], "origin.way": "dimse"}
    )
    decided = decide(rules, facts, NOON, peers=peers)
    assert [one.action.to for one in decided.actions] == [("NEW",)]
    assert [one.plain() for one in decided.decisions[0].dropped] == [
        {"rule": "all", "peer": "PACS", "reason": "it came from there"},
        {"rule": "all", "peer": "OLD", "reason": "it came from there"},
    ]


@pytest.mark.parametrize(
    ("way", "action"),
    [
        ({"origin.way": "dimse"}, Discard("junk")),
        ({"origin.way": "derived"}, Discard("junk")),
        ({"origin.way": "upload"}, Hold("a person uploaded it, so it is not discarded")),
        ({}, Hold("nobody knows how it came in, so it is not discarded")),
        ({"origin.way": Unknown("x")}, Hold("nobody knows how it came in, so it is not discarded")),
    ],
)
def test_uploads_are_never_discarded(way, action):
    everything = 'true or origin.way == "stow"'  # copies too
    (one,) = decide(RuleSet((rule("junk", everything, Discard("junk")),)), Facts(way), NOON).actions
    assert one.action == action


def test_priorities():
    rules = (
        rule("low", "true", Route(("A",)), Route(("B",), priority=1), priority=90),
        rule("high", "true", Route(("A",)), priority=10),
    )
    assert {p.action.to[0]: p.priority for p in decide(RuleSet(rules), Facts(CT), NOON).actions} == {
        "A": 10,
        "B": 1,
    }


def test_no_rules():
    decided = decide(RuleSet(), Facts(), NOON)
    assert decided.decisions == decided.actions == ()


_rules = st.lists(
    st.builds(
        Rule,
        st.sampled_from("abcdef"),
        generated.truths(),
        st.just((Route(("PACS", "AI")), Discard("junk"), Tag("x"))),
        unknown=st.sampled_from(WhenUnknown),
        stop=st.booleans(),
        window=st.sampled_from([None, Window(((0, 60),))]),
    ),
    max_size=4,
)


def usable(rules):
    kept = []
    for one in rules:
        try:
            parse(one.when)
        except ConditionError:
            continue
        kept.append(one)
    return RuleSet(tuple(kept))


@settings(max_examples=60)
@given(_rules, generated.any_facts())
def test_always_decides_and_is_plain(rules, facts):
    ruleset = usable(rules)
    decided = decide(ruleset, facts, NOON, peers={"PACS": "CT"})
    assert [one.rule for one in decided.decisions] == [one.name for one in ruleset.rules]
    assert json.loads(json.dumps(decided.plain(), allow_nan=False)) == decided.plain()


@settings(max_examples=60)
@given(_rules, generated.any_facts())
def test_what_was_seen_is_enough_to_decide_again(rules, facts):
    ruleset = usable(rules)
    decided = decide(ruleset, facts, NOON)
    again = decide(RuleSet.from_plain(ruleset.plain()), Facts.from_plain(decided.seen()), NOON)
    assert [(one.rule, one.outcome) for one in again.decisions] == [
        (one.rule, one.outcome) for one in decided.decisions
    ]
    assert [one.action for one in again.actions] == [one.action for one in decided.actions]


def test_seen_is_what_conditions_use_and_no_more():
    rules = RuleSet((rule("a", "Rows > 5"),))
    assert decide(rules, Facts(CT), NOON).seen() == {k: CT[k] for k in CT if k != "Modality"}


def test_about_a_copy_only_rules_are_asked_that_look_at_where_it_comes_from():
    rules = RuleSet(
        (
            Rule("all CT", 'Modality == "CT"', (Route(("PACS",)),), stop=True),
            Rule("copies", 'origin.way == "derived"', (Route(("RESEARCH",)),)),
            Rule("by profile", '"deidentify:basic" in origin.path', (Tag("anonymous"),)),
        )
    )
    origin = {"origin.way": "derived", "origin.path": ["SCANNER", "deidentify:basic"]}
    decided = decide(rules, Facts({"Modality": "CT", **origin}), NOON)
    assert [str(each.outcome) for each in decided.decisions] == ["not asked", "fired", "fired"]
    assert "origin.way" in decided.decisions[0].reason
    assert [each.action for each in decided.actions] == [Route(("RESEARCH",)), Tag("anonymous")]
    received = decide(rules, Facts({"Modality": "CT", "origin.way": "dimse"}), NOON)
    assert [str(each.outcome) for each in received.decisions] == ["fired", "stopped", "stopped"]
