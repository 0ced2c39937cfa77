from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from storage.archive import Archive
from storage.records.deliveries import DeliveryState
from storage.records.tables import delivery
from storage.repos.attempts import entered, in_state, lock, move, note, rank, rules_of, rules_text
from tests.support.deliveries import NOW, attempts, claim, delivered, finish, get, instances, lease, queue

MOMENTS = st.datetimes(datetime(1990, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC))
PRIORITIES = st.integers(0, 99)


@given(MOMENTS, PRIORITIES)
def test_a_place_in_the_queue_tells_when_it_was_taken(at: datetime, priority: int) -> None:
    assert timedelta(0) <= at - entered(rank(at, priority), priority) < timedelta(milliseconds=1)


@given(MOMENTS, PRIORITIES, PRIORITIES)
def test_what_is_urgent_goes_first_but_not_for_ever(at: datetime, one: int, other: int) -> None:
    low, high = sorted((one, other))
    assert rank(at, low) <= rank(at, high)
    later = at + timedelta(seconds=36 * (high - low), milliseconds=1)
    assert rank(at, high) <= rank(later, low)


@given(st.lists(st.text(st.characters(exclude_characters="\n"), min_size=1)))
def test_who_asked_is_kept(rules: list[str]) -> None:
    assert rules_of(rules_text(rules)) == tuple(rules)


def test_moving_keeps_the_attempt_once(archive: Archive) -> None:
    (number,) = queue(archive, instances(archive))
    home = lease(archive)
    (parcel,) = claim(archive, home.id)
    finish(archive, [delivered(parcel)])
    for _ in range(2):
        with archive.begin() as tx:
            assert list(lock(tx.connection, delivery.c.id == number)) == [number]
            assert move(tx.connection, [number], state=DeliveryState.HELD.value, words="look") == 1
            tx.commit()
    assert attempts(archive, number) == [(1, "delivered")]
    now = get(archive, number)
    assert (now.state, now.ended_at, now.status, now.words, now.digest) == ("held", None, None, "look", "")


def test_many_rows_are_moved_in_parts(archive: Archive) -> None:
    places = instances(archive, 1, 1)
    with archive.begin() as tx:
        home = tx.destinations.of("north")
        first = {"study_row": 1, "series_row": 1, "instance_number": 0, "state": "queued", "priority": 50}
        more = {"rank": 0, "queued_at": NOW, "attempts": 0, "failures": 0, "destination_row": home}
        tx.connection.execute(
            delivery.insert(), [{**first, **more, "instance_row": -n} for n in range(1, 2501)]
        )
        ids = lock(tx.connection, in_state(DeliveryState.QUEUED))
        assert list(ids) == sorted(ids)
        note(tx.connection, ids, "lost", NOW, "gone")
        assert move(tx.connection, ids, state="dead", ended_at=NOW) == 2500
        tx.commit()
    assert places
    with archive.read() as tx:
        assert tx.ledger.counts()["north"][DeliveryState.DEAD] == 2500
        assert [each.words for each in tx.ledger.attempts(ids[-1])] == ["gone"]
