"""One association: what is negotiated, sent, made ready meanwhile, and how it ends."""

import contextlib
import hashlib
from collections.abc import Iterator, Sequence

import pytest

from node.core import clock
from node.delivery.line import Line, proposals, stored
from node.delivery.loading import Unfit
from scu.errors import NotAccepted, PeerFault
from scu.store import StoreResult
from storage.records.deliveries import Parcel
from storage.records.network import Peer
from tests.support.delivering import Sender
from tests.support.faulty import Act, Fault, FaultyPeer, faulty
from tests.support.parcels import parcel
from tests.support.samples import CT_CLASS, EXPLICIT, IMPLICIT, MR_CLASS, ct, encode, mr

JPEG = "1.2.840.10008.1.2.4.50"


def parcels(sender: Sender, uids: Sequence[str]) -> list[Parcel]:
    sender.queue("pacs", uids)
    now = clock.now()
    with sender.node.archive.begin() as tx:
        (home,) = tx.destinations.lease("w", now, now, 1)
        found = tx.deliveries.claim(home.id, "w", now, 100, ())
        tx.commit()
    return list(found)


@contextlib.contextmanager
def line(
    sender: Sender, peer: FaultyPeer, some: Sequence[Parcel], preferred: Sequence[str] = ()
) -> Iterator[Line]:
    kinds = [(each.sop_class_uid, each.transfer_syntax_uid) for each in some]
    called = Peer("pacs", "PEER", "127.0.0.1", peer.port, clock.now())
    opened = Line.open(called, sender.node.config.dicom, sender.node.retrieve, kinds, preferred)
    try:
        yield opened
    finally:
        opened.release()


def test_parcel_after_parcel_with_the_next_one_read_ahead(
    sender: Sender, monkeypatch: pytest.MonkeyPatch
) -> None:
    some = parcels(sender, sender.keep(*(ct(n) for n in (1, 2, 3))))
    read: list[str] = []
    ahead = sender.node.retrieve.ahead
    monkeypatch.setattr(
        sender.node.retrieve, "ahead", lambda each: read.append(each.sop_instance_uid) or ahead(each)
    )
    with faulty() as peer, line(sender, peer, some) as opened:
        following = [*some[1:], None]
        for each, then in zip(some, following, strict=True):
            sent = opened.send(each, lambda then=then: then)
            assert sent.outcome == StoreResult(0)
            assert (sent.transfer_syntax_uid, sent.digest) == (EXPLICIT, each.blob.digest)
            assert len(read) == min(some.index(each) + 2, 3)  # the next one is there already
    assert list(peer.stored) == [each.sop_instance_uid for each in some]
    assert peer.released == 1


def test_what_was_read_ahead_and_is_not_sent_next_is_dropped(sender: Sender) -> None:
    some = parcels(sender, sender.keep(*(ct(n) for n in (1, 2, 3))))
    with faulty() as peer, line(sender, peer, some) as opened:
        opened.send(some[0], lambda: some[1])
        opened.send(some[2], lambda: None)
    assert list(peer.stored) == [some[0].sop_instance_uid, some[2].sop_instance_uid]


@pytest.mark.parametrize("syntax", [EXPLICIT, IMPLICIT])
def test_a_large_one_is_streamed_and_its_digest_known(
    sender: Sender, monkeypatch: pytest.MonkeyPatch, syntax: str
) -> None:
    monkeypatch.setattr("node.delivery.loading.AHEAD_MAX", 100)
    some = parcels(sender, sender.keep(ct(1, rows=300)))
    with (
        faulty(accepts={CT_CLASS: frozenset([syntax])}) as peer,
        line(sender, peer, some) as opened,
    ):
        sent = opened.send(some[0], lambda: None)
    came = peer.stored[some[0].sop_instance_uid]
    assert came == encode(ct(1, rows=300), syntax)
    assert sent.digest == hashlib.sha256(came).hexdigest()


def test_a_large_one_that_is_damaged_takes_its_association_along(
    sender: Sender, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("node.delivery.loading.AHEAD_MAX", 100)
    monkeypatch.setattr("node.services.retrieve.AHEAD_MAX", 100)
    monkeypatch.setattr("node.services.retrieve.WHOLE_MAX", 100)
    uids = sender.keep(ct(1, rows=1024))
    with sender.node.archive.begin() as tx:
        tx.connection.exec_driver_sql(f"UPDATE instance SET digest = '{'0' * 64}'")
        tx.commit()
    some = parcels(sender, uids)
    with faulty() as peer, line(sender, peer, some) as opened:
        sent = opened.send(some[0], lambda: None)
        assert isinstance(sent.outcome, Unfit)
        assert (sent.outcome.permanent, sent.digest) == (True, "")
        assert "its bytes differ" in str(sent.outcome)
    assert peer.stored == {}


def test_what_was_asked_for_is_covered_whether_it_was_accepted_or_not(sender: Sender) -> None:
    some = parcels(sender, sender.keep(ct(1), mr(1)))
    with (
        faulty(accepts={CT_CLASS: frozenset([EXPLICIT])}) as peer,
        line(sender, peer, [*some, *parcels_of_both(some)]) as opened,
    ):
        assert opened.covers(parcel(sop_class_uid=CT_CLASS))
        assert opened.covers(parcel(sop_class_uid=MR_CLASS))
        assert not opened.covers(parcel(transfer_syntax_uid=JPEG))
        refused = opened.send(parcel(sop_class_uid=MR_CLASS), lambda: None).outcome
        assert isinstance(refused, Unfit)
        assert "the SOP class is not supported there" in str(refused)


def parcels_of_both(some: Sequence[Parcel]) -> list[Parcel]:
    return [parcel(sop_class_uid=CT_CLASS), parcel(sop_class_uid=MR_CLASS)]


def test_nothing_accepted_is_an_error(sender: Sender) -> None:
    with (
        faulty(accepts={}) as peer,
        pytest.raises(NotAccepted, match="CT Image Storage"),
        line(sender, peer, [parcel()]),
    ):
        pass


def test_a_broken_association_is_an_error_and_is_over(sender: Sender) -> None:
    some = parcels(sender, sender.keep(ct(1)))
    with faulty(Fault(1, Act.ABORT)) as peer, line(sender, peer, some) as opened:
        with pytest.raises(PeerFault, match="aborted C-STORE"):
            opened.send(some[0], lambda: None)
        assert not opened.usable


def test_it_can_be_hung_up_from_elsewhere(sender: Sender) -> None:
    some = parcels(sender, sender.keep(ct(1), ct(2)))
    with faulty(Fault(1, Act.STALL)) as peer, line(sender, peer, some) as opened:

        def meanwhile() -> None:
            opened.hang_up()

        with pytest.raises(PeerFault, match="did not answer C-STORE"):
            opened.send(some[0], meanwhile)


def test_each_kind_has_its_context_and_the_preferred_syntaxes_too() -> None:
    assert proposals([(CT_CLASS, JPEG), (MR_CLASS, EXPLICIT), (CT_CLASS, JPEG)]) == [
        (CT_CLASS, (JPEG,)),
        (CT_CLASS, (EXPLICIT,)),
        (CT_CLASS, (IMPLICIT,)),
        (MR_CLASS, (EXPLICIT,)),
        (MR_CLASS, (IMPLICIT,)),
    ]
    assert proposals([(CT_CLASS, EXPLICIT)], [JPEG])[0] == (CT_CLASS, (JPEG,))


def test_the_first_kinds_have_room_before_the_others() -> None:
    made = proposals((f"1.2.{n}", JPEG) for n in range(100))
    assert len(made) <= 128
    assert made[0] == ("1.2.0", (JPEG,))


def test_nothing_is_nothing_to_propose() -> None:
    with pytest.raises(ValueError, match="nothing to send"):
        proposals([])


def test_a_parcel_is_a_stored_instance() -> None:
    instance = stored(parcel(7))
    assert (instance.sop_instance_uid, instance.blob.key, instance.blob.size) == (
        "1.2.1.1.7",
        "instances/7",
        100,
    )
