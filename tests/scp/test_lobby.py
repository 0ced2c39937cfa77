import contextlib
import queue
import socket
import struct
import threading
import time
from collections.abc import Iterator

import pytest

from scp import lobby as module
from scp.lobby import Guest, Lobby
from scu.wire.link import ASSOCIATE_MAX
from tests.support.certificates import Certificates

RQ = struct.pack(">BxL", 1, 10) + b"0123456789"


class Door:
    def __init__(self, timeout: float) -> None:
        listener = socket.create_server(("127.0.0.1", 0))
        self.port = listener.getsockname()[1]
        self.guests: queue.Queue[Guest] = queue.Queue()
        self.lobby = Lobby([(listener, None)], timeout, self.guests.put)
        self.thread = threading.Thread(target=self.lobby.run)
        self.thread.start()

    def connect(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), 5)

    def guest(self) -> Guest:
        return self.guests.get(timeout=5)


@contextlib.contextmanager
def door(timeout: float = 10.0) -> Iterator[Door]:
    made = Door(timeout)
    yield made
    made.lobby.close()
    made.thread.join(5)
    assert not made.thread.is_alive()
    while not made.guests.empty():
        made.guests.get().sock.close()


def test_a_request_is_handed_on_with_all_that_came() -> None:
    with door() as at, at.connect() as sock:
        sock.sendall(RQ + b"more")
        guest = at.guest()
        assert bytes(guest.data) == RQ + b"more"
        assert guest.address == "127.0.0.1"
        guest.sock.sendall(b"!")
        assert sock.recv(1) == b"!"
        guest.sock.close()


def test_a_request_may_come_a_byte_at_a_time() -> None:
    with door() as at, at.connect() as sock:
        for byte in RQ:
            sock.sendall(bytes([byte]))
            time.sleep(0.001)
        guest = at.guest()
        assert bytes(guest.data) == RQ
        guest.sock.close()


def test_two_hundred_who_say_nothing_keep_nobody_waiting() -> None:
    with door() as at, contextlib.ExitStack() as stack:
        threads = threading.active_count()
        silent = [stack.enter_context(at.connect()) for _ in range(200)]
        for sock in silent[::2]:
            sock.sendall(RQ[:3])
        with at.connect() as sock:
            sock.sendall(RQ)
            at.guest().sock.close()
        assert threading.active_count() == threads


def test_who_says_nothing_in_time_is_shown_out() -> None:
    with door(timeout=0.2) as at, at.connect() as silent, at.connect() as half:
        half.sendall(RQ[:8])
        assert silent.recv(1) == b""
        assert half.recv(1) == b""


@pytest.mark.parametrize("hello", [b"GET / HTTP/1.0\r\n\r\n", b"\x16\x03\x01\x02\x00", b"\x04"])
def test_what_is_no_request_is_aborted_at_once(hello: bytes) -> None:
    with door() as at, at.connect() as sock:
        sock.sendall(hello)
        assert sock.recv(10) == b"\x07\x00\x00\x00\x00\x04\x00\x00\x02\x01"
        assert sock.recv(1) == b""


def test_a_request_longer_than_any_is_aborted_before_it_is_read() -> None:
    with door() as at, at.connect() as sock:
        sock.sendall(struct.pack(">BxL", 1, 0xFFFFFFFF))
        assert sock.recv(10)[-1] == 6
        assert sock.recv(1) == b""


def test_the_longest_request_is_taken() -> None:
    body = bytes(ASSOCIATE_MAX)
    with door() as at, at.connect() as sock:
        sock.sendall(struct.pack(">BxL", 1, len(body)) + body)
        guest = at.guest()
        assert len(guest.data) == 6 + len(body)
        guest.sock.close()


def test_when_too_many_wait_the_oldest_goes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "WAITING_MAX", 3)
    with door() as at, contextlib.ExitStack() as stack:
        waiting = [stack.enter_context(at.connect()) for _ in range(4)]
        assert waiting[0].recv(1) == b""
        for sock in waiting[1:]:
            sock.sendall(RQ)
            at.guest().sock.close()


def test_closing_takes_nobody_more_and_drops_who_waits() -> None:
    with door() as at, at.connect() as sock:
        sock.sendall(RQ[:4])
        time.sleep(0.05)
        at.lobby.close()
        assert sock.recv(1) == b""
        at.thread.join(5)
        with pytest.raises(ConnectionError):
            at.connect()


def test_who_resets_a_tls_connection_before_it_is_looked_at_harms_nobody(certificates: Certificates) -> None:
    listener = socket.create_server(("127.0.0.1", 0))
    address = listener.getsockname()
    with socket.create_connection(address, 5) as scanner:  # of ports, not of patients
        scanner.sendall(b"x")
        scanner.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    guests: queue.Queue[Guest] = queue.Queue()
    lobby = Lobby([(listener, certificates.server_context())], 10.0, guests.put)
    thread = threading.Thread(target=lobby.run)
    thread.start()
    client = certificates.client_context()
    with client.wrap_socket(socket.create_connection(address, 5), server_hostname="localhost") as sock:
        sock.sendall(RQ)
        guests.get(timeout=5).sock.close()
    lobby.close()
    thread.join(5)


def test_without_descriptors_and_guests_it_waits_instead_of_asking_without_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked = []
    accept = socket.socket.accept

    def none_left(listener: socket.socket) -> tuple[socket.socket, object]:
        asked.append(time.monotonic())
        if len(asked) < 4:
            raise OSError(24, "Too many open files")
        return accept(listener)

    monkeypatch.setattr(socket.socket, "accept", none_left)
    paused: list[float] = []
    monkeypatch.setattr(module.time, "sleep", paused.append)
    with door() as at, at.connect() as sock:
        sock.sendall(RQ)
        at.guest().sock.close()
    assert len(paused) == 3
