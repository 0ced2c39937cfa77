"""Whole PDUs from a socket, however they are cut, and nothing that never ends."""

import resource
import socket
import struct
import threading
import time
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scu.wire.errors import LinkClosed, LinkTimeout, ProtocolError, WireError
from scu.wire.link import A_ABORT, A_RELEASE_RQ, ASSOCIATE_MAX, P_DATA_TF, Link
from tests.support.certificates import Certificates

MAX_PDU = 4096


def pdu(kind: int, body: bytes) -> bytes:
    return struct.pack(">BxL", kind, len(body)) + body


def tcp_pair() -> tuple[socket.socket, socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        one = socket.create_connection(listener.getsockname())
        other, _ = listener.accept()
    return one, other


def link_of(sock: socket.socket, idle: float = 10, pdu: float = 10, max_pdu: int = MAX_PDU) -> Link:
    return Link(sock, max_pdu=max_pdu, idle_timeout=idle, pdu_timeout=pdu)


def read_on(link: Link) -> None:
    while True:
        link.next_pdu()


def flood(link: Link) -> None:
    for _ in range(100):
        link.send([bytes(1 << 20)])


@pytest.fixture
def pair() -> Iterator[tuple[Link, socket.socket]]:
    one, other = tcp_pair()
    with other:
        link = link_of(one)
        yield link, other
        link.close()


@settings(max_examples=60, deadline=None)
@given(
    bodies=st.lists(st.binary(max_size=MAX_PDU), min_size=1, max_size=40),
    cuts=st.lists(st.integers(1, 6000), min_size=1, max_size=20),
)
def test_pdus_come_whole_however_the_stream_is_cut(bodies: list[bytes], cuts: list[int]) -> None:
    one, other = socket.socketpair()
    stream = b"".join(pdu(P_DATA_TF, body) for body in bodies)

    def write() -> None:
        position = 0
        while position < len(stream):
            step = cuts[position % len(cuts)]
            other.sendall(stream[position : position + step])
            position += step

    link = link_of(one)
    writer = threading.Thread(target=write)
    writer.start()
    try:
        assert [bytes(link.next_pdu()[1]) for _ in bodies] == bodies
        assert not link.has_pdu()
    finally:
        writer.join()
        link.close()
        other.close()


@settings(max_examples=150, deadline=None)
@given(st.binary(max_size=200))
def test_any_bytes_end_in_a_wire_error(data: bytes) -> None:
    one, other = socket.socketpair()
    other.sendall(data)
    other.close()
    link = link_of(one)
    with pytest.raises(WireError):
        read_on(link)
    link.close()


def test_more_than_the_buffer_holds_goes_through(pair: tuple[Link, socket.socket]) -> None:
    link, other = pair
    bodies = [bytes([number % 256]) * (MAX_PDU - number % 7) for number in range(500)]
    writer = threading.Thread(target=other.sendall, args=(b"".join(pdu(P_DATA_TF, body) for body in bodies),))
    writer.start()
    for body in bodies:
        assert link.next_pdu()[1] == body
    writer.join()


def test_views_stay_while_whole_pdus_are_waiting(pair: tuple[Link, socket.socket]) -> None:
    link, other = pair
    other.sendall(pdu(P_DATA_TF, b"a" * 100) + pdu(P_DATA_TF, b"b" * 100))
    _, first = link.next_pdu()
    while not link.has_pdu():
        assert link.readable()
        link._receive()
    _, second = link.next_pdu()
    assert (first, second) == (b"a" * 100, b"b" * 100)


@pytest.mark.parametrize(
    ("kind", "length", "reason"),
    [
        (P_DATA_TF, MAX_PDU + 1, 6),
        (P_DATA_TF, 0xFFFFFFFF, 6),
        (1, ASSOCIATE_MAX + 1, 6),
        (A_RELEASE_RQ, 5, 6),
        (A_ABORT, 0x10000, 6),
        (0, 4, 1),
        (8, 4, 1),
        (0x16, 4, 1),
    ],
)
def test_length_and_type_are_checked_before_the_body_is_read(
    pair: tuple[Link, socket.socket], kind: int, length: int, reason: int
) -> None:
    link, other = pair
    other.sendall(struct.pack(">BxL", kind, length))
    with pytest.raises(ProtocolError) as caught:
        link.next_pdu()
    assert caught.value.reason == reason


def test_silence_ends_after_the_idle_timeout() -> None:
    one, other = tcp_pair()
    with other:
        link = link_of(one, idle=0.2, pdu=10)
        with pytest.raises(LinkTimeout, match=r"nothing came within 0\.2 s"):
            link.next_pdu()
        link.close()


@pytest.mark.parametrize("begin", [b"\x04", b"\x04\x00\x00", pdu(P_DATA_TF, bytes(50))[:-1]])
def test_a_pdu_that_never_ends_is_given_up(begin: bytes) -> None:
    one, other = tcp_pair()
    with other:
        link = link_of(one, idle=30, pdu=0.2)
        other.sendall(begin)
        with pytest.raises(LinkTimeout, match="not complete"):
            link.next_pdu()
        link.close()


def test_a_dripping_peer_is_given_up() -> None:
    one, other = tcp_pair()
    stop = threading.Event()

    def drip() -> None:
        for byte in pdu(P_DATA_TF, bytes(4000)):
            if stop.wait(0.02):
                return
            other.sendall(bytes([byte]))

    link = link_of(one, idle=30, pdu=0.3)
    dripper = threading.Thread(target=drip)
    dripper.start()
    with pytest.raises(LinkTimeout, match="not complete"):
        link.next_pdu()
    stop.set()
    dripper.join()
    link.close()
    other.close()


def test_time_spent_idle_does_not_count_against_the_pdu() -> None:
    one, other = tcp_pair()
    with other:
        link = link_of(one, idle=30, pdu=0.5)
        whole = pdu(P_DATA_TF, b"late")

        def late() -> None:
            time.sleep(0.8)  # longer than a PDU may take
            other.sendall(whole[:8])
            time.sleep(0.05)
            other.sendall(whole[8:])

        writer = threading.Thread(target=late)
        writer.start()
        assert link.next_pdu()[1] == b"late"
        writer.join()
        link.close()


def test_a_peer_that_takes_nothing_is_given_up() -> None:
    one, other = tcp_pair()
    with other:
        link = link_of(one, idle=30, pdu=0.2)
        with pytest.raises(LinkTimeout, match="took nothing"):
            flood(link)
        link.close()


def test_the_end_within_a_pdu_is_told_apart(pair: tuple[Link, socket.socket]) -> None:
    link, other = pair
    other.sendall(b"\x04\x00\x00\x00\x00\x09half")
    other.close()
    with pytest.raises(LinkClosed, match="within a PDU"):
        link.next_pdu()


def test_writing_to_a_closed_connection_is_a_closed_link(pair: tuple[Link, socket.socket]) -> None:
    link, other = pair
    other.close()
    with pytest.raises(LinkClosed):
        flood(link)


def test_hanging_up_wakes_a_waiting_reader_and_leaves_it_its_descriptor(
    pair: tuple[Link, socket.socket],
) -> None:
    link, _ = pair
    ends: list[WireError] = []

    def read() -> None:
        try:
            link.next_pdu()
        except WireError as error:
            ends.append(error)

    thread = threading.Thread(target=read)
    thread.start()
    link.hang_up()
    thread.join(5)
    assert isinstance(ends[0], LinkClosed)
    assert link.sock.fileno() >= 0


def test_close_wakes_a_waiting_reader(pair: tuple[Link, socket.socket]) -> None:
    link, _ = pair
    caught: list[WireError] = []

    def wait() -> None:
        try:
            link.next_pdu()
        except WireError as error:
            caught.append(error)

    waiter = threading.Thread(target=wait)
    waiter.start()
    link.close()
    waiter.join(20)
    assert isinstance(caught[0], LinkClosed)
    assert link.readable()  # the next read says so


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(0, 3000), min_size=1, max_size=1500))
def test_many_buffers_arrive_in_order(sizes: list[int]) -> None:
    one, other = socket.socketpair()
    one.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)  # writes are cut short
    buffers = [bytes([number % 256]) * size for number, size in enumerate(sizes)]
    got = bytearray()

    def read() -> None:
        while data := other.recv(65536):
            got.extend(data)

    reader = threading.Thread(target=read)
    reader.start()
    link = link_of(one)
    link.send(buffers)
    link.close()
    reader.join()
    other.close()
    assert got == b"".join(buffers)


def test_what_was_read_elsewhere_comes_first(pair: tuple[Link, socket.socket]) -> None:
    link, other = pair
    both = pdu(P_DATA_TF, b"first") + pdu(P_DATA_TF, b"second")
    link.preload(both[:15])
    assert link.has_pdu()
    other.sendall(both[15:])
    assert link.next_pdu()[1] == b"first"
    assert link.next_pdu()[1] == b"second"
    with pytest.raises(ProtocolError):
        link.preload(bytes(1 << 20))


def test_a_quiet_link_takes_no_memory_for_its_buffer() -> None:
    page = resource.getpagesize()

    def resident() -> int:
        with open("/proc/self/statm") as statm:
            return int(statm.read().split()[1]) * page

    pairs = [socket.socketpair() for _ in range(100)]
    before = resident()
    links = [link_of(one, max_pdu=1 << 20) for one, _ in pairs]
    assert resident() - before < 20_000_000  # the buffers are 128 MB
    for link, (_, other) in zip(links, pairs, strict=True):
        link.close()
        other.close()


def test_segments_are_sent_and_acknowledged_at_once(pair: tuple[Link, socket.socket]) -> None:
    link, other = pair
    assert link.sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
    link.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 0)
    other.sendall(pdu(P_DATA_TF, b"x"))
    link.next_pdu()
    assert link.sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK)
    link.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 0)
    link.send([b"x"])
    assert link.sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK)


def test_linger_waits_for_the_peer_to_close(pair: tuple[Link, socket.socket]) -> None:
    link, other = pair
    closer = threading.Timer(0.1, other.close)
    closer.start()
    link.linger(30)
    closer.join()
    link.linger(0.1)


class TestTls:
    """The same over TLS, where the kernel's timeouts do not work and reads can bring nothing."""

    @pytest.fixture
    def secure(self, certificates: Certificates) -> Iterator[tuple[Link, Link]]:
        one, other = tcp_pair()
        server: list[Link] = []

        def accept() -> None:
            sock = certificates.server_context().wrap_socket(other, server_side=True)
            server.append(link_of(sock, idle=0.3, pdu=0.3, max_pdu=1 << 17))

        accepter = threading.Thread(target=accept)
        accepter.start()
        client = certificates.client_context().wrap_socket(one, server_hostname="localhost")
        accepter.join()
        link = link_of(client, idle=0.3, pdu=0.3, max_pdu=1 << 17)
        yield link, server[0]
        link.close()
        server[0].close()

    def test_both_directions(self, secure: tuple[Link, Link]) -> None:
        client, server = secure
        body = bytes(range(256)) * 500
        writer = threading.Thread(
            target=client.send, args=([part for _ in range(20) for part in (pdu(4, body)[:6], body)],)
        )
        writer.start()
        for _ in range(20):
            assert server.next_pdu() == (4, body)
        writer.join()
        server.send([pdu(P_DATA_TF, b"back")])
        assert client.next_pdu()[1] == b"back"

    def test_silence_times_out(self, secure: tuple[Link, Link]) -> None:
        with pytest.raises(LinkTimeout, match="nothing came"):
            secure[0].next_pdu()

    def test_a_peer_that_takes_nothing_times_out(self, secure: tuple[Link, Link]) -> None:
        with pytest.raises(LinkTimeout, match="took nothing"):
            flood(secure[0])

    def test_a_session_ticket_is_no_message(self, secure: tuple[Link, Link]) -> None:
        client, server = secure
        assert not client.readable()
        server.send([pdu(P_DATA_TF, b"now")])
        while not client.readable():
            time.sleep(0.01)
        assert client.next_pdu()[1] == b"now"

    def test_bytes_are_waited_for_as_long_as_asked(self, secure: tuple[Link, Link]) -> None:
        client, server = secure
        assert not client.readable(0.01)
        thread = threading.Timer(0.05, server.send, [[pdu(P_DATA_TF, b"late")]])
        thread.start()
        assert client.readable(60)
        assert bytes(client.next_pdu()[1]) == b"late"
        thread.join()

    def test_the_end_is_readable(self, secure: tuple[Link, Link]) -> None:
        client, server = secure
        server.close()
        while not client.readable():
            time.sleep(0.01)
        with pytest.raises(LinkClosed):
            client.next_pdu()
