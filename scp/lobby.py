"""Where connections wait until their A-ASSOCIATE-RQ has come whole: one thread, no slot, no thread each.

A half-open, slow or foreign connection costs one socket and a small buffer here until its time is up
(ARTIM, PS3.8 9.1.5). Only what has asked properly is handed on. When too many wait, the one that has
waited longest goes.
"""

import contextlib
import selectors
import socket
import ssl
import struct
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import structlog

from scu.wire.link import A_ABORT, A_ASSOCIATE_RQ, ASSOCIATE_MAX

WAITING_MAX = 1024
"""Connections that may wait at once."""

_FULL_SECONDS = 0.1

_HEADER = struct.Struct(">BxL")
_UNRECOGNIZED = struct.pack(">BxLxxBB", A_ABORT, 4, 2, 1)  # PS3.8 9.3.8: provider, unrecognized PDU
_INVALID = struct.pack(">BxLxxBB", A_ABORT, 4, 2, 6)  # provider, invalid PDU parameter value
_log = structlog.get_logger()


@dataclass(slots=True)
class Guest:
    """A connection that has not asked for its association yet, or has just done so.

    Attributes
    ----------
    data
        All that it has sent: when handed on, one whole A-ASSOCIATE-RQ and perhaps what follows it.
    """

    sock: socket.socket
    address: str
    deadline: float
    data: bytearray = field(default_factory=bytearray)
    shaking_hands: bool = False


class Lobby:
    """The listening sockets and who waits behind them.

    Parameters
    ----------
    listeners
        Listening sockets, each with the TLS context for its connections, None for plain ones.
    timeout
        Seconds from the connection to the end of the A-ASSOCIATE-RQ, TLS handshake included.
    admit
        Called with each guest that has asked; must not block.
    """

    def __init__(
        self,
        listeners: list[tuple[socket.socket, ssl.SSLContext | None]],
        timeout: float,
        admit: Callable[[Guest], None],
    ) -> None:
        self._timeout = timeout
        self._admit = admit
        self._selector = selectors.DefaultSelector()
        self._listeners = dict(listeners)
        self._guests: dict[socket.socket, Guest] = {}  # in order of arrival, so of deadline
        self._bell, self._clapper = socket.socketpair()
        self._closing = False
        for listener in (*self._listeners, self._bell):
            listener.setblocking(False)
            self._selector.register(listener, selectors.EVENT_READ)

    def run(self) -> None:
        """Serve until `close` is called from another thread; then drop all who wait."""
        while not self._closing:
            for key, _ in self._selector.select(self._patience()):
                sock = key.fileobj
                if isinstance(sock, socket.socket):
                    self._ready(sock)
            self._expire()
        for sock in [*self._guests, *self._listeners, self._bell]:
            with contextlib.suppress(KeyError, ValueError):
                self._selector.unregister(sock)
            sock.close()
        self._selector.close()

    def close(self) -> None:
        """End `run`: no connection is taken any more."""
        self._closing = True
        with contextlib.suppress(OSError):
            self._clapper.send(b"x")
            self._clapper.close()

    def _patience(self) -> float | None:
        if not self._guests:
            return None
        first = next(iter(self._guests.values()))
        return max(0.0, first.deadline - time.monotonic())

    def _ready(self, sock: socket.socket) -> None:
        if sock in self._listeners:
            self._accept(sock)
        elif sock in self._guests:
            self._serve(self._guests[sock])

    def _accept(self, listener: socket.socket) -> None:
        context = self._listeners[listener]
        for _ in range(64):  # some at a time, so that those who have asked are served too
            try:
                sock, address = listener.accept()
            except (BlockingIOError, ConnectionAbortedError):
                return
            except OSError as error:  # out of descriptors: the oldest makes room
                _log.error("lobby.full", error=error.strerror or str(error), waiting=len(self._guests))
                if not self._guests:
                    time.sleep(_FULL_SECONDS)  # the listener stays readable: else we would ask without end
                self._evict()
                return
            try:
                self._welcome(sock, str(address[0]), context)
            except (OSError, ValueError) as error:  # it went before it was looked at
                sock.close()
                _log.info("lobby.dropped", address=str(address[0]), why=type(error).__name__)

    def _welcome(self, sock: socket.socket, address: str, context: ssl.SSLContext | None) -> None:
        if len(self._guests) >= WAITING_MAX:
            self._evict()
        sock.setblocking(False)
        with contextlib.suppress(OSError):
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if context is not None:
            sock.getpeername()  # raises for one that is gone; wrapping it would, too, and leave it open
            sock = context.wrap_socket(sock, server_side=True, do_handshake_on_connect=False)
        guest = Guest(sock, address, time.monotonic() + self._timeout, shaking_hands=context is not None)
        self._guests[sock] = guest
        self._selector.register(sock, selectors.EVENT_READ)
        self._serve(guest)

    def _evict(self) -> None:
        if self._guests:
            self._drop(next(iter(self._guests.values())), "too many wait")

    def _expire(self) -> None:
        now = time.monotonic()
        while self._guests:
            guest = next(iter(self._guests.values()))
            if guest.deadline > now:
                return
            self._drop(guest, "nothing came" if not guest.data else "the request was never whole")

    def _serve(self, guest: Guest) -> None:
        try:
            if guest.shaking_hands and isinstance(guest.sock, ssl.SSLSocket):
                guest.sock.do_handshake()
                guest.shaking_hands = False
                self._selector.modify(guest.sock, selectors.EVENT_READ)
            self._read(guest)
        except ssl.SSLWantWriteError:
            self._selector.modify(guest.sock, selectors.EVENT_READ | selectors.EVENT_WRITE)
        except (BlockingIOError, ssl.SSLWantReadError):
            return
        except (OSError, ValueError) as error:  # ssl.SSLError is an OSError
            self._drop(guest, f"{type(error).__name__}: {getattr(error, 'reason', None) or error}")

    def _read(self, guest: Guest) -> None:
        while True:
            chunk = guest.sock.recv(65536)
            if not chunk:
                self._drop(guest, "it went away" if guest.data else "")
                return
            guest.data += chunk
            fault = self._fault(guest.data)
            if fault:
                with contextlib.suppress(OSError):
                    guest.sock.send(fault)
                self._drop(guest, "no DICOM" if fault is _UNRECOGNIZED else "a request too long")
                return
            if len(guest.data) >= 6 and len(guest.data) >= 6 + _HEADER.unpack_from(guest.data)[1]:
                self._hand_on(guest)
                return

    @staticmethod
    def _fault(data: bytearray) -> bytes | None:
        if data[0] != A_ASSOCIATE_RQ:
            return _UNRECOGNIZED
        if len(data) >= 6 and _HEADER.unpack_from(data)[1] > ASSOCIATE_MAX:
            return _INVALID
        return None

    def _hand_on(self, guest: Guest) -> None:
        self._forget(guest)
        guest.sock.setblocking(True)
        self._admit(guest)

    def _drop(self, guest: Guest, why: str) -> None:
        self._forget(guest)
        guest.sock.close()
        if why:  # a load balancer's check connects and goes: not worth a line
            _log.info("lobby.dropped", address=guest.address, why=why)

    def _forget(self, guest: Guest) -> None:
        del self._guests[guest.sock]
        self._selector.unregister(guest.sock)
