import pytest

from node.core.errors import UserError
from node.services.shadowing import compare
from storage.records.rulings import Role
from tests.node.rulings.test_settler import settle
from tests.support.ruled import Ruled
from tests.support.samples import ct, mr

CT = """
[[rule]]
name = "CT"
when = 'Modality == "CT"'
then = [{ action = "route", to = "PACS" }]
"""
ALL = """
[[rule]]
name = "all"
when = 'Modality in ["CT", "MR"]'
then = [{ action = "route", to = "PACS" }, { action = "tag", label = "all" }]

[[rule]]
name = "studies"
on = "study"
when = "study.instances > 0"
then = [{ action = "hold", reason = "look" }]
"""


def test_without_a_shadow_there_is_nothing_to_compare(ruled: Ruled):
    with pytest.raises(UserError, match="isocentre rules shadow FILE"):
        compare(ruled.archive)


def test_what_the_shadow_does_otherwise_is_counted(ruled: Ruled):
    ruled.apply(CT)
    ruled.send(ct(9))  # before there was a shadow
    shadow = ruled.apply(ALL, Role.SHADOW)
    ruled.send(ct(1), ct(2), mr(1))
    settle(ruled)
    found = compare(ruled.archive)
    assert (found.revision, found.decided, found.differing, found.actives) == (shadow, 4, 4, [1])
    told = {(each.action, each.what, each.level): each for each in found.changes}
    assert set(told) == {
        ("deliver", "to PACS", "instance"),
        ("tag", "all", "instance"),
        ("hold", "look", "study"),
    }
    deliver = told["deliver", "to PACS", "instance"]
    assert (deliver.new.number, deliver.missing.number, deliver.new.studies) == (1, 0, None)
    assert deliver.new.examples[0].endswith(".1.2.1")  # the MR
    assert told["tag", "all", "instance"].new.number == 3
    assert told["hold", "look", "study"].new.number == 1
    assert all(each.destination == "PACS" for each in ruled.deliveries())
    assert len(ruled.deliveries()) == 3  # the shadow did nothing


def test_a_shadow_that_agrees(ruled: Ruled):
    ruled.apply(CT)
    ruled.apply(CT.replace('name = "CT"', 'name = "the same by another name"'), Role.SHADOW)
    ruled.send(ct(1), mr(1))
    found = compare(ruled.archive)
    assert (found.decided, found.differing, found.changes) == (2, 0, [])


def test_a_shadow_alone_is_compared_with_nothing(ruled: Ruled):
    ruled.apply(CT, Role.SHADOW)
    ruled.send(ct(1), mr(1))
    found = compare(ruled.archive)
    assert (found.decided, found.differing, found.actives) == (2, 1, [])
    assert ruled.deliveries() == []
