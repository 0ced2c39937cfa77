"""The rule sets in force, and what they want read."""

import pytest

from node.core import clock
from node.intake.wants import NOTHING
from node.rulings.book import FRESH, Book, wants_of
from rules.problems import BadRules
from storage.errors import Unavailable
from storage.records.rulings import Role
from tests.support.ruled import Ruled

BY_SERIAL = """
[[rule]]
name = "one scanner"
when = 'DeviceSerialNumber == "1"'
then = [{ action = "tag", label = "x" }]
"""
BY_PRIVATE = BY_SERIAL.replace("DeviceSerialNumber", 'private["0019,ACME,10"]')
INDEXED = BY_SERIAL.replace("DeviceSerialNumber", "Modality")


def later(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let as much time pass as anything is taken for granted."""
    now = clock.monotonic()
    monkeypatch.setattr(clock, "monotonic", lambda: now + FRESH)


def test_the_active_revision_comes_before_the_one_in_the_shadow(ruled: Ruled):
    shadow = ruled.apply(BY_SERIAL, Role.SHADOW)
    active = ruled.apply(INDEXED)
    with ruled.archive.read() as tx:
        found = ruled.book.in_force(tx)
        assert [(one.role, one.revision) for one in found] == [(Role.ACTIVE, active), (Role.SHADOW, shadow)]
        assert ruled.book.ruleset(tx, active) is found[0].ruleset
        with pytest.raises(KeyError):
            ruled.book.ruleset(tx, 99)


def test_only_what_is_not_indexed_is_wanted(ruled: Ruled):
    ruled.apply(INDEXED)
    assert ruled.book.wants() == NOTHING


def test_both_roles_are_wanted_for(ruled: Ruled):
    ruled.apply(BY_SERIAL)
    ruled.apply(BY_PRIVATE, Role.SHADOW)
    wants = ruled.book.wants()
    assert dict(wants.needs.tags) == {0x00181000: "DeviceSerialNumber"}
    assert dict(wants.needs.private) == {(0x0019, "ACME", 0x10): 'private["0019,ACME,10"]'}
    with ruled.archive.read() as tx:
        assert wants_of(ruled.book.in_force(tx)).digest == wants.digest


def test_a_change_is_seen_within_a_second(ruled: Ruled, monkeypatch: pytest.MonkeyPatch):
    assert ruled.book.wants() == NOTHING
    ruled.apply(BY_SERIAL)
    later(monkeypatch)
    assert ruled.book.wants().needs.tags


def test_what_was_wanted_stays_while_the_archive_is_away(ruled: Ruled, monkeypatch: pytest.MonkeyPatch):
    ruled.apply(BY_SERIAL)
    before = ruled.book.wants()
    later(monkeypatch)

    def away() -> None:
        raise Unavailable("gone")

    monkeypatch.setattr(ruled.archive, "read", away)  # a fault
    assert ruled.book.wants() == before


def test_titles_of_peers(ruled: Ruled, monkeypatch: pytest.MonkeyPatch):
    with ruled.archive.read() as tx:
        assert ruled.book.titles(tx) == {}
    ruled.peer("PACS", "PACS_AE")
    later(monkeypatch)
    with ruled.archive.read() as tx:
        assert ruled.book.titles(tx) == {"PACS": "PACS_AE"}


def test_a_revision_that_is_not_valid_any_more_says_so(ruled: Ruled):
    with ruled.archive.begin() as tx:
        kept = tx.rulesets.add(
            digest="",
            source="",
            plain={"format": 99},
            author="",
            note="",
            based_on=None,
            difference="",
            at=clock.now(),
        )
        tx.commit()
    with ruled.archive.read() as tx, pytest.raises(BadRules):
        Book(ruled.archive).ruleset(tx, kept.id)
