"""Who delivers where: leases, those that are lost, those that are given back, and the end of a worker."""

import contextlib
import threading
from collections.abc import Callable
from datetime import timedelta

import pytest

from node.core import clock
from node.delivery.dispatcher import Dispatcher
from storage.archive import Archive
from storage.errors import Unavailable
from storage.records.deliveries import DeliveryState, Parcel
from tests.support.delivering import Sender, until
from tests.support.faulty import Act, Fault, faulty
from tests.support.node import free_port
from tests.support.samples import ct

DELIVERED, DEAD = DeliveryState.DELIVERED, DeliveryState.DEAD
Start = Callable[..., Sender]


def claim_as(sender: Sender, worker: str, seconds: float, count: int) -> list[Parcel]:
    """Take a destination and deliveries as a worker that is not heard of again."""
    now = clock.now()
    with sender.node.archive.begin() as tx:
        (home,) = tx.destinations.lease(worker, now, now + timedelta(seconds=seconds), 1)
        parcels = tx.deliveries.claim(home.id, worker, now, count, ())
        tx.commit()
    return list(parcels)


def test_what_a_dead_worker_was_sending_is_sent_again_and_the_ledger_says_so(sender: Sender) -> None:
    uids = sender.keep(*(ct(n) for n in (1, 2, 3, 4)))
    with faulty() as peer:
        sender.peer("pacs", peer.port)
        sender.queue("pacs", uids)
        taken = claim_as(sender, "dead", 0.5, 2)
        with sender.delivering("alive"):
            found = sender.wait("pacs", DELIVERED)
        assert list(peer.stored) == uids
    for parcel in taken:
        (lost,) = sender.attempts(found[parcel.sop_instance_uid])
        assert (lost.state, lost.worker, lost.number) == ("lost", "dead", 1)
        assert "may have been delivered" in lost.words
    assert [found[uid].attempts for uid in uids] == [2, 2, 1, 1]


def test_nobody_delivers_where_another_does(sender: Sender) -> None:
    uids = sender.keep(*(ct(n) for n in range(1, 31)))
    names = ["a", "b", "c"]
    with contextlib.ExitStack() as stack:
        peers = {name: stack.enter_context(faulty()) for name in names}
        for name, peer in peers.items():
            sender.peer(name, peer.port)
            sender.queue(name, uids)
        stack.enter_context(sender.delivering("w1"))
        stack.enter_context(sender.delivering("w2"))
        for name, peer in peers.items():
            found = sender.wait(name, DELIVERED)
            assert {each.attempts for each in found.values()} == {1}
            assert list(peer.stored) == uids
            assert len(peer.messages) == len(uids)


def test_who_has_lost_its_lease_stops_and_what_it_did_is_recorded_as_late(sender: Sender) -> None:
    uids = sender.keep(*(ct(n) for n in (1, 2, 3)))
    with faulty(Fault(1, Act.WAIT)) as peer:
        sender.peer("pacs", peer.port)
        sender.queue("pacs", uids)
        with sender.delivering("slow") as slow:
            until(lambda: peer.messages)
            now = clock.now()
            with sender.node.archive.begin() as tx:  # as if unheard of; at once, or it leases anew
                tx.destinations.release("pacs", "slow")
                (home,) = tx.destinations.lease("other", now, now + timedelta(hours=1), 1)
                assert tx.deliveries.recover(home.id, "other", now) == 3
                tx.commit()
            until(lambda: not slow.held)  # the bell that rang for the release told it
            peer.go.set()
            first = sender.deliveries("pacs")[uids[0]]
            until(lambda: len(sender.attempts(first)) == 2)
        assert list(peer.stored) == uids[:1]
    states = [(each.state, each.worker) for each in sender.attempts(first)]
    assert states == [("lost", "slow"), ("late delivered", "slow")]
    assert set(sender.states("pacs").values()) == {"queued"}  # the other one has them now
    assert sender.destination("pacs").worker == "other"


def test_a_destination_with_nothing_to_do_is_given_back_and_taken_again(
    sender: Sender, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("node.delivery.dispatcher._LINGER", 0.0)
    first, second = sender.keep(ct(1)), sender.keep(ct(2))
    with faulty() as peer:
        sender.peer("pacs", peer.port)
        sender.queue("pacs", first)
        with sender.delivering("w1", lease=2.0):
            sender.wait("pacs", DELIVERED)
            until(lambda: sender.destination("pacs").worker == "")
            sender.queue("pacs", second)
            sender.wait("pacs", DELIVERED, second)


def test_the_end_waits_for_what_is_on_its_way_and_gives_back_the_rest(sender: Sender) -> None:
    uids = sender.keep(*(ct(n) for n in (1, 2, 3)))
    with faulty(Fault(1, Act.WAIT)) as peer:
        sender.peer("pacs", peer.port)
        sender.queue("pacs", uids)
        with sender.delivering():
            until(lambda: peer.messages)
            threading.Timer(0.3, peer.go.set).start()
        assert sender.states("pacs") == dict(zip(uids, ["delivered", "queued", "queued"], strict=True))
    assert peer.released == 1
    assert sender.destination("pacs").worker == ""


def test_but_not_for_ever(start_sender: Start) -> None:
    sender = start_sender(dicom={"drain_timeout": 0.3, "response_timeout": 60})
    uids = sender.keep(ct(1), ct(2))
    with faulty(Fault(1, Act.STALL)) as peer:
        sender.peer("pacs", peer.port)
        sender.queue("pacs", uids)
        with sender.delivering():
            until(lambda: peer.messages)
        found = sender.deliveries("pacs")
    assert set(sender.states("pacs").values()) == {"queued"}
    assert "did not answer C-STORE" in found[uids[0]].words  # it may have arrived, and that is told
    assert (found[uids[0]].failures, found[uids[1]].failures) == (1, 0)
    assert found[uids[1]].words == ""


def test_a_database_that_goes_away_costs_nothing(
    start_sender: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("node.delivery.postbook._AWAY", 0.05)
    sender = start_sender(delivery={"batch": 10})
    uids = sender.keep(*(ct(n) for n in range(1, 101)))
    begin = Archive.begin
    away = threading.Event()

    def sometimes(archive: Archive, *, write: bool = True):  # type: ignore[no-untyped-def]
        if away.is_set() and threading.current_thread().name == "postbook":
            raise Unavailable("database: it is away")
        return begin(archive, write=write)

    monkeypatch.setattr(Archive, "begin", sometimes)
    with faulty() as peer:
        sender.peer("pacs", peer.port)
        sender.queue("pacs", uids)
        with sender.delivering():
            for count in (10, 40, 70):
                until(lambda count=count: len(peer.stored) > count)  # type: ignore[misc]
                away.set()
                threading.Event().wait(0.2)
                away.clear()
            found = sender.wait("pacs", DELIVERED)
        assert list(peer.stored) == uids
        assert len(peer.messages) == len(uids)
    assert {each.attempts for each in found.values()} == {1}


def test_connections_that_are_cut_cost_nothing(start_sender: Start) -> None:
    sender = start_sender(delivery={"batch": 10})
    if sender.node.archive.kind != "postgresql":
        return  # there is nothing to cut
    uids = sender.keep(*(ct(n) for n in range(1, 101)))
    others = "FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
    with faulty() as peer:
        sender.peer("pacs", peer.port)
        sender.set("pacs", rate=100.0)
        sender.queue("pacs", uids)
        with sender.delivering():
            for count in (10, 40, 70):
                until(lambda count=count: len(peer.stored) > count)  # type: ignore[misc]
                with contextlib.suppress(Unavailable), sender.node.archive.begin() as tx:
                    tx.connection.exec_driver_sql(f"SELECT pg_terminate_backend(pid) {others}")
            found = _patiently(lambda: sender.wait("pacs", DELIVERED))
        assert set(peer.stored) == set(uids)
    assert all(each.attempts == 1 + len(sender.attempts(each)) for each in found.values())
    assert len(peer.messages) == sum(each.attempts for each in found.values())


def _patiently(ask: Callable[[], dict[str, object]]) -> dict:  # type: ignore[type-arg]
    while True:
        with contextlib.suppress(Unavailable):
            return ask()


def test_it_says_when_it_wants_to_look_again(sender: Sender) -> None:
    dispatcher = Dispatcher(sender.node, "w1", timedelta(seconds=8))
    try:
        assert dispatcher.look() == 8.0  # there is nothing
        sender.peer("pacs", free_port())
        sender.queue("pacs", sender.keep(ct(1)), due=clock.now() + timedelta(seconds=3))
        assert 2.5 < dispatcher.look() < 3.1
        sender.queue("other", sender.keep(ct(2)))
        assert dispatcher.look() == 0.0  # it took that, and there may be more
        assert dispatcher.look() <= 2.0  # it has to be heard of
        assert sender.destination("other").worker == "w1"
    finally:
        dispatcher.stop()
    assert sender.destination("other").worker == ""
