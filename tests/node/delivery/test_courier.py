"""What becomes of instances whose destination does this or that; each ends in the right state and words."""

import hashlib
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest

from node.core import clock
from node.delivery.courier import Courier
from node.delivery.lane import Lane
from node.delivery.line import Line
from node.delivery.postbook import Postbook
from scu.errors import PeerFault
from storage.records.deliveries import DeliveryState
from tests.support.delivering import Sender, until
from tests.support.faulty import Act, Fault, faulty
from tests.support.node import free_port
from tests.support.samples import BIG_ENDIAN, CT_CLASS, EXPLICIT, IMPLICIT, MR_CLASS, ct, encode, mr

DELIVERED, DEAD, WAITING = DeliveryState.DELIVERED, DeliveryState.DEAD, DeliveryState.WAITING
QUEUED = DeliveryState.QUEUED
Start = Callable[..., Sender]


def numbers(peer_stored: dict[str, bytes]) -> list[int]:
    """Instance numbers in the order in which they came."""
    return [int(uid.rpartition(".")[2]) for uid in peer_stored]


def test_all_arrive_in_the_order_of_their_series_and_the_ledger_says_so(sender: Sender):
    uids = sender.keep(*(ct(n, series=s) for n in (3, 1, 2) for s in (1, 2)))
    with faulty() as peer:
        sender.peer("pacs", peer.port)
        sender.queue("pacs", uids)
        with sender.delivering():
            found = sender.wait("pacs", DELIVERED)
        assert numbers(peer.stored) == [1, 2, 3, 1, 2, 3]
        assert len(peer.requests) == 1  # all over one association
        assert peer.released == 1
    for uid, delivery in found.items():
        assert (delivery.status, delivery.attempts, delivery.failures) == (0, 1, 0)
        assert delivery.transfer_syntax_uid == EXPLICIT
        assert delivery.digest == hashlib.sha256(peer.stored[uid]).hexdigest()
        assert sender.attempts(delivery) == []
    destination = sender.destination("pacs")
    assert (destination.worker, destination.failures, destination.error) == ("", 0, "")
    assert destination.succeeded_at is not None


def test_an_association_stays_open_for_more_and_then_ends(start_sender: Start):
    sender = start_sender(delivery={"idle_seconds": 30})
    first, second = sender.keep(ct(1)), sender.keep(ct(2))
    with faulty() as peer:
        sender.peer("pacs", peer.port)
        sender.queue("pacs", first)
        with sender.delivering():
            sender.wait("pacs", DELIVERED)
            sender.queue("pacs", second)
            sender.wait("pacs", DELIVERED, second)
            assert (len(peer.requests), peer.released) == (1, 0)
        assert (len(peer.requests), peer.released) == (1, 1)


def test_one_is_ended_when_nothing_comes(sender: Sender):
    with faulty() as peer:
        sender.peer("pacs", peer.port)
        sender.queue("pacs", sender.keep(ct(1)))
        with sender.delivering():
            sender.wait("pacs", DELIVERED)
            until(lambda: peer.released)


def test_another_is_opened_for_what_was_not_negotiated(start_sender: Start):
    sender = start_sender(delivery={"idle_seconds": 30})
    first, second = sender.keep(ct(1)), sender.keep(mr(1))
    with faulty() as peer:
        sender.peer("pacs", peer.port)
        sender.queue("pacs", first)
        with sender.delivering():
            sender.wait("pacs", DELIVERED)
            sender.queue("pacs", second)
            sender.wait("pacs", DELIVERED, second)
        classes = [{each.abstract_syntax for each in request.proposals} for request in peer.requests]
        assert classes == [{CT_CLASS}, {CT_CLASS, MR_CLASS}]


def test_out_of_resources_for_one_makes_it_wait_and_not_the_others(sender: Sender):
    uids = sender.keep(*(ct(n) for n in (1, 2, 3)))
    with faulty(Fault(2, Act.STATUS, 0xA700, "disk full")) as peer:
        sender.peer("pacs", peer.port)
        sender.queue("pacs", uids)
        with sender.delivering():
            found = sender.wait("pacs", DELIVERED)
        assert numbers(peer.stored) == [1, 3, 2]
    late = found[uids[1]]
    assert (late.attempts, late.failures, late.words) == (2, 1, "")
    (earlier,) = sender.attempts(late)
    assert (earlier.state, earlier.status) == ("waiting", 0xA700)
    assert earlier.words == "out of resources (0xA700): disk full"


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (0xA900, "the data set does not match its SOP class (0xA900): no"),
        (0xC123, "cannot understand the data set (0xC123): no"),
        (0x0122, "the SOP class is not supported (0x0122): no"),
    ],
)
def test_hopeless_statuses_are_dead_letters_at_once(sender: Sender, status: int, words: str):
    uids = sender.keep(ct(1), ct(2))
    with faulty(Fault(1, Act.STATUS, status, "no")) as peer:
        sender.peer("pacs", peer.port)
        sender.queue("pacs", uids)
        with sender.delivering():
            sender.wait("pacs", DELIVERED, uids[1:])
            found = sender.wait("pacs", DEAD, uids[:1])
        assert list(peer.stored) == uids[1:]
    dead = found[uids[0]]
    assert (dead.status, dead.words, dead.attempts) == (status, words, 1)


def test_what_is_refused_for_too_long_is_dead(start_sender: Start):
    sender = start_sender(delivery={"max_age_hours": 0.2 / 3600})
    uids = sender.keep(ct(1))
    with faulty(*(Fault(n, Act.STATUS, 0xA700) for n in range(1, 10))) as peer:
        sender.peer("pacs", peer.port)
        sender.queue("pacs", uids)
        with sender.delivering():
            found = sender.wait("pacs", DEAD)
    assert found[uids[0]].words == "out of resources (0xA700); given up after 3 failures"
    assert len(peer.messages) == 3


def test_a_warning_is_a_delivery_and_is_told(sender: Sender):
    uids = sender.keep(ct(1))
    with faulty(Fault(1, Act.STATUS, 0xB000)) as peer:
        sender.peer("pacs", peer.port)
        sender.queue("pacs", uids)
        with sender.delivering():
            found = sender.wait("pacs", DELIVERED)
    assert found[uids[0]].status == 0xB000
    assert "elements changed" in found[uids[0]].words


@pytest.mark.parametrize(
    ("act", "words"),
    [
        (Act.ABORT, "aborted C-STORE"),
        (Act.CLOSE, "did not answer C-STORE: the peer closed the connection"),
        (Act.NONSENSE, "not DICOM as it should be"),
        (Act.OVERLONG, "not DICOM as it should be"),
        (Act.WRONG_ID, "not DICOM as it should be"),
        (Act.RELEASE, "ended the association before C-STORE was answered"),
        (Act.STALL, "did not answer C-STORE: nothing came within 1 s"),
        (Act.HALF_PDU, "did not answer C-STORE: a PDU was not complete within 1 s"),
    ],
)
def test_an_association_that_breaks_costs_one_attempt(start_sender: Start, act: Act, words: str):
    sender = start_sender(dicom={"response_timeout": 1})
    uids = sender.keep(*(ct(n) for n in (1, 2, 3)))
    with faulty(Fault(2, act)) as peer:
        sender.peer("pacs", peer.port)
        sender.queue("pacs", uids)
        with sender.delivering():
            found = sender.wait("pacs", DELIVERED)
        assert numbers(peer.stored) == [1, 2, 3]
        assert len(peer.requests) == 2
    (earlier,) = sender.attempts(found[uids[1]])
    assert earlier.state == "queued"
    assert words in earlier.words
    assert [found[uid].attempts - 1 for uid in uids] == [0, 1, found[uids[2]].attempts - 1]
    assert sender.attempts(found[uids[2]]) == []  # it was taken back, and never sent
    assert sender.destination("pacs").failures == 0


def test_an_instance_that_breaks_every_association_is_dead_and_the_others_go_on(start_sender: Start):
    sender = start_sender(delivery={"breaker_failures": 10})
    uids = sender.keep(*(ct(n) for n in (1, 2, 3)), *(mr(n) for n in (1, 2)))
    poison = uids[1]
    with faulty() as peer:
        peer.poison = {poison}
        sender.peer("pacs", peer.port)
        sender.queue("pacs", uids)
        with sender.delivering():
            found = sender.wait("pacs", DEAD, [poison])
            found = sender.wait("pacs", DELIVERED, [uid for uid in uids if uid != poison])
    dead = found[poison]
    assert dead.words.startswith("PEER at 127.0.0.1")
    assert dead.words.endswith("given up: it has broken 3 associations")
    assert [each.state for each in sender.attempts(dead)] == ["queued", "waiting"]


def test_a_peer_that_breaks_every_association_kills_no_instance(start_sender: Start):
    sender = start_sender(delivery={"breaker_failures": 2, "backoff_ceiling": 0.05})
    uids = sender.keep(*(ct(n) for n in (1, 2, 3)))
    with faulty() as peer:
        peer.poison = set(uids)
        sender.peer("pacs", peer.port)
        sender.queue("pacs", uids)
        with sender.delivering():
            until(lambda: len(peer.requests) > 20)
            assert DEAD not in {each.state for each in sender.deliveries("pacs").values()}
            peer.poison = set()
            sender.wait("pacs", DELIVERED)
    assert set(peer.stored) == set(uids)


def test_nor_one_that_is_alone_before_its_time(start_sender: Start):
    sender = start_sender(delivery={"breaker_failures": 1, "max_age_hours": 0.5 / 3600})
    uids = sender.keep(ct(1))
    with faulty() as peer:
        peer.poison = set(uids)
        sender.peer("pacs", peer.port)
        sender.queue("pacs", uids)
        with sender.delivering():
            found = sender.wait("pacs", DEAD)
    assert found[uids[0]].words.endswith("given up after 4 failures")
    assert found[uids[0]].failures == 4


@pytest.mark.parametrize("refused", [(1, 1, 3), (1, 1, 7)])
def test_an_unknown_ae_title_makes_dead_letters(sender: Sender, refused: tuple[int, int, int]):
    uids = sender.keep(ct(1), ct(2))
    with faulty(reject=refused) as peer:
        sender.peer("pacs", peer.port)
        sender.queue("pacs", uids)
        with sender.delivering():
            found = sender.wait("pacs", DEAD)
    assert all("is not recognized (for good)" in each.words for each in found.values())


def test_an_unknown_ae_title_is_waited_for_when_so_configured(start_sender: Start):
    sender = start_sender(delivery={"unknown_ae": "wait", "breaker_failures": 1})
    uids = sender.keep(ct(1), ct(2))
    with faulty(reject=(1, 1, 3)) as peer:
        sender.peer("pacs", peer.port)
        sender.queue("pacs", uids)
        with sender.delivering():
            until(lambda: sender.destination("pacs") and sender.destination("pacs").failures > 2)
            assert "is not recognized" in sender.destination("pacs").error
            peer.reject = None
            found = sender.wait("pacs", DELIVERED)
    assert [each.failures for each in found.values()] == [0, 0]


@pytest.mark.parametrize("refused", [(2, 3, 1), (1, 1, 1)])
def test_another_rejection_is_trouble_of_the_destination(start_sender: Start, refused: tuple[int, int, int]):
    sender = start_sender(delivery={"breaker_failures": 1})
    uids = sender.keep(ct(1))
    with faulty(reject=refused) as peer:
        sender.peer("pacs", peer.port)
        sender.queue("pacs", uids)
        with sender.delivering():
            until(lambda: sender.destination("pacs") and sender.destination("pacs").failures > 1)
            peer.reject = None
            found = sender.wait("pacs", DELIVERED)
    assert (found[uids[0]].failures, len(sender.attempts(found[uids[0]]))) == (0, 0)


def test_a_sop_class_that_is_not_accepted_is_dead_with_the_reason(sender: Sender):
    uids = sender.keep(mr(1), ct(1))
    with faulty(accepts={CT_CLASS: frozenset([EXPLICIT])}) as peer:
        sender.peer("pacs", peer.port)
        sender.queue("pacs", uids)
        with sender.delivering():
            found = sender.wait("pacs", DEAD, uids[:1])
            sender.wait("pacs", DELIVERED, uids[1:])
    assert "MR Image Storage in" in found[uids[0]].words
    assert "the SOP class is not supported there" in found[uids[0]].words


def test_so_it_is_when_nothing_at_all_is_accepted(sender: Sender):
    uids = sender.keep(mr(1), mr(2))
    with faulty(accepts={CT_CLASS: frozenset([EXPLICIT])}) as peer:
        sender.peer("pacs", peer.port)
        sender.queue("pacs", uids)
        with sender.delivering():
            found = sender.wait("pacs", DEAD)
    assert all("the SOP class is not supported there" in each.words for each in found.values())


def test_a_syntax_that_is_not_accepted_is_transcoded(sender: Sender):
    (uid,) = sender.keep(ct(1))
    with faulty(accepts={CT_CLASS: frozenset([IMPLICIT])}) as peer:
        sender.peer("pacs", peer.port)
        sender.queue("pacs", [uid])
        with sender.delivering():
            found = sender.wait("pacs", DELIVERED)
    assert peer.stored[uid] == encode(ct(1), IMPLICIT)
    assert found[uid].transfer_syntax_uid == IMPLICIT
    assert found[uid].digest == hashlib.sha256(peer.stored[uid]).hexdigest()


def test_a_preferred_syntax_is_used_where_it_is_accepted(sender: Sender):
    uids = sender.keep(ct(1), ct(2))
    with faulty() as peer:
        sender.peer("pacs", peer.port)
        sender.set("pacs", syntaxes=[BIG_ENDIAN, IMPLICIT])
        sender.queue("pacs", uids)
        with sender.delivering():
            found = sender.wait("pacs", DELIVERED)
    assert {each.transfer_syntax_uid for each in found.values()} == {IMPLICIT}


def test_what_is_damaged_here_is_dead_and_says_so(sender: Sender):
    uids = sender.keep(ct(1), ct(2), ct(3))
    with sender.node.archive.begin() as tx:
        row = sender.rows[uids[1]].instance_row
        tx.connection.exec_driver_sql(f"UPDATE instance SET digest = '{'0' * 64}' WHERE id = {row}")
        tx.commit()
    with faulty() as peer:
        sender.peer("pacs", peer.port)
        sender.queue("pacs", uids)
        with sender.delivering():
            found = sender.wait("pacs", DEAD, uids[1:2])
            sender.wait("pacs", DELIVERED, [uids[0], uids[2]])
        assert len(peer.requests) == 1
    assert found[uids[1]].words == f"instance {uids[1]} is damaged: its bytes differ"


def test_a_destination_that_is_down_is_given_up_asked_and_served(start_sender: Start):
    sender = start_sender(delivery={"breaker_failures": 2})
    uids = sender.keep(*(ct(n, series=s) for s in (1, 2) for n in (1, 2, 3)))
    sender.peer("pacs", free_port())
    sender.queue("pacs", uids)
    with sender.delivering():
        until(lambda: sender.destination("pacs").failures >= 4)
        down = sender.destination("pacs")
        assert down.opened_at is not None
        assert down.probe_at is not None
        assert "refused" in down.error
        assert set(sender.states("pacs").values()) <= {"queued", "sending"}
        with faulty() as peer:
            sender.move("pacs", peer.port)
            found = sender.wait("pacs", DELIVERED)
            assert numbers(peer.stored) == [1, 2, 3, 1, 2, 3]
            assert peer.messages[0].command.field == 0x0030  # C-ECHO
    assert all(each.failures == 0 and not sender.attempts(each) for each in found.values())
    up = sender.destination("pacs")
    assert (up.failures, up.opened_at, up.probe_at, up.error) == (0, None, None, "")


def test_a_destination_that_nobody_knows_is_in_trouble(start_sender: Start):
    sender = start_sender(delivery={"breaker_failures": 1})
    uids = sender.keep(ct(1))
    sender.queue("pacs", uids)
    with faulty() as peer, sender.delivering():
        until(lambda: sender.destination("pacs").failures > 1)
        assert "is not known" in sender.destination("pacs").error
        sender.peer("pacs", peer.port)
        sender.wait("pacs", DELIVERED)


def test_a_peer_that_has_moved_gets_nothing_more_at_its_old_place(start_sender: Start):
    sender = start_sender(delivery={"idle_seconds": 30})
    first, second = sender.keep(ct(1)), sender.keep(ct(2))
    with faulty() as old, faulty() as new:
        sender.peer("pacs", old.port)
        sender.queue("pacs", first)
        with sender.delivering():
            sender.wait("pacs", DELIVERED)
            sender.move("pacs", new.port)
            sender.queue("pacs", second)
            sender.wait("pacs", DELIVERED, second)
    assert (numbers(old.stored), numbers(new.stored)) == ([1], [2])


def test_a_peer_that_was_removed_gets_nothing_more(start_sender: Start):
    sender = start_sender(delivery={"idle_seconds": 30, "breaker_failures": 1})
    first, second = sender.keep(ct(1)), sender.keep(ct(2))
    with faulty() as peer:
        sender.peer("pacs", peer.port)
        sender.queue("pacs", first)
        with sender.delivering():
            sender.wait("pacs", DELIVERED)
            sender.node.peers.remove("pacs")
            sender.queue("pacs", second)
            until(lambda: sender.destination("pacs").opened_at is not None)
    assert numbers(peer.stored) == [1]


def test_one_that_is_down_does_not_touch_another(start_sender: Start):
    sender = start_sender(delivery={"breaker_failures": 1})
    uids = sender.keep(*(ct(n) for n in range(1, 21)))
    with faulty() as peer:
        sender.peer("down", free_port())
        sender.peer("up", peer.port)
        sender.queue("down", uids)
        sender.queue("up", uids)
        with sender.delivering():
            found = sender.wait("up", DELIVERED)
            assert set(sender.states("down").values()) <= {"queued", "sending"}
        assert [each.attempts for each in found.values()] == [1] * 20
    assert set(sender.states("down").values()) == {"queued"}  # nothing stays with a worker that ended


def test_what_has_an_alternate_goes_there_while_it_is_down(start_sender: Start):
    sender = start_sender(delivery={"breaker_failures": 1})
    uids = sender.keep(*(ct(n) for n in (1, 2, 3)))
    with faulty() as peer:
        sender.peer("main", free_port())
        sender.peer("other", peer.port)
        sender.queue("main", uids[:2], alternate="other")
        sender.queue("main", uids[2:])
        with sender.delivering():
            sender.wait("main", DeliveryState.DIVERTED, uids[:2])
            found = sender.wait("other", DELIVERED)
        assert numbers(peer.stored) == [1, 2]
    assert sender.states("main")[uids[2]] == "queued"
    assert all(each.instead_of for each in found.values())


def test_nothing_is_sent_once_the_lease_has_run_out_even_if_nobody_says_so(sender: Sender):
    uids = sender.keep(ct(1), ct(2))
    now = clock.now()
    with faulty() as peer:
        sender.peer("pacs", peer.port)
        sender.queue("pacs", uids)
        with sender.node.archive.begin() as tx:
            (home,) = tx.destinations.lease("w", now, now + timedelta(hours=1), 1)
            tx.commit()
        postbook = Postbook(sender.node.archive)
        courier = Courier(sender.node, home, "w", postbook)
        courier.keep(clock.monotonic() - 1)
        courier.start()
        assert courier.idle_for() == 0.0
        assert peer.requests == []
        courier.keep(clock.monotonic() + 3600)
        sender.wait("pacs", DELIVERED)
        courier.stop()
        assert courier.settle(60)
        postbook.stop()


def test_what_may_not_be_sent_any_more_once_the_association_stands_is_not(sender: Sender):
    uids = sender.keep(ct(1))
    now = clock.now()
    with faulty() as peer:
        sender.peer("pacs", peer.port)
        sender.queue("pacs", uids)
        with sender.node.archive.begin() as tx:
            (home,) = tx.destinations.lease("w", now, now + timedelta(hours=1), 1)
            tx.commit()
        postbook = Postbook(sender.node.archive)
        courier = _Expiring(sender.node, home, "w", postbook)
        courier.start()
        until(lambda: courier.opened)
        until(lambda: peer.requests)
        courier.stop()
        assert courier.settle(60)
        postbook.stop()
    assert peer.stored == {}
    assert set(sender.states("pacs").values()) == {"queued"}


class _Expiring(Courier):
    """Its lease runs out, unheard, while it connects."""

    opened = False

    def open(self, lane: Lane) -> Line:
        line = super().open(lane)
        self.keep(clock.monotonic() - 1)
        self.opened = True
        return line


def test_a_courier_knows_of_the_failures_before_its_time(start_sender: Start):
    sender = start_sender(delivery={"max_age_hours": 1 / 3600})
    uids = sender.keep(ct(1))
    now = clock.now()
    sender.peer("pacs", free_port())
    sender.queue("pacs", uids)
    with sender.node.archive.begin() as tx:
        (home,) = tx.destinations.lease("w", now, now + timedelta(hours=1), 1)
        (parcel,) = tx.deliveries.claim(home.id, "w", now, 1, ())
        tx.commit()
    parcel = replace(parcel, failures=99)  # by couriers that were let go while it waited
    postbook = Postbook(sender.node.archive)
    courier = Courier(sender.node, home, "w", postbook)
    courier.start()
    lane = Lane(courier, 9, "pacs")
    lane.hand.parcels.append(parcel)
    lane.hand.on_way = True
    courier.broke(lane, parcel, PeerFault("it hung up.", retry=True))
    (dead,) = sender.wait("pacs", DEAD).values()
    assert dead.words == "it hung up; given up after 100 failures"
    courier.stop()
    assert courier.settle(60)
    postbook.stop()


def test_a_pause_is_noticed_at_once_and_its_end_too(sender: Sender):
    uids = sender.keep(*(ct(n) for n in range(1, 6)))
    with faulty(Fault(2, Act.WAIT)) as peer:
        sender.peer("pacs", peer.port)
        sender.queue("pacs", uids)
        with sender.delivering():
            until(lambda: len(peer.messages) == 2)
            sender.set("pacs", paused=True)
            until(lambda: sorted(sender.states("pacs").values()).count("queued") == 3)
            peer.go.set()
            until(lambda: sorted(sender.states("pacs").values()).count("delivered") == 2)
            until(lambda: sender.destination("pacs").worker == "")
            assert len(peer.stored) == 2
            sender.set("pacs", paused=False)
            sender.wait("pacs", DELIVERED)
        assert numbers(peer.stored) == [1, 2, 3, 4, 5]


def test_nothing_is_sent_outside_the_window(sender: Sender):
    uids = sender.keep(ct(1))
    tomorrow = (clock.now().astimezone().weekday() + 2) % 7
    days = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"]
    with faulty() as peer:
        sender.peer("pacs", peer.port)
        sender.set("pacs", window={"weekdays": [days[tomorrow]]})
        sender.queue("pacs", uids)
        with sender.delivering():
            until(lambda: sender.destination("pacs").worker)
            until(lambda: sender.states("pacs")[uids[0]] == "queued")
            assert peer.requests == []
            sender.set("pacs", window=None)
            sender.wait("pacs", DELIVERED)


def test_a_rate_is_kept(sender: Sender):
    uids = sender.keep(*(ct(n) for n in range(1, 12)))
    with faulty() as peer:
        sender.peer("pacs", peer.port)
        sender.set("pacs", rate=20.0)
        sender.queue("pacs", uids)
        with sender.delivering():
            found = sender.wait("pacs", DELIVERED)
    ends = sorted(each.ended_at for each in found.values() if each.ended_at)
    assert (ends[-1] - ends[0]).total_seconds() > 0.35  # ten times 50 ms, less what may be made up for


def test_several_associations_share_the_series(start_sender: Start):
    sender = start_sender(delivery={"idle_seconds": 30})  # a slow commit ends none of them
    uids = sender.keep(*(ct(n, series=s) for s in (1, 2, 3, 4) for n in range(1, 6)))
    with faulty(Fault(1, Act.WAIT)) as peer:
        sender.peer("pacs", peer.port)
        sender.set("pacs", associations=3)
        sender.queue("pacs", uids)
        with sender.delivering():
            until(lambda: len(peer.stored) >= 5)  # past the one that waits
            peer.go.set()
            sender.wait("pacs", DELIVERED)
        assert 2 <= len(peer.requests) <= 3
        for series in (1, 2, 3, 4):
            came = [int(uid.rpartition(".")[2]) for uid in peer.stored if uid.split(".")[-2] == str(series)]
            assert came == [1, 2, 3, 4, 5]


def test_what_waited_for_its_time_is_sent_then(sender: Sender):
    uids = sender.keep(ct(1))
    with faulty() as peer:
        sender.peer("pacs", peer.port)
        with sender.delivering():
            sender.queue("pacs", uids, due=clock.now())
            sender.wait("pacs", DELIVERED)


def test_commitment_is_asked_for_in_the_same_breath(sender: Sender):
    uids = sender.keep(ct(1), ct(2))
    with faulty() as peer:
        sender.peer("pacs", peer.port)
        sender.set("pacs", commitment=True)
        sender.queue("pacs", uids)
        with sender.delivering():
            found = sender.wait("pacs", DELIVERED)
    assert {each.committed.value for each in found.values()} == {"due"}
    with sender.node.archive.read() as tx:
        (job,) = tx.jobs.list()
    assert (job.kind, job.payload, job.dedupe) == ("commit", {"destination": "pacs"}, "commit:pacs")
