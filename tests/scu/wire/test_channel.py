"""Whole messages over an association, in both directions, and nothing unbounded."""

import socket
import struct
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scu.wire.channel import COMMAND_MAX, Channel, Context
from scu.wire.command import MESSAGE_ID, RESPONDED_TO, STATUS, Command, CommandField, response_to
from scu.wire.errors import (
    LinkClosed,
    LinkTimeout,
    PeerAborted,
    ProtocolError,
    ReleaseRequested,
    WireError,
)
from scu.wire.link import Buffer, Link

CT = Context(1, "1.2.840.10008.5.1.4.1.1.2", "1.2.840.10008.1.2")
OTHER = Context(3, "1.2.840.10008.1.1", "1.2.840.10008.1.2")
CONTEXTS = {1: CT, 3: OTHER}

ABORT = struct.pack(">BxLxxBB", 7, 4, 2, 6)
RELEASE_RQ = struct.pack(">BxLxxxx", 5, 4)
RELEASE_RP = struct.pack(">BxLxxxx", 6, 4)


def pdv(data: bytes, control: int, context_id: int = 1) -> bytes:
    return struct.pack(">LBB", len(data) + 2, context_id, control) + data


def p_data(*pdvs: bytes) -> bytes:
    body = b"".join(pdvs)
    return struct.pack(">BxL", 4, len(body)) + body


def channel_of(sock: socket.socket, peer_max_pdu: int = 16384, timeout: float = 10.0) -> Channel:
    return Channel(
        Link(sock, max_pdu=16384, idle_timeout=timeout, pdu_timeout=timeout), CONTEXTS, peer_max_pdu
    )


@contextmanager
def pair(peer_max_pdu: int = 16384) -> Iterator[tuple[Channel, Channel]]:
    one, other = socket.socketpair()
    channels = channel_of(one, peer_max_pdu), channel_of(other, peer_max_pdu)
    try:
        yield channels
    finally:
        for channel in channels:
            channel.link.close()


@contextmanager
def fed(data: bytes, *, end: bool = True) -> Iterator[tuple[Channel, socket.socket]]:
    """A channel whose peer has sent `data`, and closed."""
    one, other = socket.socketpair()
    other.sendall(data)
    if end:
        other.shutdown(socket.SHUT_WR)
    channel = channel_of(one)
    try:
        yield channel, other
    finally:
        channel.link.close()
        other.close()


def request(message_id: int = 1, field: CommandField = CommandField.C_STORE_RQ) -> Command:
    return Command.of(field).us(MESSAGE_ID, message_id)


def cancel(message_id: int) -> bytes:
    return p_data(pdv(Command.of(CommandField.C_CANCEL_RQ).us(RESPONDED_TO, message_id).encode(), 3))


def response(message_id: int, field: CommandField = CommandField.C_STORE_RSP) -> bytes:
    return p_data(pdv(Command.of(field).us(RESPONDED_TO, message_id).us(STATUS, 0).encode(), 3))


@settings(max_examples=60, deadline=None)
@given(
    datasets=st.lists(st.binary(max_size=3000), min_size=1, max_size=8),
    peer_max_pdu=st.sampled_from([0, 70, 71, 128, 4096, 16384]),
)
def test_messages_come_as_they_were_sent(datasets: list[bytes], peer_max_pdu: int) -> None:
    with pair(peer_max_pdu) as (sender, receiver):
        sent: list[Buffer] = []
        for number, data in enumerate(datasets):
            sent += sender.encode(CT, request(number), data)
        writer = threading.Thread(target=sender.write, args=(sent,))
        writer.start()
        for number, data in enumerate(datasets):
            message = receiver.receive()
            assert message.context == CT
            assert message.command.message_id == number
            assert receiver.read_dataset(1 << 20) == data
        writer.join()


@settings(max_examples=60, deadline=None)
@given(
    datasets=st.lists(st.binary(max_size=3000), max_size=8),
    peer_max_pdu=st.sampled_from([0, 70, 71, 128, 4096, 16384]),
)
def test_messages_of_one_command_are_those_encoded_one_by_one(
    datasets: list[bytes], peer_max_pdu: int
) -> None:
    with pair(peer_max_pdu) as (sender, _):
        together = sender.encode_all(CT, request(7), datasets)
        one_by_one = [b"".join(sender.encode(CT, request(7), data)) for data in datasets]
        assert together == one_by_one


@settings(max_examples=60, deadline=None)
@given(st.lists(st.binary(max_size=5000), max_size=20))
def test_a_streamed_data_set_arrives_whole_in_even_fragments(chunks: list[bytes]) -> None:
    whole = b"".join(chunks)
    with pair(1030) as (sender, receiver):
        writer = threading.Thread(target=sender.send_streamed, args=(CT, request(), chunks, len(whole)))
        writer.start()
        receiver.receive()
        fragments = [bytes(part) for parts in receiver.dataset() for part in parts]
        writer.join()
        assert b"".join(fragments) == whole
        assert all(len(part) % 2 == 0 and len(part) <= 1024 for part in fragments[:-1])
        assert not sender.torn


def test_a_chunk_of_any_size_takes_little_memory_and_arrives() -> None:
    huge = memoryview(bytearray(40 << 20))
    got = 0
    with pair(0) as (sender, receiver):
        writer = threading.Thread(target=sender.send_streamed, args=(CT, request(), [huge], len(huge)))
        writer.start()
        receiver.link.max_pdu = 131072
        receiver.receive()
        for parts in receiver.dataset():
            got += sum(len(part) for part in parts)
        writer.join()
    assert got == len(huge)


class CountingLink(Link):
    writes = 0

    def send(self, buffers: Sequence[Buffer]) -> None:
        self.writes += 1
        super().send(buffers)


def test_a_small_message_is_one_write() -> None:
    one, other = socket.socketpair()
    link = CountingLink(one, max_pdu=16384, idle_timeout=10, pdu_timeout=10)
    Channel(link, CONTEXTS, 16384).send_streamed(CT, request(), [bytes(1000), bytes(39000)], 40000)
    assert link.writes == 1
    link.close()
    other.close()


def _damaged(size: int) -> Iterator[bytes]:
    yield bytes(size)
    raise OSError("damaged")


def test_a_failure_before_anything_left_keeps_the_association() -> None:
    with pair() as (sender, receiver):
        with pytest.raises(OSError, match="damaged"):
            sender.send_streamed(CT, request(1), _damaged(1000), 1000)
        assert not sender.torn
        sender.send(CT, request(2), b"ok")
        assert receiver.receive().command.message_id == 2


def test_a_failure_half_way_tears_the_association() -> None:
    with pair() as (sender, receiver):
        reader = threading.Thread(target=_read_until_end, args=(receiver,))
        reader.start()
        with pytest.raises(OSError, match="damaged"):
            sender.send_streamed(CT, request(), _damaged(5 << 20), 5 << 20)
        assert sender.torn
        sender.abort()
        reader.join()


def _read_until_end(channel: Channel) -> None:
    with pytest.raises((PeerAborted, LinkClosed)):
        _drain(channel)


def _drain(channel: Channel) -> None:
    while True:
        channel.receive()


@pytest.mark.parametrize(("chunks", "size"), [([b"abc"], 2), ([b"ab", b""], 4), ([], 2), ([b"a"], 0)])
def test_a_wrong_size_is_found_before_it_is_sent(chunks: list[bytes], size: int) -> None:
    with pair() as (sender, _):
        with pytest.raises(ValueError, match="was announced"):
            sender.send_streamed(CT, request(), chunks, size)
        assert not sender.torn


def test_an_unread_data_set_is_skipped() -> None:
    with pair() as (sender, receiver):
        sender.send(CT, request(1), bytes(10_000))
        sender.send(OTHER, request(2, CommandField.C_ECHO_RQ))
        assert receiver.receive().command.message_id == 1
        assert receiver.receive().context == OTHER


def test_command_and_data_set_may_share_a_pdu() -> None:
    raw = request().with_data().encode()
    with fed(p_data(pdv(raw[:20], 1), pdv(raw[20:], 3), pdv(b"ab", 0), pdv(b"", 0), pdv(b"cd", 2))) as (
        channel,
        _,
    ):
        channel.receive()
        assert channel.read_dataset(4) == b"abcd"


@settings(max_examples=150, deadline=None)
@given(
    st.lists(
        st.lists(st.binary(max_size=3000), min_size=1, max_size=4),
        min_size=1,
        max_size=12,
    ),
    st.lists(st.integers(1, 9000), min_size=1, max_size=6),
)
def test_fragments_come_whole_one_to_a_pdu_or_several(pdus: list[list[bytes]], cuts: list[int]) -> None:
    last = (len(pdus) - 1, len(pdus[-1]) - 1)
    stream = p_data(pdv(WITH_DATA, 3)) + b"".join(
        p_data(*[pdv(data, 2 if (row, column) == last else 0) for column, data in enumerate(fragments)])
        for row, fragments in enumerate(pdus)
    )
    with fed(b"", end=False) as (channel, other):
        writer = threading.Thread(target=_in_pieces, args=(other, stream + response(9), cuts))
        writer.start()
        channel.receive()
        assert channel.read_dataset(1 << 20) == b"".join(b"".join(fragments) for fragments in pdus)
        assert channel.receive().command.responded_to == 9
        writer.join()


def _in_pieces(sock: socket.socket, data: bytes, cuts: list[int]) -> None:
    begin, number = 0, 0
    while begin < len(data):
        sock.sendall(data[begin : begin + cuts[number % len(cuts)]])
        begin, number = begin + cuts[number % len(cuts)], number + 1


@pytest.mark.parametrize("comment", ["", "no room"])
def test_a_reply_is_the_response_to_its_message(comment: str) -> None:
    asked = request(9).uid(0x0002, "1.2.840.10008.5.1.4.1.1.2").uid(0x1000, "1.2.3." + "4" * 58)
    for peer_max_pdu in (70, 16384):
        with pair(peer_max_pdu) as (sender, receiver):
            sender.send(CT, asked)
            message = receiver.receive()
            receiver.reply(message, 0xA700, comment)
            expected = response_to(message.command, 0xA700, comment).elements
            answer = sender.answer(CommandField.C_STORE_RSP, 9).command
            assert {key: value for key, value in answer.elements.items() if key} == expected


def test_a_data_set_over_the_limit_is_refused() -> None:
    with pair() as (sender, receiver):
        sender.send(CT, request(), bytes(101))
        receiver.receive()
        with pytest.raises(ProtocolError):
            receiver.read_dataset(100)


COMMAND = request().encode()
WITH_DATA = request().with_data().encode()


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (p_data(pdv(b"ab", 2)), 2),  # data set without command
        (p_data(pdv(COMMAND[:10], 1), pdv(COMMAND[10:], 3, 3)), 6),  # context changes
        (p_data(pdv(COMMAND, 3, 5)), 6),  # context not accepted
        (p_data(pdv(COMMAND[:-1], 3)), 6),
        (p_data(), 6),  # no PDV
        (p_data(b"\0\0\0"), 6),
        (p_data(struct.pack(">LBB", 1, 1, 3)), 6),
        (p_data(struct.pack(">LBB", 0xFFFFFFFF, 1, 3)), 6),
        (p_data(pdv(WITH_DATA, 3), pdv(b"a", 0), pdv(COMMAND, 3)), 2),  # a message within another
        (p_data(pdv(WITH_DATA, 3), pdv(b"a", 2, 3)), 2),
        (b"".join(p_data(pdv(bytes(16000), 1)) for _ in range(5)), 6),  # endless command
        (b"".join(p_data(*[pdv(b"", 1)] * 2000) for _ in range(8)), 6),  # endless empty fragments
        (b"\x01\0\0\0\0\x04" + bytes(4), 2),  # A-ASSOCIATE-RQ within an association
        (RELEASE_RP, 2),
    ],
)
def test_broken_messages_are_protocol_errors(data: bytes, reason: int) -> None:
    with fed(data) as (channel, _), pytest.raises(ProtocolError) as caught:
        _drain(channel)
    assert caught.value.reason == reason


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_damaged_streams_end_in_a_wire_error(data: st.DataObject) -> None:
    raw = bytearray(
        p_data(pdv(WITH_DATA, 3)) + p_data(pdv(b"data", 0), pdv(b"set", 2)) + p_data(pdv(COMMAND, 3))
    )
    for _ in range(data.draw(st.integers(0, 5))):
        raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    with fed(bytes(raw)) as (channel, _), pytest.raises(WireError):
        _drain(channel)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(st.binary(max_size=40), st.integers(0, 255), st.integers(0, 5)), max_size=20))
def test_random_pdvs_end_in_a_wire_error(pdvs: list[tuple[bytes, int, int]]) -> None:
    stream = b"".join(p_data(pdv(*each)) for each in pdvs)
    with fed(stream) as (channel, _), pytest.raises(WireError):
        _drain(channel)


def test_commands_of_the_longest_allowed_size_pass() -> None:
    command = request()
    command.elements[0x1000] = bytes(COMMAND_MAX // 2)
    with pair() as (sender, receiver):
        sender.send(CT, command)
        assert len(receiver.receive().command.elements[0x1000]) == COMMAND_MAX // 2


@pytest.mark.parametrize(
    ("data", "kind"), [(ABORT, PeerAborted), (RELEASE_RQ, ReleaseRequested), (b"", LinkClosed)]
)
def test_how_an_association_ends(data: bytes, kind: type[WireError]) -> None:
    with fed(data) as (channel, _), pytest.raises(kind):
        channel.receive()


def test_an_abort_says_who_and_why() -> None:
    with fed(ABORT) as (channel, _), pytest.raises(PeerAborted) as caught:
        channel.receive()
    assert (caught.value.source, caught.value.reason) == (2, 6)


def test_an_abort_is_seen_by_who_is_sending() -> None:
    one, other = socket.socketpair()
    channel = channel_of(one)
    other.sendall(ABORT)
    other.close()
    with pytest.raises(PeerAborted):
        channel.send(CT, request(), bytes(1000))
    channel.link.close()


def test_a_close_is_seen_by_who_is_sending() -> None:
    one, other = socket.socketpair()
    channel = channel_of(one)
    other.sendall(p_data(pdv(COMMAND, 3)))
    other.close()
    with pytest.raises(LinkClosed):
        channel.send(CT, request(), bytes(1000))
    channel.link.close()


def test_answers_are_matched_to_their_message() -> None:
    with fed(response(7)) as (channel, _):
        assert channel.answer(CommandField.C_STORE_RSP, 7).command.status == 0
    for data in (response(8), response(7, CommandField.C_ECHO_RSP), p_data(pdv(COMMAND, 3))):
        with fed(data) as (channel, _), pytest.raises(ProtocolError, match="was due"):
            channel.answer(CommandField.C_STORE_RSP, 7)


def test_a_cancel_between_is_kept_for_its_operation() -> None:
    with fed(cancel(5) + response(7) + cancel(6)) as (channel, _):
        assert channel.answer(CommandField.C_STORE_RSP, 7).command.status == 0
        assert channel.cancelled(5)
        assert channel.cancelled(5)
        assert channel.cancelled(6)


def test_a_cancel_of_what_has_ended_is_forgotten() -> None:
    with fed(cancel(5) + response(7) + p_data(pdv(COMMAND, 3)), end=False) as (channel, _):
        channel.answer(CommandField.C_STORE_RSP, 7)
        assert channel.receive().command.field == CommandField.C_STORE_RQ
        assert not channel.cancelled(5)


def test_asking_for_a_cancel_does_not_wait() -> None:
    with fed(b"", end=False) as (channel, other):
        assert not channel.cancelled(1)
        other.sendall(cancel(2))
        assert not channel.cancelled(1)
        other.sendall(cancel(1))
        assert channel.cancelled(1)


def test_what_comes_is_waited_for_as_long_as_asked() -> None:
    with fed(b"", end=False) as (channel, other):
        assert not channel.comes(0.01)
        thread = threading.Timer(0.05, other.sendall, [cancel(2) + cancel(3)])
        thread.start()
        assert channel.comes(60)
        assert channel.receive().command.responded_to == 2
        assert channel.comes(0)  # it was read together with the first
        assert channel.receive().command.responded_to == 3
        thread.join()
        assert not channel.comes(0)
        other.close()
        assert channel.comes(60)  # the end


def test_a_second_operation_at_once_is_refused() -> None:
    with fed(p_data(pdv(COMMAND, 3))) as (channel, _), pytest.raises(ProtocolError, match="second operation"):
        channel.cancelled(1)


def test_release_is_asked_and_confirmed() -> None:
    with pair() as (requestor, acceptor):
        ends: list[str] = []

        def accept() -> None:
            with pytest.raises(ReleaseRequested):
                acceptor.receive()
            acceptor.answer_release()
            ends.append("released")

        accepter = threading.Thread(target=accept)
        accepter.start()
        requestor.release()
        accepter.join()
        assert ends == ["released"]


@pytest.mark.parametrize(
    "data",
    [
        RELEASE_RQ + RELEASE_RP,  # both sides at once (PS3.8 7.2.2.1)
        p_data(pdv(COMMAND, 3)) + RELEASE_RP,  # an answer that nobody waits for any more
        ABORT,
    ],
)
def test_release_ends_whatever_comes_between(data: bytes) -> None:
    with fed(data, end=False) as (channel, other):
        channel.release()
        assert other.recv(10) == RELEASE_RQ
        if data.startswith(RELEASE_RQ):
            assert other.recv(10) == RELEASE_RP


def _silence(other: socket.socket, stop: threading.Event) -> None:
    stop.wait(30)


def _chatter(other: socket.socket, stop: threading.Event) -> None:
    try:
        while not stop.wait(0.01):
            other.sendall(p_data(pdv(b"blah", 0)))
    except OSError:
        return


@pytest.mark.parametrize("behave", [_silence, _chatter])
def test_a_release_that_is_never_confirmed_ends(
    behave: Callable[[socket.socket, threading.Event], None],
) -> None:
    one, other = socket.socketpair()
    stop = threading.Event()
    thread = threading.Thread(target=behave, args=(other, stop))
    thread.start()
    channel = channel_of(one, timeout=0.3)
    with pytest.raises(LinkTimeout):
        channel.release()
    stop.set()
    thread.join()
    other.close()


def test_abort_says_so_and_closes() -> None:
    with fed(b"", end=False) as (channel, other):
        channel.abort(2, 6)
        assert other.recv(10) == ABORT
        assert other.recv(1) == b""
        channel.abort()


def test_several_operations_are_answered_in_any_order() -> None:
    with fed(response(8) + cancel(5) + response(7) + response(9)) as (channel, _):
        under_way = {7, 8}
        while under_way:
            message = channel.answer_to_any(CommandField.C_STORE_RSP, under_way)
            under_way.remove(message.command.responded_to)
        assert channel.cancelled(5)
        with pytest.raises(ProtocolError, match="message 7 was due"):
            channel.answer(CommandField.C_STORE_RSP, 7)


def test_responses_that_come_before_a_cancel_are_kept() -> None:
    with fed(response(7) + response(8) + cancel(5) + response(9), end=False) as (channel, _):
        channel.window = 3
        assert channel.cancelled(5)
        for number in (7, 8, 9):
            assert channel.answer(CommandField.C_STORE_RSP, number).command.responded_to == number


@pytest.mark.parametrize("window", [1, 2])
def test_more_responses_than_operations_are_refused(window: int) -> None:
    with fed(response(7) * window, end=False) as (channel, _):
        channel.window = window
        with pytest.raises(ProtocolError):
            channel.cancelled(5)
