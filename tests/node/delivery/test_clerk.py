"""Parcels come into hands, series by series, and results go into the ledger, whatever fails between."""

import threading
from datetime import timedelta

import pytest

from node.core import clock
from node.delivery.backoff import Backoff
from node.delivery.breaker import Breaker
from node.delivery.clerk import Clerk, Hand
from storage.records.deliveries import DeliveryState, Result
from tests.support.delivering import Sender
from tests.support.samples import ct

SERIES = 3
EACH = 4


class Office:
    """A clerk with some hands, and transactions when a test wants them."""

    def __init__(self, sender: Sender, hands: int = 1, batch: int = 64, **settings: object) -> None:
        self.sender = sender
        sender.set("pacs", **settings)
        now = clock.now()
        with sender.node.archive.begin() as tx:
            (home,) = tx.destinations.lease("w", now, now + timedelta(hours=1), 1)
            tx.commit()
        self.rung = 0
        self.clerk = Clerk(home, "w", batch, threading.Condition(), self._ring)
        self.clerk.hands = [Hand(wants=True) for _ in range(hands)]

    def _ring(self) -> None:
        self.rung += 1

    @property
    def hand(self) -> Hand:
        return self.clerk.hands[0]

    def write(self, *, saved: bool = True, told: bool = True) -> None:
        """One transaction: is it saved, and is the clerk told of that?"""
        with self.sender.node.archive.begin() as tx:
            done = self.clerk.write(tx)
            if saved:
                tx.commit()
        if saved and told:
            done()
        else:
            self.clerk.doubt()

    def end(self, state: DeliveryState = DeliveryState.DELIVERED, **settings: object) -> str:
        """The first parcel of the first hand has come to its end; return its UID."""
        parcel = self.hand.parcels.popleft()
        self.clerk.post(Result(parcel, state, clock.now(), **settings))  # type: ignore[arg-type]
        return parcel.sop_instance_uid


@pytest.fixture
def uids(sender: Sender) -> list[str]:
    found = sender.keep(*(ct(n, series=s) for s in range(1, SERIES + 1) for n in range(1, EACH + 1)))
    sender.queue("pacs", found)
    return found


def uids_in(hand: Hand) -> list[str]:
    return [parcel.sop_instance_uid for parcel in hand.parcels]


def test_a_hand_is_filled_with_whole_series_in_order(sender: Sender, uids: list[str]) -> None:
    office = Office(sender)
    assert office.clerk.wish() == 0
    office.write()
    assert uids_in(office.hand) == uids
    assert office.clerk.wish() is None


def test_a_batch_is_a_batch_and_is_filled_up_before_it_is_empty(sender: Sender, uids: list[str]) -> None:
    office = Office(sender, batch=6)
    office.write()
    assert uids_in(office.hand) == uids[:6]
    office.end()
    office.end()
    office.write()
    assert uids_in(office.hand) == uids[2:6]  # that was enough for now
    office.end()
    office.write()
    assert uids_in(office.hand) == uids[3:12]


def test_a_series_is_in_one_hand(sender: Sender, uids: list[str]) -> None:
    office = Office(sender, hands=2, batch=6)
    office.write()
    first, second = ({parcel.series_row for parcel in hand.parcels} for hand in office.clerk.hands)
    assert first
    assert second
    assert not first & second


def test_results_wait_for_company_but_not_for_long(sender: Sender, uids: list[str]) -> None:
    office = Office(sender)
    office.write()
    done = office.end(words="fine", status=0)
    wish = office.clerk.wish()
    assert wish is not None
    assert wish <= 0.1
    office.write()
    assert office.clerk.settled
    assert sender.deliveries("pacs")[done].words == "fine"
    assert sender.destination("pacs").succeeded_at is not None


def test_what_was_not_saved_is_saved_next_time(sender: Sender, uids: list[str]) -> None:
    office = Office(sender)
    office.write(saved=False)
    assert uids_in(office.hand) == []
    assert office.clerk.wish() == 0
    office.write()
    assert uids_in(office.hand) == uids
    done = office.end()
    office.write(saved=False)
    assert not office.clerk.settled
    office.write()
    assert sender.states("pacs")[done] == "delivered"


def test_what_was_saved_without_our_knowing_is_neither_lost_nor_told_twice(
    sender: Sender, uids: list[str]
) -> None:
    office = Office(sender)
    office.write(told=False)  # claimed, and nobody knows
    assert set(sender.states("pacs").values()) == {"sending"}
    office.write()
    assert uids_in(office.hand) == uids
    done = office.end(status=0)
    office.write(told=False)  # recorded, and nobody knows
    office.write()
    delivery = sender.deliveries("pacs")[done]
    assert (delivery.state, sender.attempts(delivery)) == (DeliveryState.DELIVERED, [])
    assert uids_in(office.hand) == uids[1:]  # what it has in its hand is not given away


def test_what_comes_for_a_lane_that_was_called_away_goes_back(sender: Sender, uids: list[str]) -> None:
    office = Office(sender)
    with sender.node.archive.begin() as tx:
        done = office.clerk.write(tx)
        tx.commit()
    office.clerk.closing = True
    done()
    assert uids_in(office.hand) == []
    assert office.clerk.wish() == 0
    office.write()
    assert set(sender.states("pacs").values()) == {"queued"}
    assert office.clerk.settled


def test_what_was_taken_for_a_hand_that_was_emptied_meanwhile_goes_back_so_that_the_order_is_kept(
    sender: Sender, uids: list[str]
) -> None:
    office = Office(sender, batch=6)
    office.write()
    while len(office.hand.parcels) > 2:
        office.end()
    with sender.node.archive.begin() as tx:
        done = office.clerk.write(tx)
        tx.commit()
    office.clerk.give_back(office.hand.clear())  # its association broke while that was on its way
    done()
    assert uids_in(office.hand) == []
    office.write()
    assert uids_in(office.hand) == uids[4:10]


def test_what_waits_is_looked_for_when_it_is_due(sender: Sender, uids: list[str]) -> None:
    office = Office(sender)
    office.write()
    late = office.end(DeliveryState.WAITING, due=clock.now() + timedelta(seconds=3600), failed=True)
    while office.hand.parcels:
        office.end()
    office.write()
    wish = office.clerk.wish()
    assert wish is not None
    assert 3500 < wish <= 3600
    with sender.node.archive.begin() as tx:
        tx.ledger.retry(destination="pacs", states=(DeliveryState.WAITING,), at=clock.now())
        tx.commit()
    office.clerk.look_again()
    office.write()
    assert uids_in(office.hand) == [late]


def test_an_empty_queue_is_not_asked_again_without_news(sender: Sender, uids: list[str]) -> None:
    office = Office(sender)
    office.write()
    while office.hand.parcels:
        office.end()
    office.write()
    assert office.clerk.wish() is None
    office.clerk.look_again()
    assert office.clerk.wish() is not None


def test_trouble_is_recorded_and_so_is_its_end(sender: Sender, uids: list[str]) -> None:
    office = Office(sender)
    breaker = Breaker(1, Backoff(10, 60)).failed(clock.now(), 1.0)
    office.clerk.tell_trouble(breaker, "it is down")
    office.write()
    found = sender.destination("pacs")
    assert (found.failures, found.error, found.opened_at) == (1, "it is down", breaker.opened_at)
    office.clerk.tell_trouble(breaker.succeeded(), "")
    office.write()
    found = sender.destination("pacs")
    assert (found.failures, found.error, found.opened_at) == (0, "", None)


def test_what_has_an_alternate_is_diverted_when_that_is_asked_for(sender: Sender) -> None:
    found = sender.keep(ct(1))
    sender.queue("pacs", found, alternate="other")
    office = Office(sender)
    office.hand.wants = False
    office.clerk.divert()
    office.write()
    assert sender.states("pacs") == {found[0]: "diverted"}
    assert sender.states("other") == {found[0]: "queued"}


def test_commitment_is_enqueued_once(sender: Sender, uids: list[str]) -> None:
    office = Office(sender, commitment=True)
    office.write()
    for _ in range(2):
        office.end()
        office.write()
    with sender.node.archive.read() as tx:
        (job,) = tx.jobs.list()
    assert job.kind == "commit"
    assert job.run_after > clock.now()


def test_a_hand_that_is_emptied_keeps_what_is_on_its_way(sender: Sender, uids: list[str]) -> None:
    office = Office(sender)
    office.write()
    office.hand.on_way = True
    assert [each.sop_instance_uid for each in office.hand.clear()] == uids[1:]
    assert uids_in(office.hand) == uids[:1]


def test_a_lane_that_comes_late_is_given_series_that_another_has_not_begun(
    sender: Sender, uids: list[str]
) -> None:
    office = Office(sender, hands=3)
    first, second, third = office.clerk.hands
    second.wants = third.wants = False
    office.write()
    assert uids_in(first) == uids
    first.on_way = True
    office.clerk.ask(second)
    office.clerk.ask(third)
    assert [uids_in(hand) for hand in (first, second, third)] == [uids[:4], uids[8:], uids[4:8]]
    third.parcels.clear()
    office.clerk.ask(third)
    assert uids_in(third) == []  # what is left has been begun


def test_what_was_claimed_while_a_series_went_to_another_lane_is_not_sent_before_it(
    sender: Sender, uids: list[str]
) -> None:
    office = Office(sender, hands=2, batch=6)
    first, second = office.clerk.hands
    second.wants = False
    office.write()
    for _ in range(3):
        office.end()
    with sender.node.archive.begin() as tx:
        done = office.clerk.write(tx)  # claims the rest of the second series for the first hand
        tx.commit()
    office.clerk.ask(second)
    done()
    assert [uids_in(hand) for hand in (first, second)] == [uids[3:4], uids[4:6]]
    for _ in range(3):
        office.write()
    assert uids_in(second)[:4] == uids[4:8]
