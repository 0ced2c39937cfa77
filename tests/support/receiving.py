"""A destination that counts: what it was given, how often, in which order, and over how many associations.

Example
-------
>>> with receiving() as peer:                                       # doctest: +SKIP
...     deliver_to(peer.port)
...     assert peer.times["1.2.3"] == 1
"""

import contextlib
import hashlib
import socket
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from scu.wire.channel import Channel, Message
from scu.wire.command import CommandField, response_to
from scu.wire.errors import ReleaseRequested, WireError
from scu.wire.link import Link
from scu.wire.negotiate import Answer, choose, decode_request, encode_accept
from tests.support.faulty import UNCOMPRESSED


@dataclass(frozen=True)
class Reception:
    """An instance as it came: it was received whole, whether or not the sender heard of it."""

    uid: str
    digest: str

    @property
    def series(self) -> str:
        """Of `tests.support.samples`, whose SOP Instance UIDs end in the Instance Number."""
        return self.uid.rpartition(".")[0]

    @property
    def number(self) -> int:
        return int(self.uid.rpartition(".")[2])


class Receiver:
    """Takes C-ECHO and every C-STORE, from `start` to `stop`; it may be started again on its port.

    Attributes
    ----------
    receptions
        In the order in which they came.
    most
        Associations that stood at once, at most.
    holding
        The reception, counted from 1, from which on it answers nothing before `go` is set.
    pause
        Seconds that it takes for each instance.
    """

    def __init__(self, port: int = 0, *, holding: int = 0, pause: float = 0.0) -> None:
        self.port = port
        self.receptions: list[Reception] = []
        self.most = 0
        self.holding = holding
        self.pause = pause
        self.go = threading.Event()
        self._changed = threading.Condition()
        self._standing = 0
        self._stopped = False
        self._links: list[Link] = []
        self._threads: list[threading.Thread] = []

    def start(self) -> None:
        """Listen, on the port of the last time if there was one."""
        self._stopped = False
        listener = socket.create_server(("127.0.0.1", self.port))
        self._listener = listener
        self.port = listener.getsockname()[1]
        self._thread(lambda: self._listen(listener))

    def stop(self) -> None:
        """Be gone: nobody listens, and what stood is cut."""
        self.go.set()
        self._stopped = True
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for link in self._links:
            link.close()
        for thread in self._threads:
            thread.join(30)

    @property
    def times(self) -> Counter[str]:
        """How often each SOP Instance UID was received."""
        return Counter(each.uid for each in list(self.receptions))

    @property
    def digests(self) -> dict[str, set[str]]:
        """SHA-256 of each data set that came under a SOP Instance UID."""
        found: dict[str, set[str]] = defaultdict(set)
        for each in list(self.receptions):
            found[each.uid].add(each.digest)
        return found

    def series(self) -> dict[str, list[int]]:
        """The numbers of the instances of each series, in the order in which they came."""
        found: dict[str, list[int]] = defaultdict(list)
        for each in list(self.receptions):
            found[each.series].append(each.number)
        return found

    def wait(self, found: Callable[[], object], seconds: float = 120.0) -> None:
        """Wait until something is true of what came."""
        with self._changed:
            assert self._changed.wait_for(found, seconds), f"{len(self.receptions)} came"

    def _thread(self, work: Callable[[], None]) -> None:
        thread = threading.Thread(target=work, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _listen(self, listener: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while True:
                sock, _ = listener.accept()
                self._thread(lambda sock=sock: self._converse(sock))  # type: ignore[misc]

    def _converse(self, sock: socket.socket) -> None:
        link = Link(sock, max_pdu=65536, idle_timeout=300, pdu_timeout=60)
        self._links.append(link)
        if not self._stopped:
            with contextlib.suppress(WireError):
                self._serve(link)
        link.close()

    def _serve(self, link: Link) -> None:
        request = decode_request(bytes(link.next_pdu()[1]))
        accepted = {each.abstract_syntax: UNCOMPRESSED for each in request.proposals}
        contexts, refused = choose(request.proposals, accepted)
        channel = Channel(link, contexts, request.max_pdu)
        with self._association():
            link.send([encode_accept(request, Answer(contexts, refused, max_pdu=65536))])
            try:
                while True:
                    self._take(channel, channel.receive())
            except ReleaseRequested:
                pass
        channel.answer_release()  # the next one may come now, and must find this one gone
        link.linger(5)

    @contextlib.contextmanager
    def _association(self) -> Iterator[None]:
        with self._changed:
            self._standing += 1
            self.most = max(self.most, self._standing)
        try:
            yield
        finally:
            with self._changed:
                self._standing -= 1

    def _take(self, channel: Channel, message: Message) -> None:
        digest = hashlib.sha256()
        for parts in channel.dataset():
            for part in parts:
                digest.update(part)
        if message.command.field == CommandField.C_STORE_RQ:
            with self._changed:
                self.receptions.append(
                    Reception(message.command.affected_sop_instance_uid, digest.hexdigest())
                )
                count = len(self.receptions)
                self._changed.notify_all()
            if 0 < self.holding <= count:
                self.go.wait(120)
            time.sleep(self.pause)
        channel.send(message.context, response_to(message.command, 0x0000))


@contextlib.contextmanager
def receiving(port: int = 0, **settings: float) -> Iterator[Receiver]:
    """Run a `Receiver` for the block."""
    receiver = Receiver(port, **settings)  # type: ignore[arg-type]
    receiver.start()
    try:
        yield receiver
    finally:
        receiver.stop()
