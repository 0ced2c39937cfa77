from collections.abc import Mapping

import pytest

from storage.archive import Archive
from storage.records.deliveries import Committed, DeliveryState, Result, Tally
from tests.support.deliveries import (
    LEASE,
    NOW,
    SECOND,
    W1,
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

DAY = 1440 * LEASE


def some(archive: Archive) -> dict[str, int]:
    """A delivery to north in each state; return its number by that."""
    places = instances(archive, each=8)
    names = ["delivered", "waiting", "dead", "sending", "queued", "cancelled"]
    numbers = dict(zip(names, queue(archive, places[:6], priority=10), strict=True))
    numbers["diverted"] = queue(archive, places[:7], alternate="south")[6]
    numbers["held"] = queue(archive, places, held="is it a head?")[7]
    home = lease(archive)
    one, two, three, _ = claim(archive, home.id, limit=4)
    dead = Result(three, DeliveryState.DEAD, NOW, 0xA900, "does not match", failed=True)
    finish(archive, [delivered(one), waiting(two, NOW + LEASE), dead], commitment=True)
    with archive.begin() as tx:
        tx.ledger.cancel(ids=[numbers["cancelled"]], at=NOW)
        tx.deliveries.divert(home.id, NOW)
        tx.commit()
    assert {name: get(archive, number).state.value for name, number in numbers.items()} == {
        name: name for name in numbers
    }
    return numbers


def counts(archive: Archive, name: str = "north") -> Mapping[DeliveryState, int]:
    with archive.read() as tx:
        return tx.ledger.counts(ended=True)[name]


def tally(archive: Archive, missing: int = 10) -> Tally:
    with archive.read() as tx:
        return tx.ledger.tally("north", NOW, NOW + DAY, missing)


def test_a_delivery_is_told_as_it_stands(archive: Archive) -> None:
    numbers = some(archive)
    told = get(archive, numbers["delivered"])
    assert (told.sop_instance_uid, told.destination, told.rules) == ("1.2.1.1.1", "north", ("a rule",))
    assert (told.attempts, told.worker, told.status, told.ended_at) == (1, W1, 0, NOW)
    assert told.committed is Committed.DUE
    assert get(archive, numbers["held"]).words == "is it a head?"
    with archive.read() as tx:
        assert tx.ledger.get(10**6) is None
        (one, other) = tx.ledger.of_instance(get(archive, numbers["diverted"]).instance_row)
    assert (one.destination, other.destination, other.instead_of) == ("north", "south", one.id)


def test_deliveries_are_listed_by_what_is_asked(archive: Archive) -> None:
    numbers = some(archive)
    other = queue(archive, instances(archive, study=2), "east")
    with archive.read() as tx:
        ledger = tx.ledger
        assert [each.id for each in ledger.list(destination="north")] == sorted(numbers.values())
        assert [each.id for each in ledger.list(destination="east")] == other
        assert ledger.list(destination="nowhere") == []
        for state in DeliveryState:
            found = ledger.list(destination="north", state=state)
            assert [each.id for each in found] == [numbers[state.value]]
        assert [each.id for each in ledger.list(study_uid="1.2.2")] == other
        assert len(ledger.list(study_uid="1.2.1")) == 9
        assert [each.destination for each in ledger.list(sop_instance_uid="1.2.1.1.7")] == ["north", "south"]
        first = ledger.list(limit=4)
        rest = ledger.list(after=first[-1].id)
        assert [each.id for each in [*first, *rest]] == [each.id for each in ledger.list()]


def test_what_was_discarded_is_still_told_by_its_uids(archive: Archive) -> None:
    (place,) = instances(archive)
    (number,) = queue(archive, [place])
    with archive.begin() as tx:
        assert tx.discards.discard(place.instance_row, "a test image", "someone", NOW)
        tx.commit()
    assert get(archive, number).sop_instance_uid == "1.2.1.1.1"
    with archive.read() as tx:
        assert [each.id for each in tx.ledger.list(study_uid="1.2.1")] == [number]
        assert [each.id for each in tx.ledger.list(sop_instance_uid="1.2.1.1.1")] == [number]
        (left,) = tx.discards.of("1.2.1.1.1")
        assert [each.id for each in tx.ledger.of_instance(-left.id)] == [number]
        assert tx.ledger.tally("north", NOW, NOW + DAY, 5).missing == ("1.2.1.1.1",)


def test_deliveries_are_counted(archive: Archive) -> None:
    some(archive)
    with archive.begin() as tx:
        tx.destinations.of("idle")
        tx.commit()
    assert counts(archive) == dict.fromkeys(DeliveryState, 1)
    assert counts(archive, "south") == {**dict.fromkeys(DeliveryState, 0), DeliveryState.QUEUED: 1}
    with archive.read() as tx:
        open_only = tx.ledger.counts()
    assert list(open_only) == ["idle", "north", "south"]
    assert set(open_only["north"]) == {
        DeliveryState.HELD,
        DeliveryState.WAITING,
        DeliveryState.QUEUED,
        DeliveryState.SENDING,
        DeliveryState.DEAD,
    }
    assert set(open_only["north"].values()) == {1}
    assert set(open_only["idle"].values()) == {0}


def test_the_oldest_that_is_to_be_sent_is_told(archive: Archive) -> None:
    first, second, third = instances(archive, each=3)
    queue(archive, [first], held="?")
    queue(archive, [first, second], queued_at=NOW + LEASE)
    queue(archive, [third], "south", queued_at=NOW + 2 * LEASE, due=NOW + DAY)
    with archive.read() as tx:
        assert tx.ledger.oldest() == {"north": NOW + LEASE, "south": NOW + 2 * LEASE}


def test_a_person_tries_again(archive: Archive) -> None:
    numbers = some(archive)
    later = NOW + DAY
    with archive.begin() as tx:
        assert tx.ledger.retry(ids=[numbers["queued"], numbers["sending"], numbers["held"]], at=later) == 0
        assert tx.ledger.retry(ids=[numbers["dead"]], destination="south", at=later) == 0
        assert tx.ledger.retry(destination="nowhere", at=later) == 0
        assert tx.ledger.retry(ids=[numbers["dead"]], at=later) == 1
        assert tx.ledger.retry(destination="north", at=later) == 2
        for state in (DeliveryState.SENDING, DeliveryState.QUEUED, DeliveryState.HELD):
            with pytest.raises(ValueError, match=f"tried again: {state}"):
                tx.ledger.retry(states=(state,), at=later)
        assert tx.ledger.retry(states=(DeliveryState.DELIVERED,), at=later) == 1
        tx.commit()
    for name in ("dead", "waiting", "delivered"):
        again = get(archive, numbers[name])
        assert (again.state, again.failures, again.due, again.status) == ("queued", 0, None, None)
        assert (again.queued_at, again.committed) == (NOW, Committed.NOT_ASKED)
        assert attempts(archive, numbers[name]) == [(1, name)]
    assert attempts(archive, numbers["cancelled"]) == [(0, "cancelled")]
    with archive.read() as tx:
        home = tx.destinations.of("north")
    # They go behind what was there, and their age counts from now.
    order = [parcel for _ in range(9) for parcel in claim(archive, home, limit=1)]
    assert {parcel.queued_at for parcel in order if parcel.id == numbers["dead"]} == {later}
    assert order[-1].queued_at == later


def test_a_person_cancels_what_is_open(archive: Archive) -> None:
    numbers = some(archive)
    with archive.begin() as tx:
        with pytest.raises(ValueError, match="which deliveries"):
            tx.ledger.cancel(at=NOW)
        assert tx.ledger.cancel(study_uid="1.2.9", at=NOW) == 0
        assert tx.ledger.cancel(ids=[numbers["waiting"], numbers["dead"]], at=NOW + SECOND) == 1
        assert tx.ledger.cancel(study_uid="1.2.1", destination="north", at=NOW + SECOND) == 3
        assert tx.ledger.cancel(study_uid="1.2.1", at=NOW + SECOND) == 1  # that of south
        tx.commit()
    cancelled = get(archive, numbers["waiting"])
    assert (cancelled.due, cancelled.ended_at, cancelled.words) == (None, NOW + SECOND, "cancelled")
    assert attempts(archive, numbers["waiting"]) == [(1, "waiting")]
    assert counts(archive)[DeliveryState.CANCELLED] == 5


def test_what_was_held_is_released_to_its_time(archive: Archive) -> None:
    first, second, other = [*instances(archive, each=2), *instances(archive, study=2)]
    now, later = (
        queue(archive, [first], held="?"),
        queue(archive, [first, second], held="?", due=NOW + DAY)[1:],
    )
    queue(archive, [first, second, other], held="?")
    with archive.begin() as tx:
        with pytest.raises(ValueError, match="which deliveries"):
            tx.ledger.release(at=NOW)
        assert tx.ledger.release(study_uid="1.2.1", at=NOW + LEASE) == 2
        assert tx.ledger.release(study_uid="1.2.1", at=NOW + LEASE) == 0
        tx.commit()
    released, patient = get(archive, now[0]), get(archive, later[0])
    assert (released.state, released.words, released.due) == ("queued", "", None)
    assert (patient.state, patient.words, patient.due) == ("waiting", "", NOW + DAY)
    assert states(archive) == ["queued", "waiting", "held"]
    assert attempts(archive, now[0]) == []


def test_a_window_is_sent_again(archive: Archive) -> None:
    numbers = some(archive)
    outside = queue(archive, instances(archive, study=2), queued_at=NOW + DAY)
    with archive.begin() as tx:
        assert tx.ledger.replay("nowhere", NOW, NOW + DAY, NOW, "someone") == 0
        assert tx.ledger.replay("north", NOW + SECOND, NOW + DAY, NOW, "someone") == 0
        assert tx.ledger.replay("north", NOW, NOW + DAY, NOW + DAY, "someone") == 3
        assert tx.ledger.replay("north", NOW, NOW + DAY, NOW + DAY, "someone") == 0
        told = tx.ledger.attempts(numbers["delivered"])
        tx.commit()
    assert [(each.state, each.status) for each in told] == [("delivered", 0), ("replayed", None)]
    assert told[1].words == "sent again by someone"
    again = get(archive, numbers["delivered"])
    assert (again.state, again.queued_at, again.attempts) == ("queued", NOW, 1)
    assert outside


def test_a_tally_says_what_became_of_all(archive: Archive) -> None:
    some(archive)
    queue(archive, instances(archive, study=2), queued_at=NOW + DAY)  # after the window
    whole = tally(archive)
    assert whole == Tally(
        received=8,
        forwarded=1,
        open=3,
        held=1,
        dead=1,
        cancelled=1,
        diverted=1,
        missing=tuple(f"1.2.1.1.{n}" for n in (2, 3, 4, 5, 6, 8)),
    )
    assert tally(archive, 2).missing == whole.missing[:2]
    assert tally(archive, 0).missing == ()
    with archive.begin() as tx:
        tx.ledger.replay("north", NOW, NOW + DAY, NOW + DAY, "someone")
        tx.commit()
    again = tally(archive)  # of the same deliveries
    assert (again.received, again.forwarded, again.open, again.diverted) == (8, 0, 6, 0)
    with archive.read() as tx:
        assert tx.ledger.tally("nowhere", NOW, NOW + DAY, 1) == Tally(0, 0, 0, 0, 0, 0, 0, ())


def test_what_stands_open_is_counted_by_indexes(archive: Archive) -> None:
    some(archive)
    with archive.begin() as tx:
        ran = watch(tx)
        tx.ledger.counts()
        tx.ledger.list(state=DeliveryState.DEAD)
        tx.ledger.list(state=DeliveryState.HELD, destination="north")
        looks = plans(tx, [each for each in ran if "delivery" in each[0]])
    assert len(looks) == 7
    assert [plan for plan in looks if "ix_delivery_" not in plan] == []


def test_what_was_queued_in_some_time_is_found_by_an_index(archive: Archive) -> None:
    some(archive)
    with archive.begin() as tx:
        ran = watch(tx)
        tx.ledger.tally("north", NOW, NOW + DAY, 10)
        tx.ledger.replay("north", NOW - DAY, NOW, NOW + DAY, "me")
        looks = plans(tx, [each for each in ran if "queued_at >=" in each[0]])
    assert len(looks) == 3
    assert [plan for plan in looks if "ix_delivery_queued_at" not in plan] == []
