"""C-STORE to a stranger, byte for byte, and to peers that do not want it."""

import contextlib
import subprocess
import sys
import zlib
from collections.abc import Iterator
from pathlib import Path

import pydicom
import pytest

from scu.address import Address
from scu.association import Association
from scu.contexts import EXPLICIT_LITTLE_ENDIAN, for_sending
from scu.errors import PeerFault, ScuError, TimedOut
from scu.store import Outgoing, StoreResult, request_for, send, wait_for_result
from scu.wire.channel import Channel, Message
from scu.wire.command import MOVE_ORIGINATOR_AE, MOVE_ORIGINATOR_MESSAGE_ID, PRIORITY
from scu.wire.link import Buffer
from tests.support.faulty import Act, Fault, FaultyPeer, faulty
from tests.support.samples import CT_CLASS, ct, encode
from tests.support.strangers import storescp


def outgoing(number: int = 1, rows: int = 16, piece: int = 1 << 20) -> Outgoing:
    data = encode(ct(number, rows=rows))

    def chunks() -> Iterator[Buffer]:
        for begin in range(0, len(data), piece):
            yield data[begin : begin + piece]

    return Outgoing(CT_CLASS, str(ct(number).SOPInstanceUID), EXPLICIT_LITTLE_ENDIAN, len(data), chunks)


@contextlib.contextmanager
def opened(port: int, ae_title: str = "STRANGER", timeout: float = 20) -> Iterator[Association]:
    (proposals,) = for_sending([(CT_CLASS, EXPLICIT_LITTLE_ENDIAN)])
    address = Address(ae_title, "127.0.0.1", port)
    with Association.open(address, "ISOCENTRE", proposals, response_timeout=timeout) as association:
        yield association


def give(association: Association, instance: Outgoing) -> StoreResult:
    context = association.context_for(instance.sop_class_uid, instance.transfer_syntax_uid)
    assert context is not None
    return send(association.channel, context, instance, association.next_id())


def test_a_stranger_gets_every_byte(tmp_path: Path) -> None:
    with storescp(tmp_path, "+B") as stranger, opened(stranger.port) as association:  # +B: bit for bit
        for number in range(1, 21):
            assert give(association, outgoing(number, rows=16 * number, piece=4001)) == StoreResult(0)
        files = {pydicom.dcmread(path).SOPInstanceUID: path for path in stranger.files}
        assert len(files) == 20
        for number in range(1, 21):
            raw = files[ct(number).SOPInstanceUID].read_bytes()
            assert raw.endswith(encode(ct(number, rows=16 * number)))
    assert (tmp_path / "server.log").read_text(errors="replace").count("Association Release") == 1


@pytest.mark.parametrize(
    ("status", "stored", "warning", "retry"),
    [
        (0x0000, True, False, False),
        (0xB000, True, True, False),
        (0x0107, True, True, False),
        (0xA700, False, False, True),
        (0xA900, False, False, False),
        (0xC001, False, False, False),
        (0x0124, False, False, False),
        (0xFFFF, False, False, False),
    ],
)
def test_what_a_status_means(status: int, stored: bool, warning: bool, retry: bool) -> None:
    with (
        faulty(Fault(1, Act.STATUS, status, "so it is")) as peer,
        opened(peer.port) as association,
    ):
        result = give(association, outgoing())
        assert result == StoreResult(status, "so it is")
        assert (result.stored, result.warning, result.meaning.retry) == (stored, warning, retry)
        assert give(association, outgoing(2)).stored  # the association goes on


def test_what_the_command_says() -> None:
    with faulty() as peer, opened(peer.port) as association:
        context = association.need(CT_CLASS)
        send(association.channel, context, outgoing(), 7, priority=2, originator=("ASKER", 77))
        command = peer.messages[0].command
        assert command.message_id == 7
        assert command.number(PRIORITY) == 2
        assert command.string(MOVE_ORIGINATOR_AE) == "ASKER"
        assert command.number(MOVE_ORIGINATOR_MESSAGE_ID) == 77
        assert command.affected_sop_class_uid == CT_CLASS


def test_the_time_until_the_answer_can_be_used() -> None:
    with faulty() as peer, opened(peer.port) as association:
        instance = outgoing()
        context = association.need(CT_CLASS)
        data = b"".join(instance.chunks())
        association.channel.send(context, request_for(instance, 9), data)
        assert wait_for_result(association.channel, 9).stored
        assert peer.stored[instance.sop_instance_uid] == data


def test_an_empty_and_an_odd_data_set_arrive() -> None:
    with faulty() as peer, opened(peer.port) as association:
        for uid, data in (("1.2.1", b""), ("1.2.2", b"odd"), ("1.2.3", bytes(100_001))):
            instance = Outgoing(
                CT_CLASS, uid, EXPLICIT_LITTLE_ENDIAN, len(data), lambda data=data: iter([data])
            )
            assert give(association, instance).stored
            assert peer.stored[uid] == data


@pytest.mark.parametrize(
    ("act", "kind"),
    [
        (Act.ABORT, PeerFault),
        (Act.CLOSE, PeerFault),
        (Act.STALL, TimedOut),
        (Act.STOP_READING, TimedOut),
        (Act.NONSENSE, PeerFault),
        (Act.WRONG_ID, PeerFault),
    ],
)
def test_what_goes_wrong_is_explained(act: Act, kind: type[ScuError]) -> None:
    with faulty(Fault(2, act)) as peer, pytest.raises(kind, match=r"STRANGER at"):
        _give_two(peer)


def _give_two(peer: FaultyPeer) -> None:
    with opened(peer.port, timeout=0.5) as association:
        give(association, outgoing(1))
        give(association, outgoing(2, rows=3000))  # 18 MB: more than the kernel takes at once


def _breaking(data: bytes) -> Iterator[Buffer]:
    yield data
    raise LookupError("the digest is another")


def test_a_source_that_breaks_before_anything_left_costs_one_instance() -> None:
    with faulty() as peer, opened(peer.port) as association:
        broken = Outgoing(CT_CLASS, "1.2.9", EXPLICIT_LITTLE_ENDIAN, 1000, lambda: _breaking(bytes(1000)))
        with pytest.raises(LookupError):
            give(association, broken)
        assert association.usable
        assert give(association, outgoing()).stored
        assert "1.2.9" not in peer.stored


def test_a_source_that_breaks_half_way_never_arrives_whole() -> None:
    size = 8 << 20
    with faulty() as peer:
        with opened(peer.port) as association:
            broken = Outgoing(CT_CLASS, "1.2.9", EXPLICIT_LITTLE_ENDIAN, size, lambda: _breaking(bytes(size)))
            with pytest.raises(LookupError):
                give(association, broken)
            assert not association.usable
        assert peer.stored == {}
        assert peer.released == 0  # aborted


def test_the_source_is_closed_whatever_happens() -> None:
    closed: list[str] = []

    def chunks() -> Iterator[Buffer]:
        try:
            yield bytes(10)
            yield bytes(10)
        finally:
            closed.append("closed")

    with faulty() as peer, opened(peer.port) as association:
        with pytest.raises(ValueError, match="announced"):
            give(association, Outgoing(CT_CLASS, "1.2.9", EXPLICIT_LITTLE_ENDIAN, 5, chunks))
        assert closed == ["closed"]


SEND_BIG = """
import resource, sys
from scu.address import Address
from scu.association import Association
from scu.store import Outgoing, send
CT, EXPLICIT, MIB = "1.2.840.10008.5.1.4.1.1.2", "1.2.840.10008.1.2.1", 1 << 20
count = int(sys.argv[2])
def chunks():
    for number in range(count):
        yield number.to_bytes(4, "big") * (MIB // 4)
address = Address("PEER", "127.0.0.1", int(sys.argv[1]))
with Association.open(address, "ISOCENTRE", [(CT, (EXPLICIT,))]) as association:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    outgoing = Outgoing(CT, "1.2", EXPLICIT, count * MIB, chunks)
    result = send(association.channel, association.need(CT), outgoing, 1)
    assert result.stored, result
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


def test_two_gigabytes_take_little_memory() -> None:
    count = 2048
    with summing() as (port, sums):
        done = subprocess.run(
            [sys.executable, "-c", SEND_BIG, str(port), str(count)],
            capture_output=True,
            text=True,
            check=False,
        )
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) < 20_000  # KiB
    expected = 0
    for number in range(count):
        expected = zlib.crc32(number.to_bytes(4, "big") * (1 << 18), expected)
    assert sums == [expected]


class SummingPeer(FaultyPeer):
    """Keeps the checksum of what it is sent, in little memory."""

    sums: list[int]

    def _answer(self, channel: Channel, message: Message) -> None:
        total = 0
        for fragments in channel.dataset():
            for fragment in fragments:
                total = zlib.crc32(fragment, total)
        self.sums.append(total)
        super()._answer(channel, message)


@contextlib.contextmanager
def summing() -> Iterator[tuple[int, list[int]]]:
    sums: list[int] = []
    peer = SummingPeer(max_pdu=131072)
    peer.sums = sums
    try:
        yield peer.port, sums
    finally:
        peer.stop()
