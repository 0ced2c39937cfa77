from datetime import datetime

from rules.actions import Assign, Deidentify, Discard, Hold, Infer, Route, Tag
from rules.planning import Asking, Dropped, Origins, Planned, merge, plan

FREE = Origins(frozenset(), "", {})
LOOP = Origins(frozenset({"pacs_ae", "ai"}), "", {"PACS": "PACS_AE", "RESEARCH": "RES"})
R = Asking("r", 50)
NIGHT = datetime(2024, 3, 1, 22)


def planned(*actions, rule="r", priority=50, **more):
    return [Planned(action, (rule,), priority, **more) for action in actions]


def test_one_route_for_each_peer():
    found, dropped = plan([Route(("A", "B"), "C", 3)], R, FREE)
    assert found == (
        Planned(Route(("A",), "C", 3), ("r",), 3),
        Planned(Route(("B",), "C", 3), ("r",), 3),
    )
    assert dropped == ()


def test_nothing_goes_back():
    actions = [Route(("PACS", "OTHER"), "AI"), Route(("AI",)), Deidentify("basic", ("RESEARCH", "PACS"))]
    found, dropped = plan(actions, R, LOOP)
    assert [one.action for one in found] == [Route(("OTHER",)), Deidentify("basic", ("RESEARCH",))]
    assert dropped == tuple(Dropped("r", peer, "it came from there") for peer in ("PACS", "AI", "AI", "PACS"))


def test_a_copy_that_goes_nowhere_is_made_only_to_be_kept():
    assert plan([Deidentify("basic", ("PACS",))], R, LOOP)[0] == ()
    assert plan([Deidentify("basic", ("PACS",), keep=True)], R, LOOP)[0][0].action == Deidentify(
        "basic", keep=True
    )


def test_what_a_person_uploaded_is_held_not_discarded():
    upload = Origins(frozenset(), "a person uploaded it", {})
    (one,), _ = plan([Discard("junk")], R, upload)
    assert one.action == Hold("a person uploaded it, so it is not discarded")


def test_what_holds_does_not_wait_for_a_window():
    found, _ = plan([Hold("look"), Tag("x")], Asking("r", 50, NIGHT), FREE)
    assert [one.not_before for one in found] == [None, NIGHT]


def test_the_same_is_done_once_and_soonest():
    first = planned(Route(("A",)), rule="one", priority=60, not_before=NIGHT)
    second = planned(Route(("A",), "B"), rule="two", priority=40)
    (one,) = merge([*first, *second])
    assert one == Planned(Route(("A",), "B"), ("one", "two"), 40)
    (one,) = merge(first + planned(Route(("A",)), not_before=NIGHT.replace(hour=20)))
    assert one.not_before == NIGHT.replace(hour=20)


def test_held_only_when_all_hold_it():
    held = planned(Infer("lung"), rule="one", held="unknown")
    assert merge(held)[0].held == "unknown"
    assert merge([*held, *planned(Infer("lung"), rule="two")])[0].held == ""


def test_one_copy_for_all_who_want_the_same_profile():
    (one,) = merge(planned(Deidentify("basic", ("A",)), Deidentify("basic", ("B", "A"), "C", keep=True)))
    assert one.action == Deidentify("basic", ("A", "B"), "C", keep=True)
    assert len(merge(planned(Deidentify("basic", ("A",)), Deidentify("strict", ("A",))))) == 2


def test_a_hold_holds_every_delivery_and_no_label():
    actions = (Route(("A",)), Hold("look"), Tag("x"), Assign("North"), Infer("lung"), Discard("junk"))
    found = merge(planned(*actions))
    assert {type(one.action).__name__: one.held for one in found} == {
        "Route": "look",
        "Hold": "",
        "Tag": "",
        "Assign": "",
        "Infer": "look",
        "Discard": "look",
    }


def test_a_hold_that_is_held_itself_holds_nothing():
    found = merge(planned(Hold("look"), held="unknown") + planned(Route(("A",))))
    assert [one.held for one in found] == ["unknown", ""]


def test_discarding_comes_last_and_once():
    found = merge(planned(Discard("junk"), Route(("A",)), Discard("more"), Tag("x")))
    assert [one.action for one in found] == [Route(("A",)), Tag("x"), Discard("junk")]


def test_plain():
    one = Planned(Route(("A",)), ("r",), 3, NIGHT, "look")
    assert one.plain() == {
        "action": "route",
        "to": ["A"],
        "rules": ["r"],
        "priority": 3,
        "not_before": "2024-03-01T22:00:00",
        "held": "look",
    }
