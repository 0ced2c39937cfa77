import json

import pytest

from rules.actions import (
    KINDS,
    Assign,
    Deidentify,
    Discard,
    Hold,
    Infer,
    Route,
    Tag,
    discards,
    from_plain,
    lacking,
    peers,
    plain,
    word,
)

ALL = (
    Route(("A", "B"), "C", 3),
    Route(("A",)),
    Deidentify("basic", ("A",), keep=True),
    Infer("lung"),
    Assign("North", "dr-a", "urgent"),
    Tag("teaching"),
    Hold("look at it"),
    Discard("localizer"),
)


@pytest.mark.parametrize("action", ALL)
def test_plain_and_back(action):
    assert from_plain(json.loads(json.dumps(plain(action)))) == action


def test_every_kind_is_among_them():
    assert {word(action) for action in ALL} == set(KINDS)


def test_what_is_by_default_is_left_out():
    assert plain(Route(("A",))) == {"action": "route", "to": ["A"]}
    assert plain(Deidentify("basic", keep=True)) == {"action": "deidentify", "profile": "basic", "keep": True}


@pytest.mark.parametrize("data", [{}, {"action": "rote"}, {"action": "tag"}, {"action": "tag", "x": 1}])
def test_not_an_action(data):
    with pytest.raises((KeyError, TypeError)):
        from_plain(data)


def test_lacking():
    assert [lacking(action) for action in ALL] == [""] * len(ALL)
    assert lacking(Route(())) == "to: at least one peer"
    assert lacking(Deidentify("basic")) == "to: at least one peer, or keep = true"
    assert lacking(Assign()) == "centre, reader or urgency"


def test_peers():
    assert peers(ALL[0]) == ("A", "B", "C")
    assert peers(ALL[2]) == ("A",)
    assert peers(ALL[3]) == ()


def test_discards():
    assert discards(ALL)
    assert not discards(ALL[:-1])
