"""docs/rules.md: what it shows is run, and nothing of the language is left out."""

import json
import re
from dataclasses import fields
from datetime import datetime
from pathlib import Path

import pytest

from rules.actions import KINDS, PRIORITIES, URGENCIES
from rules.check import Known, check
from rules.decisions import decide
from rules.facts import Facts
from rules.operations import ATTRIBUTES, FUNCTIONS, METHODS
from rules.reading import read
from rules.ruleset import Rule, RuleSet, WhenUnknown
from rules.symbols import _KINDS, FIXED, Kind, On

TEXT = (Path(__file__).parents[2] / "docs" / "rules.md").read_text(encoding="utf-8")
KNOWN = Known(peers={"PACS", "PACS2", "RESEARCH"}, models={"lung"}, profiles={"basic"})
FRIDAY = datetime(2024, 3, 1, 18, 35)


def blocks(kind):
    return re.findall(rf"^```{kind}\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL)


EXAMPLES = [
    tuple(part.strip() for part in line.rsplit("->", 1))
    for block in blocks("condition")
    for line in block.splitlines()
]


def test_there_are_examples():
    assert len(EXAMPLES) > 30
    assert len(blocks("toml")) == 3


@pytest.mark.parametrize("text", blocks("toml"))
def test_files_are_right(text):
    assert check(text, KNOWN).problems == ()


@pytest.mark.parametrize(("when", "result"), EXAMPLES)
def test_conditions(when, result):
    (facts,) = blocks("json")
    rules = RuleSet((Rule("example", when, ()),))
    (decision,) = decide(rules, Facts.from_plain(json.loads(facts)), FRIDAY).decisions
    assert {"fired": "true", "not fired": "false", "unknown": "unknown"}[decision.outcome] == result


def test_what_is_wrong():
    (text,), (expected,) = blocks("toml wrong"), blocks("problems")
    assert [str(problem) for problem in sorted(read(text).problems)] == expected.splitlines()


def rows(heading):
    section = TEXT.split(f"\n## {heading}\n")[1].split("\n## ")[0]
    return {row[0]: row for row in re.findall(r"^\| `([\w.]+)` \| (.*) \|$", section, re.MULTILINE)}


def test_every_fact_is_explained():
    found = rows("What a condition can ask")
    assert list(found) == list(FIXED)
    types = {Kind.TEXT: "text", Kind.NUMBER: "number", Kind.TRUTH: "true or false"}
    for name, symbol in FIXED.items():
        kind, on, about = (part.strip() for part in found[name][1].split(" | "))
        assert kind == (f"list of {types[symbol.kind]}s" if symbol.many else types[symbol.kind])
        assert on == (
            "all" if symbol.on == frozenset(On) else ", ".join(value for value in On if value in symbol.on)
        )
        assert about.startswith(symbol.about)
        assert all(f"`{value}`" in about for value in symbol.values[:1] + symbol.values[-1:])


def test_every_action_is_explained():
    found = rows("Actions")
    assert list(found) == list(KINDS)
    for word, kind in KINDS.items():
        keys = re.findall(r"`(\w+)`", found[word][1].split(" | ")[0])
        assert keys == [part.name for part in fields(kind)]


def test_every_key_of_a_rule_is_explained():
    assert set(rows("A rule")) == {part.name for part in fields(Rule)}


@pytest.mark.parametrize("word", [*PRIORITIES, *URGENCIES, *WhenUnknown, *On])
def test_every_word_is_there(word):
    assert f"`{word}`" in TEXT


def test_everything_behind_a_dot_or_a_dollar_is_there():
    assert [name for name in ATTRIBUTES if f"`{name}`" not in TEXT] == []
    assert [name for name in METHODS if f"`{name}(…)`" not in TEXT] == []
    assert [name for name in FUNCTIONS if f"`${name}(" not in TEXT] == []


def test_every_vr_is_there():
    assert [vr for vr in _KINDS if not re.search(rf"[(, ]{vr}[,)]", TEXT)] == []
