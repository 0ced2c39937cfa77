"""Streams thrown at a node that answers, somebody who stores meanwhile, and an account of what came of it."""

import contextlib
import socket
import struct
import threading
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

from scu.wire.errors import WireError
from scu.wire.negotiate import encode_request
from tests.fuzz.reading import Reading, read
from tests.fuzz.streams import CONTEXTS, IDS, Recipe
from tests.support.caller import call, request, store
from tests.support.samples import ct, encode

PATIENCE = 30.0
"""Seconds after which a connection that has not ended counts as hanging; the limits of the node are 2."""
LIMITS: dict[str, object] = {
    "association_timeout": 2,
    "idle_timeout": 2,
    "pdu_timeout": 2,
    "drain_timeout": 2,
}
STORE_RQ, STORE_RSP = 0x0001, 0x8001
ACCEPTED = 2


@dataclass(frozen=True)
class Conversation:
    """What was sent after the request, what came back, and the kind of the first PDU of that, 0 for none."""

    first: int
    sent: Reading
    back: Reading


def throw(
    port: int,
    stream: bytes,
    recipe: Recipe,
    *,
    calling: str = "CALLER",
    called: str = "ISOCENTRE",
    opening: bytes | None = None,
    ending: bool = True,
) -> Conversation:
    """Associate, send `stream` in pieces, say that nothing follows, and read to the end.

    Raises
    ------
    TimeoutError
        The connection did not end.
    """
    opening = opening or encode_request(request(CONTEXTS, calling, called))
    pieces = recipe.pieces(stream, 12)
    with socket.create_connection(("127.0.0.1", port), PATIENCE) as sock:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        came = bytearray()
        with _cut_off():
            if recipe.seed % 4:
                sock.sendall(opening)
                came += _first(sock)
            else:  # it does not wait for the answer
                pieces[:1] = [opening + b"".join(pieces[:1])]
            for piece in pieces:
                sock.sendall(piece)
                time.sleep(0.001 * (recipe.seed % 3))
            if ending:
                sock.shutdown(socket.SHUT_WR)
        with _cut_off():
            while chunk := sock.recv(65536):
                came += chunk
    first = came[0] if came else 0
    back = bytes(came[6 + struct.unpack_from(">L", came, 2)[0] :]) if len(came) >= 6 else b""
    return Conversation(first, read(stream, IDS), read(back, IDS))


@contextlib.contextmanager
def _cut_off() -> Iterator[None]:
    """Let the node end the connection where it likes; not ending it is trouble."""
    try:
        yield
    except TimeoutError:
        raise
    except OSError:
        pass


def _first(sock: socket.socket) -> bytes:
    came = bytearray()
    while len(came) < 6 or len(came) < 6 + struct.unpack_from(">L", came, 2)[0]:
        chunk = sock.recv(65536)
        if not chunk:
            break
        came += chunk
    return bytes(came)


@dataclass
class Account:
    """Who was told what.

    Attributes
    ----------
    acknowledged
        SOP Instance UID of the command and SHA-256 of the data set, where the answer was 0x0000.
    unanswered
        SHA-256 of each data set that came whole, and whose answer was not seen.
    """

    acknowledged: set[tuple[str, str]] = field(default_factory=set)
    unanswered: set[str] = field(default_factory=set)

    def add(self, told: Conversation) -> None:
        """See that each C-STORE was answered once, in order, and note how."""
        asked = [each for each in told.sent.messages if each.kind == STORE_RQ]
        answers = [each for each in told.back.messages if each.kind == STORE_RSP]
        assert len(answers) <= len(asked)
        assert (
            told.first != ACCEPTED or told.back.end in ("closed", "aborted") or told.back.reason == UNEXPECTED
        )
        self.unanswered |= {each.digest for each in asked[len(answers) :]}
        for one, answer in zip(asked, answers, strict=False):
            assert answer.number(0x0120) == one.number(0x0110)
            if answer.number(0x0900) == 0:
                self.acknowledged.add((one.uid(0x1000), one.digest))

    def check(self, kept: set[tuple[str, str]]) -> None:
        """See that all that was acknowledged is kept bit for bit, and nothing else."""
        digests = {digest for _, digest in kept}
        told = Counter(uid for uid, _ in self.acknowledged)
        for uid, digest in self.acknowledged:
            # Of two contents under one UID, the second is not kept where it says the same in other bytes.
            assert (uid, digest) in kept or (not uid and digest in digests) or told[uid] > 1, (uid, digest)
        assert digests - {digest for _, digest in self.acknowledged} - self.unanswered == set()


UNEXPECTED = 2  # A-RELEASE-RP, which the reader takes for a PDU out of place


class Neighbour:
    """Stores one instance after the other over one association, while others are at work."""

    def __init__(self, port: int, study: int) -> None:
        self._port = port
        self._study = study
        self._end = threading.Event()
        self.told: dict[str, bytes] = {}
        self.trouble = ""
        self.thread = threading.Thread(target=self._run)

    def _run(self) -> None:
        try:
            with call(self._port, timeout=PATIENCE) as channel:
                number = 0
                while not self._end.is_set():
                    number += 1
                    dataset = ct(number, study=self._study)
                    encoded = encode(dataset)
                    status, comment = store(channel, encoded, dataset.SOPInstanceUID)
                    if status:
                        self.trouble = f"0x{status:04X} {comment}"
                        return
                    self.told[str(dataset.SOPInstanceUID)] = encoded
                    self._end.wait(0.02)
                channel.release()
        except (OSError, WireError) as error:
            self.trouble = f"{type(error).__name__}: {error}"

    def stop(self) -> None:
        """Let it finish, and see that it was served all the time."""
        self._end.set()
        self.thread.join(2 * PATIENCE)
        assert not self.thread.is_alive()
        assert self.trouble == ""
        assert self.told


@contextlib.contextmanager
def neighbour(port: int, study: int) -> Iterator[Neighbour]:
    """Let somebody store for the block."""
    one = Neighbour(port, study)
    one.thread.start()
    try:
        yield one
    finally:
        one.stop()
