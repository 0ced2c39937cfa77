import json
from datetime import datetime

from hypothesis import given, settings

from rules.actions import Tag
from rules.decisions import decide
from rules.facts import Facts, Unknown
from rules.language import ConditionError, parse
from rules.ruleset import Rule, RuleSet
from rules.trace import explain, lines
from tests.rules import generated

NOON = datetime(2024, 3, 1, 12)


def explained(when, facts, **more):
    return explain(RuleSet((Rule("a", when, (Tag("x"),), **more),)), Facts(facts), NOON)["decisions"][0]


def test_every_comparison_with_what_it_saw():
    found = explained(
        'Modality == "CT" and (Rows > 1000 or SliceThickness < 1) and not (StationName == null)',
        {"Modality": "CT", "Rows": "512", "StationName": Unknown("StationName is not in its character set")},
    )
    assert found["outcome"] == "unknown"
    assert lines(found["trace"]) == [
        "unknown and",
        "  true    Modality == \"CT\"  (Modality is 'CT')",
        "  unknown or",
        "    false   Rows > 1000  (Rows is 512)",
        "    unknown SliceThickness < 1  (SliceThickness is missing)",
        "  unknown not",
        "    unknown StationName == null  (StationName is not in its character set)",
    ]
    assert found["trace"]["parts"][1]["parts"][1] == {
        "text": "SliceThickness < 1",
        "result": None,
        "reason": "SliceThickness is missing",
        "values": {"SliceThickness": None},
    }


def test_even_what_the_decision_did_not_need_to_look_at():
    found = explained('Modality == "CT" or Rows > 5', {"Modality": "CT", "Rows": 3})
    assert [part["result"] for part in found["trace"]["parts"]] == [True, False]


def test_a_rule_that_was_stopped_has_no_trace():
    rules = RuleSet((Rule("a", "true", (Tag("x"),), stop=True), Rule("b", "true", (Tag("x"),))))
    first, second = explain(rules, Facts(), NOON)["decisions"]
    assert first["trace"]["result"] is True
    assert "trace" not in second
    assert second["when"] == "true"


def kleene(trace):
    """Return what the parts of a trace come to, worked out from the comparisons alone."""
    if "parts" not in trace:
        return trace["result"]
    parts = [kleene(part) for part in trace["parts"]]
    if trace["join"] == "not":
        return None if parts[0] is None else not parts[0]
    decisive = trace["join"] == "or"
    if decisive in parts:
        return decisive
    return None if None in parts else not decisive


@settings(max_examples=100)
@given(generated.truths(depth=3), generated.any_facts())
def test_the_trace_agrees_with_the_decision(text, facts):
    try:
        parse(text)
    except ConditionError:
        return
    rules = RuleSet((Rule("a", text, (Tag("x"),)),))
    decided = decide(rules, facts, NOON).plain()
    data = explain(rules, facts, NOON)
    json.dumps(data, allow_nan=False)
    (found,) = data["decisions"]
    if found["outcome"] == "not asked":
        assert facts.get("origin.way") == "derived"
        assert "trace" not in found
        return
    trace, when = found.pop("trace"), found.pop("when")
    assert data == decided
    assert when == text
    assert kleene(trace) is trace["result"]
    assert {True: "fired", False: "not fired", None: "unknown"}[trace["result"]] == found["outcome"]
    assert trace.get("reason", "") == found.get("reason", "")
