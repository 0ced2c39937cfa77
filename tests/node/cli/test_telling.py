from datetime import UTC, datetime, timedelta, timezone

from node.cli.telling import action_words, counted, indented, listed_some, moment, rule_lines
from node.services.accounts import RuleAccount, rule_account
from rules.facts import Facts
from rules.reading import read
from rules.trace import explain

RULES = read(
    """
[[rule]]
name = "CT"
when = 'Modality == "CT" and Rows > 5'
then = [{ action = "route", to = "PACS", alternate = "WEB" }]

[[rule]]
name = "thin"
when = 'SliceThickness < 1'
unknown = "skip"
then = [{ action = "tag", label = "thin" }]

[[rule]]
name = "MR"
when = 'Modality == "MR"'
then = [{ action = "tag", label = "x" }]
"""
).ruleset()


def accounts(facts: dict[str, object]) -> list[RuleAccount]:
    data = explain(RULES, Facts(facts), datetime(2026, 3, 1))
    return [rule_account(each) for each in data["decisions"]]


def test_rules_are_told_with_what_they_saw():
    facts = {"Modality": "CT", "Rows": 512, "origin.way": "dimse", "origin.calling_ae": "WEB"}
    assert list(rule_lines(accounts(facts))) == [
        "fired           CT",
        "                true    and",
        "                  true    Modality == \"CT\"  (Modality is 'CT')",
        "                  true    Rows > 5  (Rows is 512)",
        "                -> deliver to PACS",
        "                -> nothing to WEB: it came from there",
        "unknown         thin: SliceThickness is missing",
        "                unknown SliceThickness < 1  (SliceThickness is missing)",
        "                -> nothing: the rule is skipped when it is unknown",
        "not fired       MR",
        "                false   Modality == \"MR\"  (Modality is 'CT')",
    ]
    assert list(rule_lines(accounts(facts), brief=True))[-1] == "not fired       MR"


def test_a_doubt_is_told():
    assert list(rule_lines([RuleAccount("CT", "fired", doubt="worked out again it is unknown")])) == [
        "fired           CT",
        "                ! worked out again it is unknown",
    ]


def test_every_action_has_its_words():
    said = [
        ({"action": "route", "to": ["A", "B"], "alternate": "C"}, "deliver to A, B (or C when it is down)"),
        (
            {"action": "deidentify", "profile": "basic", "to": ["A"], "keep": True},
            "de-identify by profile basic, then keep the copy and deliver it to A",
        ),
        ({"action": "infer", "model": "lung"}, "let model lung look at it"),
        ({"action": "tag", "label": "thin"}, "label it thin"),
        ({"action": "assign", "centre": "N", "urgency": "stat"}, "give it to centre N, urgency stat"),
        ({"action": "hold", "reason": "look"}, "hold: look"),
        ({"action": "discard", "reason": "localizer"}, "discard: localizer"),
    ]
    for action, words in said:
        assert action_words(action) == words
    late = {"action": "tag", "label": "x", "not_before": "2026-03-01T22:00:00", "held": "look"}
    assert action_words(late) == "label it x, not before 2026-03-01 22:00; held for a person: look"


def test_small_words():
    assert moment(None) == "-"
    zone = timezone(timedelta(hours=1))
    assert moment(datetime(2026, 3, 1, 13, tzinfo=zone)) == "2026-03-01 12:00:00Z"
    assert moment(datetime(2026, 3, 1, 12, tzinfo=UTC)) == "2026-03-01 12:00:00Z"
    assert (counted(1, "study", "studies"), counted(2000, "instance")) == ("1 study", "2,000 instances")
    assert listed_some(["a", "b"], 3) == "a, b"
    assert listed_some(["a", "b", "c"], 2) == "a, b and 1 more"
    assert list(indented(["a"])) == ["  a"]
