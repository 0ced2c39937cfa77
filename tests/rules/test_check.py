import pytest
from hypothesis import given

from rules.check import Known, alone, check
from rules.closures import add
from rules.language import ConditionError, parse
from rules.program import Program
from tests.rules import generated

KNOWN = Known(peers={"PACS", "AIBOX"}, models={"lung"}, profiles={"basic"})
PEERS = "(expected AIBOX or PACS)"
BASIC = 'action = "deidentify", to = "PACS"'
TAG = 'then = [{ action = "tag", label = "x" }]'


def rule(text, name="a"):
    return f'[[rule]]\nname = "{name}"\n{text}\n'


def problems(text, known=KNOWN):
    return [str(problem) for problem in check(text, known).problems]


def test_right():
    text = rule(f"when = 'Modality == \"CT\"'\n{TAG}")
    checked = check(text)
    assert checked.problems == ()
    assert checked.ruleset.rules[0].name == "a"


@pytest.mark.parametrize(
    ("then", "name", "problem"),
    [
        ('action = "route", to = "PAC"', "PAC", "to: unknown peer PAC (expected PACS)"),
        ('action = "route", to = ["PACS", "X"]', "X", f"to: unknown peer X {PEERS}"),
        ('action = "route", to = "PACS", alternate = "X"', "X", f"alternate: unknown peer X {PEERS}"),
        (BASIC + ', profile = "x"', "x", "profile: unknown profile x (expected basic)"),
        ('action = "deidentify", profile = "basic", to = "X"', "X", f"to: unknown peer X {PEERS}"),
        ('action = "infer", model = "lng"', "lng", "model: unknown model lng (expected lung)"),
    ],
)
def test_unknown_names(then, name, problem):
    text = rule(f'when = "true"\nthen = [{{ {then} }}]')
    column = text.split("\n")[3].index(f'"{name}"') + 1
    assert problems(text) == [f'4:{column}: rule "a".then.{problem}']
    assert check(text, KNOWN).ruleset is None
    assert problems(text, None) == []


def test_there_are_no_models_at_all():
    text = rule('when = "true"\nthen = [{ action = "infer", model = "lung" }]')
    assert problems(text, Known(models=())) == [
        '4:37: rule "a".then.model: unknown model lung (expected a model, but there is none)'
    ]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (rule('when = "true"\nthen = []'), '4:8: rule "a".then: empty (expected at least one action)'),
        (
            rule(f'when = "true"\n{TAG}') + rule(f'when = "true"\n{TAG}'),
            '6:8: rule "a".name: the name is taken by rule 1 (expected another name)',
        ),
        (
            rule(f'when = "true or Rows > 5"\nstop = true\n{TAG}') + rule(f'when = "true"\n{TAG}', "b"),
            '6:1: rule "b": never asked: rule "a" before it always fires and stops (expected another order)',
        ),
        (
            rule(f'when = "false and Rows > 5"\n{TAG}'),
            '3:8: rule "a".when: the condition is never true (expected a condition that can be true)',
        ),
        (
            rule(f'when = "true"\nrequires = ["Rows > 5"]\n{TAG}'),
            '4:12: rule "a".requires: an instance has no series to wait for '
            '(expected on = "series" or "study")',
        ),
        (
            rule(f'when = "Rows > 5 and series.complete"\n{TAG}'),
            '3:22: rule "a".when: series.complete is not known to a rule on instance '
            '(expected on = "series")',
        ),
        (
            rule(f'on = "study"\nwhen = "series.instances > 3"\n{TAG}'),
            '4:9: rule "a".when: series.instances is not known to a rule on study (expected on = "series")',
        ),
        (
            rule('when = "Rows > 5"\nunknown = "fire"\nthen = [{ action = "discard", reason = "x" }]'),
            '4:11: rule "a".unknown: what discards may not fire when unknown (expected hold or skip)',
        ),
    ],
)
def test_errors(text, problem):
    assert problem in problems(text)
    assert check(text, KNOWN).ruleset is None


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (
            rule(f"when = 'Modality == \"ct\"'\n{TAG}"),
            "3:21: warning: rule \"a\".when: Modality is never 'ct' (expected at most 16 capitals",
        ),
        (
            rule(f"when = '\"primary\" in ImageType'\n{TAG}"),
            "3:9: warning: rule \"a\".when: ImageType is never 'primary'",
        ),
        (
            rule(f"when = 'AccessionNumber == \"\"'\n{TAG}"),
            '3:28: warning: rule "a".when: an empty AccessionNumber is unknown (expected null)',
        ),
        (
            rule('when = "Rows < 5"\nthen = [{ action = "discard", reason = "x" }]'),
            '3:8: warning: rule "a".when: uploads that match are held, never discarded',
        ),
    ],
)
def test_warnings(text, problem):
    checked = check(text, KNOWN)
    assert str(checked.warnings[0]).startswith(problem)
    assert checked.errors == ()
    assert checked.ruleset is not None


def test_a_stop_ends_only_its_own_level():
    text = rule(f'when = "true"\nstop = true\n{TAG}') + rule(f'on = "study"\nwhen = "true"\n{TAG}', "b")
    assert problems(text) == []


def test_discarding_that_cannot_match_an_upload_is_fine():
    when = """when = 'origin.way != "upload" and Rows < 5'"""
    assert problems(rule(f'{when}\nthen = [{{ action = "discard", reason = "x" }}]')) == []


def test_what_is_wrong_in_one_rule_does_not_hide_what_is_in_another():
    text = rule('when = "Rws > 5"\nthen = []') + rule(
        'when = "true"\nthen = [{ action = "route", to = "X" }]', "b"
    )
    assert [problem.split(":")[0] for problem in problems(text)] == ["3", "8"]


@given(generated.truths(), generated.any_facts())
def test_what_is_always_so_is_so(text, facts):
    try:
        condition = parse(text)
    except ConditionError:
        return
    always = alone(text)
    if always is True or always is False:
        program = Program()
        assert program.row(facts)[add(program, condition)] is always
