"""Any bytes, in any pieces, against link and channel: they are read as they say, and end in a WireError.

A pair of SOCK_SEQPACKET sockets keeps the pieces apart; a second thread writes only what they cannot hold.
"""

import contextlib
import random
import socket
import threading
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scu.wire.channel import Channel, Context
from scu.wire.errors import LinkClosed, PeerAborted, ProtocolError, ReleaseRequested, WireError
from scu.wire.link import Link
from scu.wire.negotiate import decode_request, encode_request
from tests.fuzz.reading import MAX_PDU, Heard, Reading, read
from tests.fuzz.streams import BYTE_FAULTS, CONTEXTS, IDS, Chance, Recipe, recipes
from tests.support.caller import request

ACCEPTED = {
    2 * n + 1: Context(2 * n + 1, sop_class, syntaxes[0]) for n, (sop_class, syntaxes) in enumerate(CONTEXTS)
}
ENDS = {ReleaseRequested: "released", PeerAborted: "aborted", LinkClosed: "closed", ProtocolError: "broken"}
HOLDS = 30_000
QUICK = settings(max_examples=800, derandomize=True, database=None)
LONG = settings(max_examples=60_000, print_blob=True)


@contextlib.contextmanager
def fed(pieces: list[bytes], max_pdu: int = MAX_PDU) -> Iterator[Link]:
    one, other = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    link = Link(one, max_pdu=max_pdu, idle_timeout=20, pdu_timeout=20)
    writer = threading.Thread(target=_write, args=(other, pieces))
    try:
        if sum(map(len, pieces)) > HOLDS:
            writer.start()
        else:
            _write(other, pieces)
        yield link
    finally:
        link.close()
        if writer.ident:
            writer.join(20)
        other.close()


def _write(sock: socket.socket, pieces: list[bytes]) -> None:
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):
        for piece in pieces:
            for at in range(0, len(piece), 32_768):  # it takes no larger packet at once
                sock.sendall(piece[at : at + 32_768])
        sock.shutdown(socket.SHUT_WR)


def heard(channel: Channel, skip: random.Random | None = None) -> Reading:
    """Read a channel to its end; whatever is no WireError passes."""
    reading = Reading()
    try:
        while True:
            message = channel.receive()
            if skip and skip.random() < 0.3:
                channel.skip_dataset()
                dataset = b"skipped"
            elif skip and skip.random() < 0.3:
                dataset = channel.read_dataset(1 << 20)
            else:
                dataset = b"".join(bytes(part) for parts in channel.dataset() for part in parts)
            reading.messages.append(Heard(message.context.context_id, message.command.elements, dataset))
    except WireError as error:
        reading.end = ENDS[type(error)]
        reading.reason = getattr(error, "reason", 0)
    return reading


def check_read(recipe: Recipe, skipping: bool) -> None:
    stream = recipe.stream()
    skip = random.Random(recipe.seed) if skipping else None
    max_pdu = 600 if recipe.seed % 3 == 0 else MAX_PDU
    with fed(recipe.pieces(stream), max_pdu) as link:
        got = heard(Channel(link, ACCEPTED, 16384), skip)
    said = read(stream, IDS, max_pdu)
    assert (got.end, got.reason) == (said.end, said.reason)
    assert len(got.messages) == len(said.messages)
    for mine, theirs in zip(got.messages, said.messages, strict=True):
        assert (mine.context_id, mine.elements) == (theirs.context_id, theirs.elements)
        assert mine.dataset in (theirs.dataset, b"skipped" if skipping else theirs.dataset)


def check_calls(recipe: Recipe, calls: list[int]) -> None:
    """Whatever is asked of a channel, in any order: an answer or a WireError."""
    with fed(recipe.pieces(recipe.stream())) as link, contextlib.suppress(WireError):
        channel = Channel(link, ACCEPTED, 16384)
        for call in calls * 10:
            if call == 0:
                channel.receive()
            elif call == 1:
                channel.cancelled(1)
            elif call == 2:
                channel.comes(0)
            elif call == 3:
                channel.read_dataset(100)
            else:
                next(channel.dataset(), None)


def check_request(faults: tuple[str, ...], seed: int) -> None:
    """A spoilt A-ASSOCIATE-RQ is read, or refused with a WireError."""
    stream = encode_request(request(CONTEXTS))
    spoilt = Recipe(("echo",), faults, 4000, 1, b"", seed)
    chance, data = Chance(seed), bytearray(stream)
    for fault in faults:
        BYTE_FAULTS[fault](data, chance)
    with fed(spoilt.pieces(bytes(data))) as link, contextlib.suppress(WireError):
        decode_request(bytes(link.next_pdu()[1]))


RECIPES = recipes()
CALLS = st.lists(st.integers(0, 4), min_size=1, max_size=8)
BYTES = st.lists(st.sampled_from(tuple(BYTE_FAULTS)), max_size=4).map(tuple)


@QUICK
@given(RECIPES, st.booleans())
def test_what_is_read_is_what_the_bytes_say(recipe: Recipe, skipping: bool) -> None:
    check_read(recipe, skipping)


@QUICK
@given(RECIPES, CALLS)
def test_only_wire_errors_come_of_any_call(recipe: Recipe, calls: list[int]) -> None:
    check_calls(recipe, calls)


@QUICK
@given(BYTES, st.integers(0, 2**32))
def test_any_request_is_read_or_refused(faults: tuple[str, ...], seed: int) -> None:
    check_request(faults, seed)


@pytest.mark.soak
@pytest.mark.timeout(1800)
@LONG
@given(RECIPES, st.booleans(), CALLS)
def test_many_more_streams(recipe: Recipe, skipping: bool, calls: list[int]) -> None:
    check_read(recipe, skipping)
    check_calls(recipe, calls)
    check_request(tuple(fault for fault in recipe.faults if fault in BYTE_FAULTS), recipe.seed)
