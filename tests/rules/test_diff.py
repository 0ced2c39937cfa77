import json

from rules.actions import Hold, Route, Tag
from rules.diff import difference, is_same, lines
from rules.ruleset import Rule, RuleSet
from rules.window import Window

A = Rule("a", 'Modality == "CT"', (Route(("PACS",)),))
B = Rule("b", 'Modality == "MR"', (Tag("mr"),))
C = Rule("c", "true", (Hold("look"),), stop=True)
A2 = Rule("a", 'Modality == "CT"', (Route(("PACS", "AI")), Tag("ct")), priority=3, window=Window(((0, 60),)))


def test_the_same():
    assert is_same(difference(RuleSet((A, B)), RuleSet((A, B))))
    assert lines(RuleSet((A, B)), RuleSet((A, B))) == []


def test_added_removed_changed():
    data = difference(RuleSet((A, B)), RuleSet((A2, C)))
    assert (data["added"], data["removed"], data["moved"]) == (["c"], ["b"], [])
    assert data["changed"]["a"]["priority"] == {"old": None, "new": 3}
    assert list(data["changed"]["a"]) == ["then", "priority", "window"]
    assert json.loads(json.dumps(data)) == data


def test_moved():
    assert difference(RuleSet((A, B, C)), RuleSet((C, A, B)))["moved"] == ["c"]
    assert difference(RuleSet((A, B, C)), RuleSet((C, B)))["moved"] in (["b"], ["c"])


def test_lines():
    assert lines(RuleSet((A, B)), RuleSet((A2, C))) == [
        "- b",
        "-   on: instance",
        '-   when: Modality == "MR"',
        "-   then: tag label mr",
        "+ c",
        "+   on: instance",
        "+   when: true",
        "+   then: hold reason look",
        "+   stop: true",
        "~ a",
        "-   then: route to PACS",
        "+   then: route to PACS; AI; tag label ct",
        "-   priority: as by default",
        "+   priority: 3",
        "-   window: as by default",
        "+   window: hours 00:00-01:00",
    ]
    assert lines(RuleSet((A, B)), RuleSet((B, A))) in (["> a"], ["> b"])
