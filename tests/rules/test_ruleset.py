import json
import threading

import pytest

from rules.actions import Route, Tag
from rules.problems import BadRules
from rules.ruleset import Rule, RuleSet, WhenUnknown
from rules.symbols import On
from rules.window import Window, parse_span

FULL = Rule(
    "MR to research",
    'Modality == "MR" and DiffusionBValue > 0 and private["0019,SIEMENS MR HEADER,0C"] > 5',
    (Route(("RESEARCH",)), Tag("research")),
    On.STUDY,
    10,
    Window((parse_span("22:00-06:00"),), (5, 6)),
    True,
    WhenUnknown.SKIP,
    ('SeriesDescription =~ "T1.*"',),
)
RULES = RuleSet((Rule("CT", 'Modality == "CT"', (Route(("PACS",)),)), FULL))


def test_plain_and_back():
    again = RuleSet.from_plain(json.loads(json.dumps(RULES.plain())))
    assert again == RULES
    assert again.digest == RULES.digest


def test_digest_is_of_the_canonical_form():
    assert len(RULES.digest) == 64
    assert RuleSet(RULES.rules[::-1]).digest != RULES.digest
    assert RuleSet().digest == RuleSet.from_plain({"rules": [], "format": 1}).digest


def test_needs():
    assert "Modality" in RULES.symbols
    needs = RULES.needs({"Modality", "SeriesDescription"})
    assert needs.tags == {0x00189087: "DiffusionBValue"}
    assert list(needs.private) == [(0x19, "SIEMENS MR HEADER", 0x0C)]


@pytest.mark.parametrize(
    "data",
    [
        {},
        {"format": 2, "rules": []},
        {"format": 1, "rules": [{}]},
        {"format": 1, "rules": [{"name": "a", "on": "moon", "when": "true", "then": []}]},
        {"format": 1, "rules": [{"name": "a", "on": "study", "when": "true", "then": [{"action": "x"}]}]},
        {"format": 1, "rules": [{"name": "a", "on": "study", "when": "Modality == 5", "then": []}]},
        {"format": 1, "rules": [{"name": "a", "on": "study", "when": "true", "then": [], "requires": ["x"]}]},
    ],
)
def test_what_is_stored_may_be_wrong(data):
    with pytest.raises(BadRules) as caught:
        RuleSet.from_plain(data)
    assert caught.value.problems


def test_compiled_once_for_all_threads():
    ruleset = RuleSet.from_plain(RULES.plain())
    found = []
    threads = [threading.Thread(target=lambda: found.append(ruleset.compiled.rules)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [len(rules[On.STUDY]) for rules in found] == [1] * 8
    assert ruleset.compiled is ruleset.compiled
