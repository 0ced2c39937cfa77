"""Deliveries as an administrator handles them, on both databases."""

import pytest

from node.core.errors import UserError
from node.root import Node
from node.services import deliveries
from storage.records.deliveries import DeliveryState
from tests.support.deliveries import NOW, claim, delivered, finish, instances, lease, queue, states, waiting


def test_they_are_listed_by_what_they_are_about(node: Node):
    first, second = instances(node.archive, each=2)
    other = instances(node.archive, study=2)
    north = queue(node.archive, [first, second])
    queue(node.archive, other, held="look at it")
    queue(node.archive, [first], "south")
    assert len(deliveries.list_(node)) == 4
    assert [each.id for each in deliveries.list_(node, destination="north", study_uid="1.2.1")] == north
    assert [each.destination for each in deliveries.list_(node, sop_instance_uid="1.2.1.1.1")] == [
        "north",
        "south",
    ]
    assert [each.words for each in deliveries.list_(node, state=DeliveryState.HELD)] == ["look at it"]
    assert [each.id for each in deliveries.list_(node, limit=1, after=north[0])] == north[1:]


def test_one_is_shown_with_its_attempts(node: Node):
    (number,) = queue(node.archive, instances(node.archive))
    home = lease(node.archive)
    finish(node.archive, [waiting(claim(node.archive, home.id)[0], NOW)])
    with node.archive.begin() as tx:
        tx.deliveries.promote(home.id, NOW)
        tx.commit()
    found = deliveries.get(node, number)
    assert found.delivery.state is DeliveryState.QUEUED
    assert [(each.status, each.words) for each in found.attempts] == [(0xA700, "out of resources")]
    with pytest.raises(UserError, match="there is none"):
        deliveries.get(node, number + 1)


def test_they_are_cancelled_and_tried_again(node: Node):
    ids = queue(node.archive, instances(node.archive, each=3))
    assert deliveries.cancel(node, "me", ids=ids[:1]) == 1
    assert states(node.archive) == ["cancelled", "queued", "queued"]
    assert deliveries.cancel(node, "me", study_uid="1.2.1") == 2
    assert deliveries.retry(node, "me", ids=ids[:1]) == 1
    assert deliveries.retry(node, "me", destination="north", states=[DeliveryState.DEAD]) == 0
    assert deliveries.retry(node, "me", destination="north") == 2
    assert deliveries.cancel(node, "me", destination="north") == 3


def test_they_are_released(node: Node):
    ids = queue(node.archive, instances(node.archive, each=3), held="look at it")
    assert deliveries.release(node, "me", ids=ids[:1]) == 1
    assert states(node.archive) == ["queued", "held", "held"]
    assert deliveries.release(node, "me", study_uid="1.2.1") == 2


def test_what_does_not_go_changes_nothing(node: Node):
    ids = queue(node.archive, instances(node.archive, each=2))
    home = lease(node.archive)
    finish(node.archive, [delivered(claim(node.archive, home.id, limit=1)[0])])
    with pytest.raises(UserError, match="it is delivered, so it cannot be cancelled; nothing was changed"):
        deliveries.cancel(node, "me", ids=ids)
    with pytest.raises(UserError, match="it is delivered, so it cannot be tried again"):
        deliveries.retry(node, "me", ids=ids)
    with pytest.raises(UserError, match="so it cannot be released"):
        deliveries.release(node, "me", ids=ids)
    with pytest.raises(UserError, match="there is none"):
        deliveries.cancel(node, "me", ids=[*ids[1:], 10**6])
    assert states(node.archive) == ["delivered", "queued"]


def test_what_is_not_said_is_not_everything(node: Node):
    for call in (deliveries.retry, deliveries.cancel, deliveries.release):
        with pytest.raises(UserError, match="say which deliveries"):
            call(node, "me")


def test_who_did_what_is_kept(node: Node):
    ids = queue(node.archive, instances(node.archive, each=2))
    deliveries.cancel(node, "ann", ids=ids[:1])
    deliveries.retry(node, "ben", destination="north", states=[DeliveryState.CANCELLED])
    deliveries.release(node, "cleo", study_uid="1.2.1")
    with pytest.raises(UserError):
        deliveries.release(node, "dan", ids=ids)
    with node.archive.read() as tx:
        entries = tx.audit.list()[::-1]
    assert [(each.actor, each.action, each.subject, each.detail["count"]) for each in entries] == [
        ("ann", "deliveries.cancel", f"delivery {ids[0]}", 1),
        ("ben", "deliveries.retry", "destination north", 1),
        ("cleo", "deliveries.release", "1.2.1", 0),
    ]
