"""A connection that speaks PDUs: blocking, one reader and one writer, bounded in length and time."""

import contextlib
import select
import socket
import ssl
import struct
import time
from collections.abc import Sequence

from scu.wire.errors import LinkClosed, LinkTimeout, ProtocolError

A_ASSOCIATE_RQ, A_ASSOCIATE_AC, A_ASSOCIATE_RJ = 0x01, 0x02, 0x03
P_DATA_TF = 0x04
A_RELEASE_RQ, A_RELEASE_RP, A_ABORT = 0x05, 0x06, 0x07

ASSOCIATE_MAX = 256 * 1024
"""Bytes of the longest A-ASSOCIATE PDU taken: 128 contexts of 30 transfer syntaxes need half of it."""

_HEADER = struct.Struct(">BxL")  # type, reserved, length (PS3.8 9.3.1)
_IOV_MAX = 512
_READ_AHEAD = 256 * 1024

Buffer = bytes | bytearray | memoryview


class Link:
    """One TCP or TLS connection.

    Parameters
    ----------
    sock
        Connected socket, owned from now on.
    max_pdu
        Bytes of the longest P-DATA-TF variable field that this side announced.
    idle_timeout
        Seconds to wait for the next PDU to begin.
    pdu_timeout
        Seconds for a PDU that has begun to be there whole, and for a write to make progress.
    """

    def __init__(self, sock: socket.socket, *, max_pdu: int, idle_timeout: float, pdu_timeout: float) -> None:
        self.sock = sock
        self.max_pdu = max_pdu
        self.idle_timeout = idle_timeout
        self.pdu_timeout = pdu_timeout
        self._buffer = bytearray(max(max_pdu, ASSOCIATE_MAX) + _READ_AHEAD)
        self._view = memoryview(self._buffer)
        self._start = 0
        self._end = 0
        self._tls = isinstance(sock, ssl.SSLSocket)
        self._quickack = getattr(socket, "TCP_QUICKACK", None)
        self._configure()

    def _configure(self) -> None:
        self.sock.settimeout(None)
        wake = min(self.idle_timeout, self.pdu_timeout)
        for name, seconds in (("SO_RCVTIMEO", wake), ("SO_SNDTIMEO", self.pdu_timeout)):
            # The kernel's own timeouts: Python's would cost a poll() a call.
            whole = int(seconds)
            value = struct.pack("ll", whole, int((seconds - whole) * 1e6))
            self.sock.setsockopt(socket.SOL_SOCKET, getattr(socket, name), value)
        with contextlib.suppress(OSError):  # a socket pair has no TCP options
            self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        self._acknowledge()

    def _acknowledge(self) -> None:
        # The kernel falls back to delayed ACKs after each call: a sender with Nagle on would wait 40 ms.
        if self._quickack is not None:
            try:
                self.sock.setsockopt(socket.IPPROTO_TCP, self._quickack, 1)
            except OSError:
                self._quickack = None

    def preload(self, data: bytes) -> None:
        """Put bytes that were read from the socket elsewhere in front of what comes."""
        if len(data) > len(self._buffer):
            raise ProtocolError("more bytes were sent ahead than a PDU may have", reason=6)
        self._view[: len(data)] = data
        self._start, self._end = 0, len(data)

    def has_pdu(self) -> bool:
        """Say whether a whole PDU has been read already, so that `next_pdu` will not touch the buffer."""
        have = self._end - self._start
        return have >= 6 and have >= 6 + _HEADER.unpack_from(self._buffer, self._start)[1]

    def next_pdu(self) -> tuple[int, memoryview]:
        """Return type and variable field of the next PDU.

        The view is valid until the next call that finds no whole PDU in the buffer (see `has_pdu`).

        Raises
        ------
        LinkClosed, LinkTimeout, ProtocolError
        """
        if self._end - self._start < 6:
            self._fill(6)
        kind, length = _HEADER.unpack_from(self._buffer, self._start)
        self._check(kind, length)
        if self._end - self._start < 6 + length:
            self._fill(6 + length)
        begin = self._start + 6
        self._start = begin + length
        return kind, self._view[begin : begin + length]

    def _check(self, kind: int, length: int) -> None:
        if not A_ASSOCIATE_RQ <= kind <= A_ABORT:
            raise ProtocolError(f"unrecognized PDU type 0x{kind:02X}", reason=1)
        ceiling = self.max_pdu if kind == P_DATA_TF else ASSOCIATE_MAX if kind <= A_ASSOCIATE_RJ else 4
        if length > ceiling:
            raise ProtocolError(
                f"PDU type 0x{kind:02X} announces {length} bytes, at most {ceiling} are taken", reason=6
            )

    def _fill(self, need: int) -> None:
        """Read until `need` bytes stand from the start; wait idle_timeout for the first, then pdu_timeout."""
        have = self._end - self._start
        if have == 0:
            self._start = self._end = 0
        elif self._start + need > len(self._buffer):
            self._buffer[:have] = self._buffer[self._start : self._end]
            self._start, self._end = 0, have
        began = time.monotonic()
        while self._end - self._start < need:
            begun = self._end > self._start
            try:
                count = self.sock.recv_into(self._view[self._end :])
            except (BlockingIOError, ssl.SSLWantReadError, TimeoutError):
                count = -1
            except OSError as error:
                raise LinkClosed(f"the connection broke: {error.strerror or error}") from error
            if count == 0:
                raise LinkClosed("the peer closed the connection" + (" within a PDU" if begun else ""))
            if count > 0:
                self._end += count
                self._acknowledge()
            self._check_patience(began, begun, count)

    def _check_patience(self, began: float, begun: bool, count: int) -> None:
        limit = self.pdu_timeout if begun else self.idle_timeout
        if (count < 0 or begun) and time.monotonic() - began >= limit:
            words = "a PDU was not complete" if begun else "nothing came"
            raise LinkTimeout(f"{words} within {limit:g} s")

    def readable(self, timeout: float = 0.0) -> bool:
        """Say whether bytes are waiting to be read, after at most `timeout` seconds."""
        if self._end > self._start or (isinstance(self.sock, ssl.SSLSocket) and self.sock.pending()):
            return True
        try:
            poll = select.poll()
            poll.register(self.sock, select.POLLIN)
            return bool(poll.poll(timeout * 1000))
        except (OSError, ValueError):
            return True  # closed under us: the next read says so

    def send(self, buffers: Sequence[Buffer]) -> None:
        """Write all of `buffers`, in order.

        Raises
        ------
        LinkClosed, LinkTimeout
        """
        try:
            if self._tls:
                self.sock.sendall(b"".join(buffers))
            else:
                for first in range(0, len(buffers), _IOV_MAX):
                    self._send_some(list(buffers[first : first + _IOV_MAX]))
        except (BlockingIOError, ssl.SSLWantWriteError, TimeoutError) as error:
            raise LinkTimeout(f"the peer took nothing for {self.pdu_timeout:g} s") from error
        except OSError as error:
            raise LinkClosed(f"the connection broke: {error.strerror or error}") from error
        self._acknowledge()

    def _send_some(self, buffers: list[Buffer]) -> None:
        total = sum(len(buffer) for buffer in buffers)
        sent = self.sock.sendmsg(buffers)
        while sent < total:
            total -= sent
            while sent >= len(buffers[0]):
                sent -= len(buffers.pop(0))
            buffers[0] = memoryview(buffers[0])[sent:]
            sent = self.sock.sendmsg(buffers)

    def send_abort(self, source: int, reason: int) -> None:
        """Send A-ABORT, as well as it goes (PS3.8 9.3.8). Source 0: service user, 2: service provider."""
        with contextlib.suppress(LinkClosed, LinkTimeout):
            self.send([struct.pack(">BxLxxBB", A_ABORT, 4, source, reason)])

    def close(self) -> None:
        """Close the connection; wakes a thread that waits in it."""
        with contextlib.suppress(OSError):
            self.sock.shutdown(socket.SHUT_RDWR)
        with contextlib.suppress(OSError):
            self.sock.close()

    def linger(self, seconds: float) -> None:
        """Wait for the peer to close first, as the acceptor should after its last PDU (PS3.8 9.1.4)."""
        deadline = time.monotonic() + seconds
        with contextlib.suppress(OSError, ValueError):
            self.sock.settimeout(seconds)
            while time.monotonic() < deadline and self.sock.recv(4096):
                pass
