"""Associations that come about, end, and do not."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from scu.address import Address
from scu.association import Association
from scu.contexts import UNCOMPRESSED, VERIFICATION, for_query
from scu.echo import echo
from scu.errors import NotAccepted, PeerFault, Rejected, ScuError, TimedOut
from scu.store import Outgoing, send
from scu.wire.errors import LinkClosed
from tests.support.faulty import Act, Fault, FaultyPeer, faulty
from tests.support.strangers import storescp

CT, MR = "1.2.840.10008.5.1.4.1.1.2", "1.2.840.10008.5.1.4.1.1.4"
JPEG, EXPLICIT, IMPLICIT = "1.2.840.10008.1.2.4.70", "1.2.840.10008.1.2.1", "1.2.840.10008.1.2"


def address(peer: FaultyPeer) -> Address:
    return Address("PACS", "127.0.0.1", peer.port)


@contextmanager
def opened(
    peer: FaultyPeer, *proposals: tuple[str, tuple[str, ...]], timeout: float = 20
) -> Iterator[Association]:
    with Association.open(
        address(peer),
        "ISOCENTRE",
        proposals or for_query(VERIFICATION),
        response_timeout=timeout,
    ) as association:
        yield association


def test_many_operations_over_one_association() -> None:
    with faulty() as peer:
        with opened(peer) as association:
            for _ in range(20):
                echo(association)
            assert association.usable
        assert len(peer.requests) == 1
        assert len({message.command.message_id for message in peer.messages}) == 20
        assert peer.released == 1


def test_the_titles_are_those_that_were_given() -> None:
    with faulty() as peer, opened(peer) as association:
        assert association.answer.implementation == "ISOCENTRE_01"
        assert (peer.requests[0].calling_ae, peer.requests[0].called_ae) == ("ISOCENTRE", "PACS")


def test_the_context_that_fits_is_found() -> None:
    everything = frozenset((JPEG, EXPLICIT, IMPLICIT))
    with faulty(accepts={CT: everything, MR: frozenset((IMPLICIT,))}) as peer:
        proposals = ((CT, (EXPLICIT,)), (CT, (JPEG,)), (MR, (JPEG,)), (MR, UNCOMPRESSED))
        with opened(peer, *proposals) as association:
            jpeg = association.context_for(CT, JPEG)
            assert jpeg is not None
            assert (jpeg.context_id, jpeg.transfer_syntax) == (3, JPEG)
            assert association.need(CT).transfer_syntax == EXPLICIT
            assert association.need(MR).transfer_syntax == IMPLICIT
            assert association.context_for(MR, JPEG) is None
            with pytest.raises(NotAccepted, match="was not proposed"):
                association.need(VERIFICATION)


def test_message_ids_wrap_and_are_never_0() -> None:
    with faulty() as peer, opened(peer) as association:
        seen = [association.next_id() for _ in range(0x10001)]
        assert (min(seen), max(seen), seen[-2:]) == (1, 0xFFFF, [1, 2])


def test_no_context_is_accepted() -> None:
    with faulty(accepts={MR: frozenset((IMPLICIT,))}) as peer:
        with pytest.raises(NotAccepted, match="did not accept") as caught:
            Association.open(address(peer), "ISOCENTRE", [(CT, (JPEG,)), (MR, (JPEG,))])
        assert "CT Image Storage in JPEG Lossless" in str(caught.value)
        assert "not supported there" in str(caught.value)
        assert not caught.value.retry


@pytest.mark.parametrize(
    ("reject", "words", "retry"),
    [
        ((1, 1, 7), "called AE title PACS is not recognized", False),
        ((1, 1, 3), "calling AE title ISOCENTRE is not recognized", False),
        ((2, 3, 1), "congested", True),
    ],
)
def test_a_rejection(reject: tuple[int, int, int], words: str, retry: bool) -> None:
    with faulty(reject=reject) as peer, pytest.raises(Rejected, match=words) as caught, opened(peer):
        pass
    assert caught.value.retry is retry


@pytest.mark.parametrize(
    ("act", "kind", "words", "retry"),
    [
        (Act.ABORT, PeerFault, "aborted the request for an association", True),
        (Act.CLOSE, PeerFault, "closed the connection", True),
        (Act.STALL, TimedOut, r"nothing came within 0\.3 s", True),
        (Act.NONSENSE, PeerFault, "not DICOM", False),
        (Act.HALF_PDU, TimedOut, "not complete", True),
        (Act.OVERLONG, PeerFault, "4294967295 bytes", False),
        (Act.RELEASE, PeerFault, "answer to the request was due", False),
    ],
)
def test_a_request_that_is_answered_wrongly(act: Act, kind: type[ScuError], words: str, retry: bool) -> None:
    with (
        faulty(Fault(0, act)) as peer,
        pytest.raises(kind, match=words) as caught,
        opened(peer, timeout=0.3),
    ):
        pass
    assert caught.value.retry is retry


@pytest.mark.parametrize(
    ("act", "kind", "words"),
    [
        (Act.ABORT, PeerFault, "aborted C-ECHO"),
        (Act.CLOSE, PeerFault, "did not answer C-ECHO: the peer closed the connection"),
        (Act.STALL, TimedOut, "did not answer C-ECHO"),
        (Act.NONSENSE, PeerFault, "not DICOM"),
        (Act.HALF_PDU, TimedOut, "not complete"),
        (Act.OVERLONG, PeerFault, "not DICOM"),
        (Act.RELEASE, PeerFault, "ended the association before C-ECHO was answered"),
        (Act.WRONG_ID, PeerFault, "to message 2 was due"),
    ],
)
def test_an_operation_that_is_answered_wrongly(act: Act, kind: type[ScuError], words: str) -> None:
    with faulty(Fault(2, act)) as peer, opened(peer, timeout=0.3) as association:
        echo(association)
        with pytest.raises(kind, match=words):
            echo(association)


def test_a_wire_error_leaves_the_block_as_an_scu_error() -> None:
    with faulty() as peer, pytest.raises(PeerFault, match="did not answer the operation") as caught:
        _break(peer)
    assert isinstance(caught.value.__cause__, LinkClosed)


def _break(peer: FaultyPeer) -> None:
    with opened(peer):
        raise LinkClosed("the peer closed the connection")


def test_an_error_of_the_block_aborts() -> None:
    with faulty() as peer:
        with pytest.raises(KeyError):
            _fail(peer)
        assert peer.released == 0


def _fail(peer: FaultyPeer) -> None:
    with opened(peer) as association:
        echo(association)
        raise KeyError


def test_a_peer_that_went_away_is_noticed_before_the_next_use() -> None:
    with faulty(Fault(2, Act.CLOSE)) as peer, opened(peer) as association:
        echo(association)
        assert association.usable
        with pytest.raises(PeerFault):
            echo(association)
        assert not association.usable
        association.abort()


def test_releasing_a_dead_association_is_no_error() -> None:
    with faulty(Fault(1, Act.CLOSE)) as peer:
        association = Association.open(address(peer), "ISOCENTRE", for_query(VERIFICATION))
        peer.stop()
        association.release()
        association.release()


def test_a_stranger_that_refuses(tmp_path: Path) -> None:
    with storescp(tmp_path, "--refuse") as stranger, pytest.raises(Rejected):
        Association.open(Address("X", "127.0.0.1", stranger.port), "ISOCENTRE", for_query(VERIFICATION))


def test_a_stranger_that_aborts(tmp_path: Path) -> None:
    with (
        storescp(tmp_path, "--abort-after") as stranger,
        pytest.raises(PeerFault, match="aborted") as caught,
        Association.open(
            Address("X", "127.0.0.1", stranger.port), "ISOCENTRE", [(CT, (IMPLICIT,))]
        ) as association,
    ):
        _store_something(association)
    assert caught.value.retry


def _store_something(association: Association) -> None:
    outgoing = Outgoing(CT, "1.2.3", IMPLICIT, 0, lambda: iter(()))
    send(association.channel, association.need(CT), outgoing, association.next_id())
