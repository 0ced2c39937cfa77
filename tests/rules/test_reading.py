import pytest
from hypothesis import given
from hypothesis import strategies as st

from rules.actions import Deidentify, Route, Tag
from rules.problems import BadRules
from rules.reading import read
from rules.ruleset import WhenUnknown
from rules.symbols import On

FILE = r'''
[[rule]]
name = "MR to research"
on = "study"
when = """
Modality == "MR"
  and not (PatientAge < 18)
"""
priority = "background"
window = { hours = "22:00-06:00", weekdays = ["Saturday", "sun"] }
stop = true
unknown = "skip"
requires = "SeriesDescription =~ \"T1.*\""
then = [{ action = "deidentify", profile = "basic", to = "RESEARCH", priority = 7 }]

[[rule]]
name = "CT"
when = 'Modality == "CT"'
[[rule.then]]
action = "route"
to = ["PACS", "AI"]
alternate = "PACS2"
[[rule.then]]
action = "tag"
label = "ct"
'''


def test_a_file():
    first, second = read(FILE).ruleset().rules
    assert first.name == "MR to research"
    assert (first.on, first.priority, first.stop, first.unknown) == (On.STUDY, 90, True, WhenUnknown.SKIP)
    assert first.window.plain() == {"hours": ["22:00-06:00"], "weekdays": ["Saturday", "Sunday"]}
    assert first.requires == ('SeriesDescription =~ "T1.*"',)
    assert first.then == (Deidentify("basic", ("RESEARCH",), priority=7),)
    assert (second.on, second.priority, second.stop, second.unknown) == (
        On.INSTANCE,
        50,
        False,
        WhenUnknown.HOLD,
    )
    assert second.then == (Route(("PACS", "AI"), "PACS2"), Tag("ct"))


def test_nothing_is_no_rules():
    assert read("# later").ruleset().rules == ()


LONG = "a" * 65
RULE = '[[rule]]\nname = "a"\nwhen = "true"\nthen = [{ action = "tag", label = "x" }]\n'


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("[[rule]\n", "1:7: file: not TOML: expected ']]' at the end of an array declaration"),
        ("\nx = [", "2:1: file: not TOML: invalid value"),
        ("version = 1\n" + RULE, "1:1: version: unknown setting (expected [[rule]])"),
        ("rule = 5", "1:8: rule: not a list of tables (expected [[rule]])"),
        (RULE + 'windw = ""', '5:1: rule "a".windw: unknown setting (expected window)'),
        (RULE + "stop = 1", '5:8: rule "a".stop: wrong type: a number (expected true or false)'),
        (RULE + 'on = "sereis"', "5:6: rule \"a\".on: 'sereis' is none of them (expected series)"),
        (
            RULE + 'unknown = "x"',
            "5:11: rule \"a\".unknown: 'x' is none of them (expected hold, skip or fire)",
        ),
        (RULE + "priority = 100", '5:12: rule "a".priority: 100 is no priority (expected 0 to 99, urgent, '),
        (RULE + "priority = true", '5:12: rule "a".priority: True is no priority'),
        (RULE + "window = {}", '5:10: rule "a".window: empty (expected hours, weekdays or both)'),
        (RULE + 'window = "night"', '5:10: rule "a".window: wrong type: text (expected a table'),
        (
            RULE + 'window = { hours = ["22:00-06:00", "x"] }',
            "5:20: rule \"a\".window.hours: 'x' is not a span of hours (expected for example 22:00-06:00)",
        ),
        (
            RULE + 'window = { weekdays = "x" }',
            "5:23: rule \"a\".window.weekdays: 'x' is not a day",
        ),
        (RULE + 'window = { hors = "x" }', '5:12: rule "a".window.hors: unknown setting (expected hours)'),
        (RULE + "requires = [3]", '5:13: rule "a".requires: wrong type: a number (expected text)'),
        (
            RULE + 'requires = ["true", "Rows > \'x\'"]',
            '5:22: rule "a".requires: wrong type: a number',
        ),
        ('[[rule]]\nwhen = "true"\nthen = []', "1:1: rule 1.name: missing (expected text)"),
        ('[[rule]]\nname = "a"\nthen = []', '1:1: rule "a".when: missing (expected a condition'),
        ('[[rule]]\nname = "a"\nwhen = "true"', '1:1: rule "a".then: missing (expected a list of actions)'),
        ('[[rule]]\nname = " "\nwhen = "true"\nthen = []', '2:8: rule " ".name: empty (expected text)'),
        (
            f'[[rule]]\nname = "{"a" * 65}"\nwhen = "true"\nthen = []',
            f'2:8: rule "{"a" * 65}".name: 65 characters',
        ),
        ('[[rule]]\nname = "a"\nwhen = true\nthen = []', '3:8: rule "a".when: wrong type: true or false'),
        (
            '[[rule]]\nname="a"\nwhen="true"\nthen=["x"]',
            '4:7: rule "a".then: wrong type: text (expected a table',
        ),
        (
            '[[rule]]\nname="a"\nwhen="true"\nthen=[{}]',
            '4:7: rule "a".then[1].action: missing (expected route',
        ),
        (
            '[[rule]]\nname="a"\nwhen="true"\nthen=[{action="rout"}]',
            "4:15: rule \"a\".then[1].action: 'rout' is no action (expected route)",
        ),
        (
            '[[rule]]\nname="a"\nwhen="true"\nthen=[{action="route"}]',
            '4:7: rule "a".then[1].to: missing (expected a list of texts)',
        ),
        (
            '[[rule]]\nname="a"\nwhen="true"\nthen=[{action="assign", urgency="asap"}]',
            "4:33: rule \"a\".then[1].urgency: 'asap' is none of them (expected routine, urgent or stat)",
        ),
        (
            '[[rule]]\nname="a"\nwhen="true"\nthen=[{action="route", to=[]}]',
            '4:7: rule "a".then[1]: route says too little (expected to: at least one peer)',
        ),
        (
            '[[rule]]\nname = "a"\nthen = []\nwhen = """\n  Modality == "CT"\n  and Rows == Modality"""',
            '6:7: rule "a".when: a number is never text (expected values of one type)',
        ),
        (
            '[[rule]]\nname = "a"\nthen = []\nwhen = "Modality == \\"\\u0043T\\" and Rws > 3"',
            '4:37: rule "a".when: unknown attribute Rws (expected Rows)',
        ),
    ],
)
def test_wrong(text, problem):
    reading = read(text)
    assert str(sorted(reading.problems)[0]).startswith(problem)
    with pytest.raises(BadRules):
        reading.ruleset()


def test_all_at_once():
    text = '[[rule]]\nwhen = "x"\npriority = -1\n[[rule]]\nname = 5\nthen = [{}, {action = "tag"}]\n'
    found = [(problem.line, problem.key) for problem in sorted(read(text).problems)]
    assert found == [
        (1, "rule 1.name"),
        (1, "rule 1.then"),
        (2, "rule 1.when"),
        (3, "rule 1.priority"),
        (4, "rule 2.when"),
        (5, "rule 2.name"),
        (6, "rule 2.then[1].action"),
        (6, "rule 2.then[2].label"),
    ]


def test_the_rules_that_are_right_are_there_all_the_same():
    assert [(number, rule.name) for number, rule in read("[[rule]]\n" + RULE).rules] == [(1, "a")]


NAMES = st.sampled_from([f"attribute{number}" for number in range(20)])


@given(st.lists(st.sampled_from([" ", "\n", "true and ", "false or ", "(true) and\n  "]), max_size=8), NAMES)
def test_the_place_of_a_wrong_name_in_a_condition(before, name):
    text = f'[[rule]]\nname = "x"\nwhen = """{"".join(before)}{name} == 1"""\nthen = []\n'
    (problem,) = read(text).problems
    offset = text.index(name)
    assert problem.line == text.count("\n", 0, offset) + 1
    assert problem.column == offset - text.rfind("\n", 0, offset)
    assert name in problem.message


@given(st.text(st.sampled_from("[]{}=\"'\n ,rulenamwhtoi.#\\1"), max_size=60))
def test_any_text_is_rules_or_wrong(text):
    for problem in read(text).problems:
        assert problem.line >= 1
        assert problem.column >= 1
