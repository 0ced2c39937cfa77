"""On things that are alike is decided once, and nobody can tell."""

from datetime import UTC, datetime
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from node.rulings.book import InForce
from node.rulings.orders import About, Content, Orders
from node.rulings.saving import ruling
from node.rulings.sitting import Sitting
from rules.decisions import decide
from rules.facts import Facts, Needs
from rules.reading import read
from rules.symbols import On
from rules.unknown import Unknown
from storage.records.arrival import Place
from storage.records.rulings import Role, Ruling

AT = datetime(2026, 3, 1, 12, tzinfo=UTC)
TITLES = {"PACS": "PACS_AE", "ARCHIVE": "ARCHIVE_AE"}
RULES = """
[[rule]]
name = "CT"
when = 'Modality == "CT" and SliceThickness <= 1'
then = [{ action = "route", to = "PACS" }]

[[rule]]
name = "named"
when = '"urgent" in labels or StationName == "ROOM1"'
then = [{ action = "route", to = "ARCHIVE" }, { action = "tag", label = "seen" }]
unknown = "skip"
"""
ONE = InForce(Role.ACTIVE, 7, read(RULES).ruleset(), Needs({}, {}))

VALUES = {
    "Modality": st.sampled_from(["CT", "MR", ""]),
    "SliceThickness": st.sampled_from(
        ["1", "1.0", "2", 1, 1.0, True, Unknown("x"), Unknown("x", absent=True)]
    ),
    "StationName": st.sampled_from(["ROOM1", "ROOM2", ["ROOM1"], "ROOM1\0", None]),
    "labels": st.sampled_from([[], ["urgent"], "urgent", ("urgent",), [1], [True]]),
    "origin.way": st.sampled_from(["dimse", "upload", "derived"]),
    "origin.path": st.sampled_from([[], ["PACS_AE"], ["a", "b"], ["a\\b"]]),
    "PatientName": st.text(max_size=3),  # no rule looks at it
}
FACTS = st.fixed_dictionaries({}, optional=VALUES)


def about(row: int) -> About:
    return About("instance", row, 1, (Content(Place(row, 2, 1), row),))


def alone(facts: Facts, about: About, found: Orders) -> Ruling:
    decided = decide(ONE.ruleset, facts, AT.astimezone(), On.INSTANCE, TITLES)
    for planned in decided.actions:
        found.add(planned, about, AT)
    return ruling(decided, ONE, about.level, about.row, AT)


@given(st.lists(FACTS, max_size=12))
def test_each_gets_what_it_would_get_alone(many: list[dict[str, Any]]) -> None:
    sitting = Sitting([ONE], On.INSTANCE, AT, TITLES)
    together, apart = Orders(), Orders()
    for row, values in enumerate(many):
        facts = Facts(values)
        (kept,) = sitting.decide(facts, about(row), together)
        expected = alone(facts, about(row), apart)
        # Numbers that are equal are not the same here.
        assert repr(kept) == repr(expected)
    assert repr(together) == repr(apart)


def test_what_is_alike_is_decided_on_once() -> None:
    sitting = Sitting([ONE], On.INSTANCE, AT, TITLES)
    first, second, other = (
        sitting.decide(Facts({"Modality": modality, "PatientName": name}), about(row), Orders())[0]
        for row, (modality, name) in enumerate([("CT", "A"), ("CT", "B"), ("MR", "A")])
    )
    assert first.seen is second.seen
    assert (first.row, second.row) == (0, 1)
    assert other.seen is not first.seen
