import threading
from collections import Counter
from itertools import count

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from storage.archive import Archive
from storage.engine import Busy
from storage.records.arrival import Place
from storage.records.deliveries import DeliveryState, Parcel
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
    new,
    plans,
    queue,
    states,
    waiting,
    watch,
)

_NAMES = count()


def test_a_delivery_is_made_once(archive: Archive) -> None:
    first, second = instances(archive, each=2)
    with archive.begin() as tx:
        assert tx.deliveries.add([]) == 0
        assert tx.deliveries.add([new(first), new(first, "south")]) == 2
        assert tx.deliveries.add([new(first, rules=("another",)), new(second), new(second)]) == 1
        tx.commit()
    assert (states(archive), states(archive, "south")) == (["queued"] * 2, ["queued"])
    with archive.read() as tx:
        mine, other = tx.ledger.of_instance(first.instance_row)
    assert (mine.destination, mine.rules, mine.queued_at) == ("north", ("a rule",), NOW)
    assert (other.destination, other.attempts, other.failures) == ("south", 0, 0)


def test_what_is_held_or_not_due_is_not_queued(archive: Archive) -> None:
    places = instances(archive, each=3)
    with archive.begin() as tx:
        tx.deliveries.add(
            [
                new(places[0], held="is it a head?"),
                new(places[1], due=NOW + LEASE),
                new(places[2], held="?", due=NOW + LEASE),
            ]
        )
        home = tx.destinations.of("north")
        assert tx.deliveries.waiting(home) == 1
        assert tx.deliveries.next_due(home) == NOW + LEASE
        assert tx.deliveries.promote(home, NOW) == 0
        assert tx.deliveries.promote(home, NOW + LEASE) == 1
        assert tx.deliveries.next_due(home) is None
        assert tx.deliveries.waiting(home) == 1
        held, queued, _ = tx.ledger.list()
        tx.commit()
    assert states(archive) == ["held", "queued", "held"]
    assert held.words == "is it a head?"
    assert queued.due is None


def test_what_waited_keeps_its_place(archive: Archive) -> None:
    old, young = instances(archive, series=2)
    queue(archive, [old])
    home = lease(archive)
    finish(archive, [waiting(claim(archive, home.id)[0], NOW + LEASE)])
    queue(archive, [young], queued_at=NOW + SECOND)
    with archive.begin() as tx:
        tx.deliveries.promote(home.id, NOW + LEASE)
        tx.commit()
    (parcel,) = claim(archive, home.id)
    assert (parcel.instance_row, parcel.queued_at, parcel.failures) == (old.instance_row, NOW, 1)


def test_what_a_lost_worker_was_sending_is_sent_again(archive: Archive) -> None:
    lost, other = queue(archive, instances(archive, each=2))
    home = lease(archive)
    claim(archive, home.id, limit=1)
    with archive.begin() as tx:
        assert tx.deliveries.recover(home.id, W1, NOW) == 0
        assert tx.deliveries.recover(home.id, W2, NOW) == 1
        assert tx.deliveries.recover(home.id, W2, NOW) == 0
        (told,) = tx.ledger.attempts(lost)
        tx.commit()
    assert (told.number, told.state, told.worker, told.ended_at, told.status) == (1, "lost", W1, NOW, None)
    assert "may have been delivered" in told.words
    assert get(archive, lost).failures == 0
    assert [(each.id, each.attempt) for each in claim(archive, home.id)] == [(lost, 2), (other, 1)]


def test_what_a_worker_took_without_knowing_goes_back(archive: Archive) -> None:
    """Its commit broke, and was saved all the same."""
    queue(archive, instances(archive, each=3))
    home = lease(archive)
    known, *unknown = claim(archive, home.id)
    with archive.begin() as tx:
        assert tx.deliveries.strays(home.id, W2, [known.id]) == 0
        assert tx.deliveries.strays(home.id, W1, [known.id]) == 2
        tx.commit()
    assert states(archive) == ["sending", "queued", "queued"]
    assert [attempts(archive, parcel.id) for parcel in unknown] == [[], []]
    assert [parcel.id for parcel in claim(archive, home.id)] == [parcel.id for parcel in unknown]


def test_two_who_add_the_same_in_any_order_do_not_stand_in_each_others_way(archive: Archive) -> None:
    places = instances(archive, series=4, each=8)
    names = ["a", "b", "c"]
    wanted = [new(place, name) for place in places for name in names]
    added: list[int] = []
    failed: list[Exception] = []

    def add(n: int) -> None:
        try:
            with archive.begin() as tx:
                added.append(tx.deliveries.add(wanted[:: 1 if n % 2 else -1]))
                tx.commit()
        except Busy as error:
            failed.append(error)

    threads = [threading.Thread(target=add, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
    assert sum(added) == len(wanted)


def test_what_a_worker_asks_often_is_found_by_indexes(archive: Archive) -> None:
    queue(archive, instances(archive, each=2), due=NOW)
    with archive.begin() as tx:
        home = tx.destinations.of("north")
        ran = watch(tx)
        tx.deliveries.next_due(home)
        tx.deliveries.waiting(home)
        tx.deliveries.promote(home, NOW)
        tx.deliveries.recover(home, W1, NOW)
        due, queued, later, promoted, _, sending = plans(
            tx, [each for each in ran if "INSERT" not in each[0]]
        )
    assert "ix_delivery_waiting" in due
    assert "ix_delivery_queue" in queued or "ix_delivery_series" in queued
    assert "ix_delivery_waiting" in later
    assert "ix_delivery_waiting" in promoted
    assert "ix_delivery_sending" in sending


# One step of a conversation: who, what, and of which parcels that it holds.
_STEPS = st.lists(
    st.tuples(
        st.sampled_from((W1, W2)),
        st.sampled_from(("claim", "take over", "fail", "deliver", "promote", "retry", "replay")),
        st.integers(0, 3),
    ),
    min_size=4,
    max_size=24,
)


@pytest.fixture
def places(archive: Archive) -> list[Place]:
    """What every conversation with one archive is about, each with a destination of its own."""
    return instances(archive, series=2, each=2)


class _Play:
    """Two workers, each of which may believe that it still holds the destination."""

    def __init__(self, archive: Archive) -> None:
        self.archive = archive
        self.name = f"d{next(_NAMES)}"
        self.held: dict[str, list[Parcel]] = {W1: [], W2: []}
        self.sent: Counter[tuple[int, int]] = Counter()
        self.now = NOW

    def step(self, worker: str, what: str, number: int) -> None:
        self.now += SECOND
        if what in ("deliver", "fail"):
            self._end(worker, what, number)
            return
        with self.archive.begin() as tx:
            home = tx.destinations.of(self.name)
            if what == "take over":
                self.now += 2 * LEASE
                if tx.destinations.lease(worker, self.now, self.now + LEASE, 99):
                    tx.deliveries.recover(home, worker, self.now)
            elif what == "claim":
                self.held[worker] += tx.deliveries.claim(home, worker, self.now, number + 1, ())
            elif what == "promote":
                tx.deliveries.promote(home, self.now)
            elif what == "retry":
                tx.ledger.retry(destination=self.name, at=self.now)
            else:
                tx.ledger.replay(self.name, NOW, NOW + SECOND, self.now, "someone")
            tx.commit()

    def _end(self, worker: str, what: str, number: int) -> None:
        parcels = self.held[worker][: number + 1]
        del self.held[worker][: number + 1]
        for parcel in parcels if what == "deliver" else ():
            self.sent[parcel.id, parcel.attempt] += 1
        ends = [
            delivered(parcel, self.now) if what == "deliver" else waiting(parcel, self.now, self.now)
            for parcel in parcels
        ]
        finish(self.archive, ends, worker)

    def settle(self) -> None:
        """Let one worker bring everything to its end."""
        for what in ("take over", "promote"):
            self.step(W1, what, 0)
        while True:
            before = len(self.held[W1])
            self.step(W1, "claim", 9)
            if len(self.held[W1]) == before:
                break
        while self.held[W1]:
            self.step(W1, "deliver", 9)

    def check(self, numbers: list[int]) -> None:
        for number in numbers:
            now = get(self.archive, number)
            assert now.state is DeliveryState.DELIVERED
            told = [(now.attempts, now.state.value), *attempts(self.archive, number)]
            assert Counter(n for n, state in told if state.endswith("delivered")) == Counter(
                {n: times for (row, n), times in self.sent.items() if row == number}
            )
            assert {n for n, _ in told} == set(range(1, now.attempts + 1))


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=_STEPS)
@example(steps=[(W2, "take over", 0), (W2, "claim", 3)])
@example(steps=[(W2, "take over", 0), (W1, "deliver", 1), (W2, "claim", 3), (W2, "deliver", 3)])
@example(steps=[(W1, "fail", 3), (W1, "promote", 0), (W1, "claim", 3), (W1, "deliver", 0), (W1, "replay", 0)])
def test_nothing_is_lost_and_every_sending_is_told(
    archive: Archive, places: list[Place], steps: list[tuple[str, str, int]]
) -> None:
    """Whatever two workers do and however late, all arrives, and each time that it did is told once."""
    play = _Play(archive)
    numbers = queue(archive, places, play.name)
    for worker, what, number in [(W1, "take over", 0), (W1, "claim", 3), *steps]:
        play.step(worker, what, number)
    play.settle()
    play.check(numbers)
    while play.held[W2]:  # what it holds, or believes to hold, it may still deliver
        play.step(W2, "deliver", 9)
    play.check(numbers)
