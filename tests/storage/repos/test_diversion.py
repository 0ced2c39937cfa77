import pytest

from storage.archive import Archive
from storage.records.deliveries import DeliveryState, Result
from storage.repos import diversion
from tests.support.deliveries import (
    LEASE,
    NOW,
    SECOND,
    attempts,
    claim,
    delivered,
    finish,
    get,
    instances,
    lease,
    plans,
    queue,
    states,
    watch,
)


def divert(archive: Archive, name: str = "north") -> int:
    with archive.begin() as tx:
        diverted = tx.deliveries.divert(tx.destinations.of(name), NOW + LEASE)
        tx.commit()
    return diverted


def test_what_has_an_alternate_goes_there(archive: Archive) -> None:
    places = instances(archive, each=3)
    (only,) = queue(archive, places[:1])
    diverted = queue(archive, places, alternate="south", priority=7, rules=("one", "two"))[1:]
    assert divert(archive) == 2
    assert states(archive) == ["queued", "diverted", "diverted"]
    old = get(archive, diverted[0])
    assert (old.words, old.ended_at, old.attempts) == ("it went to south instead", NOW + LEASE, 0)
    with archive.read() as tx:
        first, second = tx.ledger.list(destination="south")
    assert (first.instead_of, second.instead_of) == tuple(diverted)
    assert (first.state, first.priority, first.rules) == (DeliveryState.QUEUED, 7, ("one", "two"))
    assert (first.queued_at, first.alternate, first.words) == (NOW + LEASE, "", "")
    assert get(archive, only).state is DeliveryState.QUEUED
    assert divert(archive) == 0
    assert divert(archive, "south") == 0


def test_it_keeps_its_place_by_age(archive: Archive) -> None:
    old, young = instances(archive, series=2)
    queue(archive, [old], alternate="south")
    queue(archive, [young], "south", queued_at=NOW + SECOND)
    assert divert(archive) == 1
    with archive.begin() as tx:
        home = tx.destinations.of("south")
        tx.destinations.lease("w1", NOW, NOW + LEASE, 9)
        tx.commit()
    parcels = [claim(archive, home)[0] for _ in range(2)]
    assert [parcel.instance_row for parcel in parcels] == [old.instance_row, young.instance_row]
    assert parcels[0].queued_at == NOW


def test_where_the_alternate_gets_it_anyway_nothing_is_sent_twice(archive: Archive) -> None:
    first, second = instances(archive, each=2)
    queue(archive, [first, second], "south")
    home = lease(archive)
    (one, _) = claim(archive, home.id)
    finish(archive, [delivered(one)])
    queue(archive, [first, second], alternate="south")
    assert divert(archive) == 2
    assert states(archive) == ["diverted", "diverted"]
    assert states(archive, "south") == ["delivered", "sending"]


def test_where_the_alternate_cannot_or_must_not_have_it_it_stays(archive: Archive) -> None:
    first, second = instances(archive, each=2)
    dead, cancelled = queue(archive, [first, second], "south")
    home = lease(archive)
    (one, _) = claim(archive, home.id)
    finish(archive, [Result(one, DeliveryState.DEAD, NOW, 0xA900)])
    with archive.begin() as tx:
        tx.ledger.cancel(ids=[cancelled], at=NOW)
        tx.commit()
    queue(archive, [first, second], alternate="south")
    assert divert(archive) == 0
    assert states(archive) == ["queued", "queued"]
    assert dead


def test_the_alternate_of_itself_is_none(archive: Archive) -> None:
    queue(archive, instances(archive), alternate="north")
    assert divert(archive) == 0
    assert states(archive) == ["queued"]


def test_an_attempt_before_is_kept(archive: Archive) -> None:
    (number,) = queue(archive, instances(archive), alternate="south")
    (parcel,) = claim(archive, lease(archive).id)
    finish(archive, [Result(parcel, DeliveryState.QUEUED, NOW, words="no route")])
    assert divert(archive) == 1
    assert attempts(archive, number) == [(1, "queued")]


def test_many_go_in_parts_and_what_stays_is_in_nobodys_way(
    archive: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(diversion, "AT_ONCE", 2)
    places = instances(archive, each=5)
    stays = queue(archive, places[:2], "south")
    queue(archive, places, alternate="south")
    with archive.begin() as tx:
        assert tx.ledger.cancel(ids=stays, at=NOW) == 2
        tx.commit()
    assert [divert(archive) for _ in range(3)] == [2, 1, 0]
    assert states(archive) == ["queued"] * 2 + ["diverted"] * 3


def test_those_with_an_alternate_are_found_by_an_index_of_their_own(archive: Archive) -> None:
    queue(archive, instances(archive, each=2), alternate="south")
    with archive.begin() as tx:
        home = tx.destinations.of("north")
        ran = watch(tx)
        assert tx.deliveries.divert(home, NOW) == 2
        looks = plans(tx, [each for each in ran if "FROM delivery" in each[0] and "DISTINCT" in each[0]])
        first = plans(tx, [each for each in ran if "EXISTS" in each[0]])
    assert len(looks) == len(first) == 1
    assert "ix_delivery_alternate" in looks[0]
    assert "ix_delivery_alternate" in first[0]
