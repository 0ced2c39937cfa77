import pytest

from storage.archive import Archive
from storage.records.deliveries import DeliveryState
from storage.records.tables import delivery
from tests.support.deliveries import (
    NOW,
    SECOND,
    W2,
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
    waiting,
    watch,
)


def test_each_series_goes_in_the_order_of_its_instances(archive: Archive) -> None:
    places = instances(archive, series=2, each=3)
    first, second = places[:3], places[3:]
    queue(archive, second[::-1], queued_at=NOW + SECOND)  # numbered 1 to 3 against their rows
    queue(archive, first)
    home = lease(archive)
    one = claim(archive, home.id, limit=2)
    assert [parcel.instance_row for parcel in one] == [place.instance_row for place in first[:2]]
    other = claim(archive, home.id, busy=[one[0].series_row])
    assert [parcel.instance_row for parcel in other] == [place.instance_row for place in second[::-1]]
    assert claim(archive, home.id, busy=[one[0].series_row, other[0].series_row]) == []
    assert [parcel.instance_row for parcel in claim(archive, home.id)] == [first[2].instance_row]
    assert states(archive) == ["sending"] * 6


def test_what_is_urgent_goes_first(archive: Archive) -> None:
    ordinary, urgent = instances(archive, series=2)
    queue(archive, [ordinary])
    queue(archive, [urgent], priority=0, queued_at=NOW + 60 * SECOND)
    home = lease(archive)
    assert [claim(archive, home.id)[0].instance_row for _ in range(2)] == [
        urgent.instance_row,
        ordinary.instance_row,
    ]


def test_a_parcel_has_all_that_sending_needs(archive: Archive) -> None:
    (place,) = instances(archive)
    (number,) = queue(archive, [place], alternate="south", priority=7)
    (parcel,) = claim(archive, lease(archive).id)
    assert (parcel.id, parcel.attempt, parcel.failures, parcel.priority) == (number, 1, 0, 7)
    assert (parcel.queued_at, parcel.received_at, parcel.alternate) == (NOW, NOW, "south")
    assert (parcel.instance_row, parcel.series_row) == (place.instance_row, place.series_row)
    assert parcel.study_instance_uid == "1.2.1"
    assert parcel.series_instance_uid == "1.2.1.1"
    assert parcel.sop_instance_uid == "1.2.1.1.1"
    assert (parcel.blob.offset, parcel.blob.size, len(parcel.blob.digest)) == (350, 1000, 64)
    assert parcel.blob.key
    assert parcel.sop_class_uid
    assert parcel.transfer_syntax_uid


def test_the_attempt_before_is_kept_when_the_next_begins(archive: Archive) -> None:
    (number,) = queue(archive, instances(archive))
    home = lease(archive)
    for n in (1, 2, 3):
        (parcel,) = claim(archive, home.id)
        assert (parcel.attempt, parcel.failures) == (n, n - 1)
        finish(archive, [waiting(parcel, NOW, NOW + n * SECOND)])
        with archive.begin() as tx:
            assert tx.deliveries.promote(home.id, NOW) == 1
            tx.commit()
    assert attempts(archive, number) == [(1, "waiting"), (2, "waiting"), (3, "waiting")]


def test_who_lost_the_destination_gets_nothing(archive: Archive) -> None:
    queue(archive, instances(archive))
    home = lease(archive)
    assert claim(archive, home.id, W2) == []
    with archive.begin() as tx:
        assert tx.destinations.release("north", "w1")
        tx.commit()
    assert claim(archive, home.id) == []
    assert states(archive) == ["queued"]


def test_what_lost_its_instance_is_dead_and_the_rest_goes_on(archive: Archive) -> None:
    lost, there = instances(archive, series=2)
    numbers = queue(archive, [lost, there])
    with archive.begin() as tx:
        tx.connection.execute(
            delivery.update().where(delivery.c.id == numbers[0]).values(instance_row=-lost.instance_row)
        )
        tx.commit()
    (parcel,) = claim(archive, lease(archive).id)
    assert parcel.instance_row == there.instance_row
    dead = get(archive, numbers[0])
    assert (dead.state, dead.ended_at, dead.attempts) == (DeliveryState.DEAD, NOW, 0)
    assert "no longer in the archive" in dead.words


@pytest.mark.parametrize("busy", [(), (7, 8)])
def test_the_queue_is_read_by_its_indexes(archive: Archive, busy: tuple[int, ...]) -> None:
    """A hundred thousand that wait must not be read to find the next."""
    places = instances(archive, each=3)
    queue(archive, places)
    home = lease(archive)
    with archive.begin() as tx:
        ran = watch(tx)
        parcels = tx.deliveries.claim(home.id, "w1", NOW, 2, busy)
        assert len(parcels) == 2
        _, head, rows, joined, changed = plans(tx, [each for each in ran if not each[0].startswith("INSERT")])
    assert "ix_delivery_queue" in head
    assert "ix_delivery_series" in rows
    for plan in (head, rows):
        assert "TEMP B-TREE" not in plan
        assert "Sort" not in plan
    for plan in (joined, changed):
        assert "pk_delivery" in plan or "USING INTEGER PRIMARY KEY" in plan
    finish(archive, [delivered(parcel) for parcel in parcels])
