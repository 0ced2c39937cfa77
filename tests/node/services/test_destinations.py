"""Destinations as an administrator handles them, on both databases."""

from datetime import timedelta

import pytest

from node.core import clock
from node.core.errors import UserError
from node.root import Node
from node.services import destinations
from node.services.destinations import Settings
from node.services.standing import State
from tests.support.deliveries import (
    LEASE,
    NOW,
    SECOND,
    claim,
    delivered,
    finish,
    instances,
    lease,
    queue,
    states,
    waiting,
)


@pytest.fixture(autouse=True)
def _still(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clock, "now", lambda: NOW)


def know(node: Node, name: str = "north") -> None:
    node.peers.add(name, ae_title=name.upper(), host="127.0.0.1", port=104)


def give_up(node: Node) -> None:
    """What its worker does after failures."""
    with node.archive.begin() as tx:
        (held,) = tx.destinations.lease("w", NOW, NOW + LEASE, 1)
        later = NOW + timedelta(hours=1)
        tx.destinations.trouble(held.name, "w", failures=3, error="it is off", opened_at=NOW, probe_at=later)
        tx.destinations.release(held.name, "w")
        tx.commit()


def test_each_is_listed_with_what_waits_for_it(node: Node):
    know(node)
    places = instances(node.archive, each=3)
    queue(node.archive, places, queued_at=NOW - SECOND)
    queue(node.archive, places[:1], "south", held="look at it")
    north, south = destinations.list_(node)
    assert (north.name, north.state, north.queued, north.oldest) == ("north", State.QUEUED, 3, NOW - SECOND)
    assert (south.name, south.state, south.held, south.oldest) == ("south", State.UNKNOWN, 1, None)


def test_the_oldest_may_be_on_its_way_or_wait(node: Node):
    know(node)
    queue(node.archive, instances(node.archive, each=2), queued_at=NOW - SECOND)
    home = lease(node.archive)
    (parcel,) = claim(node.archive, home.id, limit=1)
    found = destinations.get(node, "north")
    assert (found.state, found.sending, found.queued, found.oldest) == (State.SENDING, 1, 1, NOW - SECOND)
    finish(node.archive, [waiting(parcel, NOW + SECOND)])
    found = destinations.get(node, "north")
    assert (found.waiting, found.queued, found.oldest) == (1, 1, NOW - SECOND)


def test_one_that_is_not_there(node: Node):
    with pytest.raises(UserError, match="is not known"):
        destinations.get(node, "north")
    know(node)
    with pytest.raises(UserError, match="nothing has been sent to this peer"):
        destinations.get(node, "north")
    with pytest.raises(UserError, match="is not known"):
        destinations.pause(node, "south", "me")
    with pytest.raises(UserError, match="is not known"):
        destinations.replay(node, "south", NOW, NOW + SECOND, "me")


def test_what_is_set_stays_and_the_rest_is_as_it_was(node: Node):
    know(node)
    window = {"hours": ["22:00-06:00"], "weekdays": ["sat"]}
    syntaxes = ["JPEGLosslessSV1", "1.2.840.10008.1.2.1", "JPEGLosslessSV1"]
    changed = destinations.set_(
        node,
        "north",
        Settings(associations=4, rate=2.5, window=window, syntaxes=syntaxes, commitment=True),
        "me",
    )
    assert (changed.associations, changed.rate, changed.commitment) == (4, 2.5, True)
    assert changed.window == {"hours": ["22:00-06:00"], "weekdays": ["Saturday"]}
    assert changed.syntaxes == ("1.2.840.10008.1.2.4.70", "1.2.840.10008.1.2.1")
    destinations.set_(node, "north", Settings(window={}, syntaxes=[]), "me")
    found = destinations.get(node, "north").settings
    assert (found.associations, found.window, found.syntaxes) == (4, None, ())


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        (Settings(), "nothing is to be set"),
        (Settings(associations=17), "associations: expected 0"),
        (Settings(associations=-1), "associations: expected 0"),
        (Settings(rate=-1.0), "rate: expected 0"),
        (Settings(rate=float("nan")), "rate: expected 0"),
        (Settings(window={"hours": ["22-6"]}), "window: '22-6' is not a span of hours"),
        (Settings(window={"weekdays": ["someday"]}), "window: 'someday' is not a day"),
        (Settings(syntaxes=["JPEG"]), "JPEG: no transfer syntax; expected a keyword or UID"),
        (Settings(syntaxes=["1.2.840.10008.1.1"]), "1.2.840.10008.1.1: no transfer syntax"),
    ],
)
def test_what_cannot_be_set_is_told(node: Node, settings: Settings, said: str):
    know(node)
    with pytest.raises(UserError, match=said):
        destinations.set_(node, "north", settings, "me")
    with node.archive.read() as tx:
        assert tx.destinations.get("north") is None


def test_one_that_is_paused_is_left_alone(node: Node):
    know(node)
    queue(node.archive, instances(node.archive))
    assert destinations.pause(node, "north", "me").paused
    assert destinations.get(node, "north").state is State.PAUSED
    with node.archive.begin() as tx:
        assert tx.destinations.lease("w", NOW, NOW + LEASE, 1) == []
    assert not destinations.resume(node, "north", "me").paused
    assert lease(node.archive).name == "north"


def test_one_that_is_resumed_is_probed_at_once(node: Node):
    know(node)
    queue(node.archive, instances(node.archive))
    give_up(node)
    found = destinations.get(node, "north")
    assert (found.state, found.troubled) == (State.DOWN, True)
    with node.archive.begin() as tx:
        assert tx.destinations.lease("w", NOW, NOW + LEASE, 1) == []
    destinations.resume(node, "north", "me")
    held = lease(node.archive)
    assert (held.opened_at, held.probe_at) == (NOW, NOW)


def test_a_window_of_time_is_sent_again(node: Node):
    know(node)
    numbers = queue(node.archive, instances(node.archive, each=3))
    with node.archive.begin() as tx:
        tx.ledger.cancel(ids=numbers[2:], at=NOW)
        tx.commit()
    home = lease(node.archive)
    finish(node.archive, [delivered(each) for each in claim(node.archive, home.id)])
    assert destinations.replay(node, "north", NOW + SECOND, NOW + LEASE, "me") == 0
    assert destinations.replay(node, "north", NOW, NOW + LEASE, "me") == 2
    assert states(node.archive) == ["queued", "queued", "cancelled"]
    with pytest.raises(UserError, match="ends before it begins"):
        destinations.replay(node, "north", NOW, NOW, "me")


def test_a_destination_without_its_peer_can_still_be_paused(node: Node):
    queue(node.archive, instances(node.archive), "gone")
    assert destinations.pause(node, "gone", "me").paused


def test_who_did_what_is_kept(node: Node):
    queue(node.archive, instances(node.archive))
    destinations.set_(node, "north", Settings(rate=5), "ann")
    destinations.pause(node, "north", "ben")
    destinations.resume(node, "north", "cleo")
    destinations.replay(node, "north", NOW, NOW + LEASE, "dan")
    with node.archive.read() as tx:
        entries = tx.audit.list(subject="destination north")[::-1]
    assert [(each.actor, each.action) for each in entries] == [
        ("ann", "destination.set"),
        ("ben", "destination.pause"),
        ("cleo", "destination.resume"),
        ("dan", "destination.replay"),
    ]
    assert entries[0].detail == {"rate": 5}
    assert entries[3].detail["count"] == 0
