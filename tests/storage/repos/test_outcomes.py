from storage.archive import Archive
from storage.records.deliveries import Committed, DeliveryState, Result
from tests.support.deliveries import (
    LEASE,
    NOW,
    SECOND,
    W1,
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


def recovered(archive: Archive, worker: str = W2) -> int:
    """Let another worker take over."""
    with archive.begin() as tx:
        (held,) = tx.destinations.lease(worker, NOW + 9 * LEASE, NOW + 10 * LEASE, 1)
        count = tx.deliveries.recover(held.id, worker, NOW + 9 * LEASE)
        tx.commit()
    return count


def test_each_end_is_recorded_with_its_words(archive: Archive) -> None:
    numbers = queue(archive, instances(archive, each=4))
    home = lease(archive)
    one, two, three, four = claim(archive, home.id)
    results = [
        delivered(one),
        waiting(two, NOW + LEASE),
        Result(three, DeliveryState.DEAD, NOW, 0xA900, "does not match", failed=True),
        Result(four, DeliveryState.QUEUED, NOW, words="the association broke"),
    ]
    assert finish(archive, results, commitment=True) == []
    assert states(archive) == ["delivered", "waiting", "dead", "queued"]
    first, second, third, fourth = (get(archive, number) for number in numbers)
    assert (first.status, first.digest, first.transfer_syntax_uid) == (0, one.blob.digest, "1.2")
    assert (first.committed, first.ended_at, first.failures, first.worker) == (Committed.DUE, NOW, 0, W1)
    assert (second.due, second.failures, second.words) == (NOW + LEASE, 1, "out of resources")
    assert (third.status, third.due, third.failures) == (0xA900, None, 1)
    assert third.committed is Committed.NOT_ASKED
    assert (fourth.words, fourth.ended_at, fourth.failures) == ("the association broke", NOW, 0)
    assert [parcel.id for parcel in claim(archive, home.id)] == [fourth.id]
    assert attempts(archive, fourth.id) == [(1, "queued")]


def test_what_is_given_back_untouched_is_no_attempt(archive: Archive) -> None:
    (number,) = queue(archive, instances(archive))
    home = lease(archive)
    (parcel,) = claim(archive, home.id)
    assert finish(archive, [Result(parcel, DeliveryState.QUEUED, NOW)]) == []
    (again,) = claim(archive, home.id)
    assert (again.attempt, again.failures) == (2, 0)
    assert attempts(archive, number) == []


def test_one_that_waits_without_a_time_waits_no_longer(archive: Archive) -> None:
    queue(archive, instances(archive))
    home = lease(archive)
    finish(
        archive, [Result(parcel, DeliveryState.WAITING, NOW, 0xA700) for parcel in claim(archive, home.id)]
    )
    with archive.begin() as tx:
        assert tx.deliveries.promote(home.id, NOW) == 1


def test_what_a_lost_worker_says_later_is_written_down_and_changes_nothing(archive: Archive) -> None:
    first, second = queue(archive, instances(archive, each=2))
    home = lease(archive)
    one, two = claim(archive, home.id)
    assert recovered(archive) == 2
    results = [delivered(one), Result(two, DeliveryState.QUEUED, NOW)]
    for _ in range(2):  # the second time nothing is written again
        finish(archive, results)
    assert states(archive) == ["queued", "queued"]
    assert attempts(archive, first) == [(1, "lost"), (1, "late delivered")]
    assert attempts(archive, second) == [(1, "lost")]
    with archive.read() as tx:
        _, late = tx.ledger.attempts(first)
    assert (late.status, late.digest, late.worker, late.ended_at) == (0, one.blob.digest, W1, NOW)
    assert "no longer held" in late.words
    again = claim(archive, home.id, W2)
    assert [parcel.attempt for parcel in again] == [2, 2]
    assert finish(archive, results) == results[1:]  # the first is known
    assert finish(archive, [delivered(parcel) for parcel in again], W2) == []
    assert states(archive) == ["delivered", "delivered"]


def test_the_same_worker_cannot_end_an_attempt_before_its_own(archive: Archive) -> None:
    (number,) = queue(archive, instances(archive))
    home = lease(archive)
    (lost,) = claim(archive, home.id)
    recovered(archive)
    with archive.begin() as tx:
        tx.destinations.release("north", W2)
        tx.destinations.lease(W1, NOW, NOW + LEASE, 1)
        tx.commit()
    (held,) = claim(archive, home.id)
    assert finish(archive, [delivered(lost)]) == [delivered(lost)]
    assert states(archive) == ["sending"]
    assert finish(archive, [delivered(held)]) == []
    assert attempts(archive, number) == [(1, "lost"), (1, "late delivered")]


def test_saying_it_again_changes_nothing(archive: Archive) -> None:
    """The commit may have broken half-way, so that the caller does not know."""
    first, second = queue(archive, instances(archive, each=2))
    home = lease(archive)
    one, two = claim(archive, home.id)
    results = [delivered(one), waiting(two, NOW)]
    for _ in range(2):
        assert finish(archive, results) == []
    with archive.begin() as tx:
        tx.deliveries.promote(home.id, NOW)
        tx.commit()
    assert finish(archive, results) == []
    assert get(archive, second).failures == 1
    assert (attempts(archive, first), attempts(archive, second)) == ([], [(1, "waiting")])


def test_one_that_was_cancelled_and_arrived_is_told(archive: Archive) -> None:
    (number,) = queue(archive, instances(archive))
    home = lease(archive)
    (parcel,) = claim(archive, home.id)
    with archive.begin() as tx:
        assert tx.ledger.cancel(ids=[number], at=NOW + SECOND) == 1
        tx.commit()
    assert len(finish(archive, [delivered(parcel)])) == 1
    assert states(archive) == ["cancelled"]
    assert attempts(archive, number) == [(1, "late delivered")]


def test_nothing_is_nothing(archive: Archive) -> None:
    assert finish(archive, []) == []


def test_many_are_recorded_with_few_statements(archive: Archive) -> None:
    queue(archive, instances(archive, each=60))
    home = lease(archive)
    parcels = claim(archive, home.id)
    with archive.begin() as tx:
        ran = watch(tx)
        assert tx.deliveries.finish(W1, [delivered(parcel) for parcel in parcels], commitment=False) == []
        assert len(ran) == 1  # beside what is prepared, on PostgreSQL one journey
        (plan,) = plans(tx, list(ran))
        tx.commit()
    assert "pk_delivery" in plan or "INTEGER PRIMARY KEY" in plan
    assert states(archive) == ["delivered"] * 60
