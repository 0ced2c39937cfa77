from datetime import datetime

from rules.actions import Tag
from rules.completeness import Requirement, complete
from rules.facts import Facts
from rules.ruleset import Rule, RuleSet
from rules.symbols import On

T1, T2, CT = (
    'SeriesDescription =~ "T1.*"',
    'SeriesDescription =~ "T2.*" and series.instances > 10',
    'Modality == "CT"',
)
RULES = RuleSet((Rule("MR", "true", (Tag("done"),), On.STUDY, requires=(T1, T2, CT)), Rule("x", "true", ())))
NOON = datetime(2024, 3, 1, 12)


def test_each_requirement_among_all_series():
    series = [
        Facts({"SeriesDescription": "T1 ax", "Modality": "MR"}),
        Facts({"SeriesDescription": "T2 ax", "Modality": "MR"}),
    ]
    assert complete(RULES, "MR", series, NOON) == (
        Requirement(T1, True),
        Requirement(T2, None, "series.instances is missing"),
        Requirement(CT, False),
    )


def test_nothing_is_there_yet():
    assert [one.met for one in complete(RULES, "MR", [], NOON)] == [False, False, False]


def test_a_rule_may_require_nothing():
    assert complete(RULES, "x", [], NOON) == ()
    assert complete(RULES, "nobody", [], NOON) == ()
