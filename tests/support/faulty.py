"""A peer that misbehaves on purpose: rejects, refuses, aborts, stalls, hangs up, talks nonsense.

It takes C-ECHO and C-STORE in any SOP class and remembers what it was sent; everything else is scripted.

Example
-------
>>> with faulty(Fault(2, Act.STATUS, 0xA700), Fault(5, Act.ABORT)) as peer:    # doctest: +SKIP
...     deliver_to(peer.port)
...     assert peer.stored == {"1.2.3": 525_000}
"""

import contextlib
import socket
import ssl
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum, auto

from scu.wire.channel import Channel, Message
from scu.wire.command import CommandField, response_to
from scu.wire.errors import ReleaseRequested, WireError
from scu.wire.link import Link
from scu.wire.negotiate import Answer, Request, choose, decode_request, encode_accept, encode_reject


class Act(Enum):
    """What it does instead of what it should."""

    STATUS = auto()  # takes the message and answers with the status of the fault
    WRONG_ID = auto()  # answers a message that was never sent
    ABORT = auto()
    CLOSE = auto()
    WAIT = auto()  # takes the message as it should, once `go` is set
    STALL = auto()  # says nothing until it is stopped
    STOP_READING = auto()  # reads no data set, and says nothing
    NONSENSE = auto()  # sends bytes that are no PDU
    HALF_PDU = auto()  # sends the beginning of a PDU, then nothing
    OVERLONG = auto()  # announces a PDU of 4 GiB
    RELEASE = auto()  # asks for the release instead of answering


@dataclass(frozen=True)
class Fault:
    """Do `act` when message number `on` comes, counted over all associations; 0 is the A-ASSOCIATE-RQ."""

    on: int
    act: Act
    status: int = 0xA700
    comment: str = ""


Script = Callable[[Channel, Message, bytes], None]
"""Answers one request with its data set, for operations that the peer does not know by itself."""


class _Everything(Mapping[str, frozenset[str]]):
    def __init__(self, syntaxes: frozenset[str]) -> None:
        self._syntaxes = syntaxes

    def __getitem__(self, abstract_syntax: str) -> frozenset[str]:
        return self._syntaxes

    def __iter__(self) -> Iterator[str]:
        return iter(())

    def __len__(self) -> int:
        return 0


UNCOMPRESSED = frozenset(("1.2.840.10008.1.2", "1.2.840.10008.1.2.1"))


@dataclass
class FaultyPeer:
    """See the module. Attributes below the first blank line are what it has seen.

    Attributes
    ----------
    accepts
        Abstract syntax to the transfer syntaxes that it takes.
    poison
        SOP Instance UIDs at which it aborts, whenever they come.
    """

    faults: tuple[Fault, ...] = ()
    reject: tuple[int, int, int] | None = None
    accepts: Mapping[str, frozenset[str]] = field(default_factory=lambda: _Everything(UNCOMPRESSED))
    script: Script | None = None
    max_pdu: int = 16384
    tls: ssl.SSLContext | None = None
    roles: bool = True
    window: tuple[int, int] | None = None
    poison: set[str] = field(default_factory=set)

    requests: list[Request] = field(default_factory=list)
    messages: list[Message] = field(default_factory=list)
    stored: dict[str, bytes] = field(default_factory=dict)
    released: int = 0
    go: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        self._stopping = threading.Event()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._threads: list[threading.Thread] = []
        self._links: list[Link] = []
        self._start(self._listen)

    def _start(self, work: Callable[[], None]) -> None:
        thread = threading.Thread(target=work, daemon=True)
        self._threads.append(thread)
        thread.start()

    def stop(self) -> None:
        """Close everything, and wait for the threads."""
        self._stopping.set()
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for link in self._links:
            link.close()
        for thread in self._threads:
            thread.join(30)

    def _listen(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                sock, _ = self._listener.accept()
                self._start(lambda sock=sock: self._converse(sock))  # type: ignore[misc]

    def _converse(self, sock: socket.socket) -> None:
        try:
            if self.tls is not None:
                sock = self.tls.wrap_socket(sock, server_side=True)
        except OSError:
            sock.close()
            return
        link = Link(sock, max_pdu=self.max_pdu, idle_timeout=60, pdu_timeout=60)
        self._links.append(link)
        with contextlib.suppress(WireError):
            self._serve(link)
        link.close()

    def _serve(self, link: Link) -> None:
        request = decode_request(bytes(link.next_pdu()[1]))
        self.requests.append(request)
        if self.reject is not None:
            link.send([encode_reject(*self.reject)])
            link.linger(5)
            return
        contexts, refused = choose(request.proposals, self.accepts)
        channel = Channel(link, contexts, request.max_pdu)
        if self._misbehaves(0, channel, None):
            return
        roles = request.roles if self.roles else {}
        answer = Answer(contexts, refused, max_pdu=self.max_pdu, roles=roles, window=self.window)
        link.send([encode_accept(request, answer)])
        try:
            while True:
                message = channel.receive()
                self.messages.append(message)
                if self._misbehaves(len(self.messages), channel, message):
                    return
                self._answer(channel, message)
        except ReleaseRequested:
            self.released += 1
            channel.answer_release()
            link.linger(5)

    def _answer(self, channel: Channel, message: Message) -> None:
        data = b"".join(bytes(part) for parts in channel.dataset() for part in parts)
        command = message.command
        fault = self._fault(len(self.messages))
        if fault is not None and fault.act is Act.STATUS:
            channel.send(message.context, response_to(command, fault.status, fault.comment))
        elif command.field == CommandField.C_STORE_RQ:
            self.stored[command.affected_sop_instance_uid] = data
            channel.send(message.context, response_to(command, 0x0000))
        elif command.field == CommandField.C_ECHO_RQ:
            channel.send(message.context, response_to(command, 0x0000))
        elif self.script is not None:
            self.script(channel, message, data)

    def _fault(self, number: int) -> Fault | None:
        return next((fault for fault in self.faults if fault.on == number), None)

    def _is_poisoned(self, message: Message | None) -> bool:
        return message is not None and message.command.affected_sop_instance_uid in self.poison

    def _misbehaves(self, number: int, channel: Channel, message: Message | None) -> bool:
        """Do the fault that is due. Returns whether the conversation is over."""
        fault = Fault(number, Act.ABORT) if self._is_poisoned(message) else self._fault(number)
        if fault is not None and fault.act is Act.WAIT:
            self.go.wait(60)
        if fault is None or fault.act in (Act.STATUS, Act.WAIT):
            return False
        link = channel.link
        if message is not None and fault.act is not Act.STOP_READING:
            channel.skip_dataset()
        if fault.act is Act.ABORT:
            link.send_abort(2, 0)
        elif fault.act is Act.WRONG_ID and message is not None:
            answer = response_to(message.command, 0x0000)
            channel.send(message.context, answer.us(0x0120, message.command.message_id ^ 0x5555))
        elif fault.act in _RAW:
            link.send([_RAW[fault.act]])
        if fault.act in (Act.STALL, Act.STOP_READING, Act.HALF_PDU):
            self._stopping.wait(60)
        elif fault.act is not Act.CLOSE:
            link.linger(5)
        return True


_RAW = {
    Act.NONSENSE: b"HTTP/1.1 400 Bad Request\r\n\r\n",
    Act.HALF_PDU: b"\x04\x00\x00\x00\x40\x00half",
    Act.OVERLONG: b"\x04\x00\xff\xff\xff\xff" + bytes(100),
    Act.RELEASE: b"\x05\x00\x00\x00\x00\x04\x00\x00\x00\x00",
}


@contextlib.contextmanager
def faulty(*faults: Fault, **settings: object) -> Iterator[FaultyPeer]:
    """Run a `FaultyPeer` for the block."""
    peer = FaultyPeer(faults, **settings)  # type: ignore[arg-type]
    try:
        yield peer
    finally:
        peer.stop()
