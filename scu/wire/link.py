"""A connection that speaks PDUs: blocking, one reader and one writer, bounded in length and time."""

import contextlib
import mmap
import select
import socket
import ssl
import struct
import time
from collections.abc import Iterator, Sequence

from scu.wire.errors import LinkClosed, LinkTimeout, ProtocolError

A_ASSOCIATE_RQ, A_ASSOCIATE_AC, A_ASSOCIATE_RJ = 0x01, 0x02, 0x03
P_DATA_TF = 0x04
A_RELEASE_RQ, A_RELEASE_RP, A_ABORT = 0x05, 0x06, 0x07

ASSOCIATE_MAX = 256 * 1024
"""Bytes of the longest A-ASSOCIATE PDU taken: 128 contexts of 30 transfer syntaxes need half of it."""

_HEADER = struct.Struct(">BxL")  # type, reserved, length (PS3.8 9.3.1)
_PLAIN = struct.Struct(">BxLLBB")  # the same, and the header of the first PDV (PS3.8 9.3.5.1, annex E.2)
_LAST = 0x02  # message control header: the last fragment
_IOV_MAX = 512
_READ_AHEAD = 256 * 1024
_TLS_WRITE = 256 * 1024

Buffer = bytes | bytearray | memoryview


class Link:
    """One TCP or TLS connection.

    Parameters
    ----------
    sock
        Connected socket, owned from now on.
    max_pdu
        Bytes of the longest P-DATA-TF variable field that this side announced; not 0.
    idle_timeout
        Seconds to wait for the next PDU to begin.
    pdu_timeout
        Seconds for a PDU that has begun to be there whole, and for a write to make progress. Both are kept
        to within a quarter of the shorter one.
    """

    def __init__(self, sock: socket.socket, *, max_pdu: int, idle_timeout: float, pdu_timeout: float) -> None:
        self.sock = sock
        self.max_pdu = max_pdu
        self.idle_timeout = idle_timeout
        self.pdu_timeout = pdu_timeout
        # Pages of a private mapping take no memory until bytes have reached them: many links are quiet.
        size = max(max_pdu, ASSOCIATE_MAX) + _READ_AHEAD
        self._buffer = mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
        self._view = memoryview(self._buffer)
        self._start = 0
        self._end = 0
        self._deadline: float | None = None  # for the PDU being read
        self._wake = max(min(idle_timeout, pdu_timeout) / 4, 0.001)
        self._tls = isinstance(sock, ssl.SSLSocket)
        self._quickack = getattr(socket, "TCP_QUICKACK", None)
        self._configure()

    def _configure(self) -> None:
        # The kernel's own timeouts: Python's would cost a poll() a call. OpenSSL tries again on them for
        # ever, so TLS has Python's.
        self.sock.settimeout(self._wake if self._tls else None)
        for name, seconds in (("SO_RCVTIMEO", self._wake), ("SO_SNDTIMEO", self.pdu_timeout)):
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
        if have < 6:
            return False
        length: int = _HEADER.unpack_from(self._view, self._start)[1]
        return have >= 6 + length

    def next_pdu(self) -> tuple[int, memoryview]:
        """Return type and variable field of the next PDU.

        The view is valid until the next call that finds no whole PDU in the buffer (see `has_pdu`).

        Raises
        ------
        LinkClosed, LinkTimeout, ProtocolError
        """
        kind, length = self.await_pdu()
        begin = self._start + 6
        self._start = begin + length
        return kind, self._view[begin : begin + length]

    def await_pdu(self) -> tuple[int, int]:
        """Read until a whole PDU stands at the front; return its type and the length of its variable field.

        Raises
        ------
        LinkClosed, LinkTimeout, ProtocolError
        """
        self._deadline = None
        if self._end - self._start < 6:
            self._fill(6)
        kind, length = _HEADER.unpack_from(self._view, self._start)
        self._check(kind, length)
        if self._end - self._start < 6 + length:
            self._fill(6 + length)
        return kind, length

    def plain_fragments(self, context_id: int) -> tuple[list[memoryview], bool]:
        """Take the P-DATA-TFs of a data set at the front of what has been read that need no second look.

        Those are whole and hold one PDV each, of the given context: almost all that ever come. They are
        walked here without a call for each; whatever else there is stays for `next_pdu`.

        Returns
        -------
        their data, valid as that of `next_pdu` is, and whether the last of the data set is among them
        """
        found: list[memoryview] = []
        view, start, end, ceiling, control = self._view, self._start, self._end, self.max_pdu, 0
        while end - start >= 12 and not control:
            kind, length, item, identifier, control = _PLAIN.unpack_from(view, start)
            after = start + 6 + length
            if (kind, identifier, item + 4) != (P_DATA_TF, context_id, length) or item < 2:
                return self._taken(found, start), False
            if after > end or length > ceiling or control not in (0, _LAST):
                return self._taken(found, start), False
            if item > 2:
                found.append(view[start + 12 : after])
            start = after
        return self._taken(found, start), control == _LAST

    def _taken(self, found: list[memoryview], start: int) -> list[memoryview]:
        self._start = start
        return found

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
        self._make_room(need)
        begun = self._end > self._start
        if self._deadline is None:
            self._deadline = time.monotonic() + (self.pdu_timeout if begun else self.idle_timeout)
        while self._end - self._start < need:
            count = self._receive()
            if count == 0:
                raise LinkClosed("the peer closed the connection" + (" within a PDU" if begun else ""))
            if count > 0 and not begun:
                begun, self._deadline = True, time.monotonic() + self.pdu_timeout
            elif self._end - self._start < need and time.monotonic() >= self._deadline:
                limit = self.pdu_timeout if begun else self.idle_timeout
                words = "a PDU was not complete" if begun else "nothing came"
                raise LinkTimeout(f"{words} within {limit:g} s")

    def _make_room(self, need: int) -> None:
        have = self._end - self._start
        if have == 0:
            self._start = self._end = 0
        elif self._start + need > len(self._buffer):
            self._buffer.move(0, self._start, have)
            self._start, self._end = 0, have

    def _receive(self) -> int:
        """Read what is there. Returns the number of bytes: 0 at the end, -1 when nothing came in time."""
        try:
            count = self.sock.recv_into(self._view[self._end :])
        except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError, TimeoutError):
            return -1
        except (OSError, ValueError) as error:  # ValueError: closed under us, in TLS
            raise LinkClosed(f"the connection broke: {_words(error)}") from error
        self._end += count
        self._acknowledge()
        return count

    def readable(self, seconds: float = 0.0) -> bool:
        """Say, within `seconds`, whether bytes of a PDU are there or the connection has ended.

        To be asked only when no view of `next_pdu` is in use any more.
        """
        if self._end > self._start:
            return True
        if self._tls:
            return self._peek_tls(seconds)
        try:
            poll = select.poll()
            poll.register(self.sock, select.POLLIN)
            return bool(poll.poll(seconds * 1000))
        except (OSError, ValueError):
            return True  # closed under us: the next read says so

    def _peek_tls(self, seconds: float) -> bool:
        # Bytes on the socket can be a session ticket, with nothing for us: only reading tells.
        self._make_room(1)
        try:
            self.sock.settimeout(seconds)
            return self._receive() >= 0
        except (OSError, LinkClosed):
            return True
        finally:
            with contextlib.suppress(OSError):
                self.sock.settimeout(self._wake)

    def send(self, buffers: Sequence[Buffer]) -> None:
        """Write all of `buffers`, in order.

        Raises
        ------
        LinkClosed, LinkTimeout
        """
        try:
            if self._tls:
                for data in _joined(buffers):
                    self._send_tls(memoryview(data))
            else:
                for first in range(0, len(buffers), _IOV_MAX):
                    self._send_some(list(buffers[first : first + _IOV_MAX]))
        except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError, TimeoutError) as error:
            raise LinkTimeout(f"the peer took nothing for {self.pdu_timeout:g} s") from error
        except (OSError, ValueError) as error:
            raise LinkClosed(f"the connection broke: {_words(error)}") from error
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

    def _send_tls(self, data: memoryview) -> None:
        deadline = time.monotonic() + self.pdu_timeout
        while len(data):
            try:
                data = data[self.sock.send(data) :]
                deadline = time.monotonic() + self.pdu_timeout
            except (ssl.SSLWantReadError, ssl.SSLWantWriteError, TimeoutError):
                if time.monotonic() >= deadline:
                    raise

    def send_abort(self, source: int, reason: int) -> None:
        """Send A-ABORT, as well as it goes (PS3.8 9.3.8). Source 0: service user, 2: service provider."""
        with contextlib.suppress(LinkClosed, LinkTimeout):
            self.send([struct.pack(">BxLxxBB", A_ABORT, 4, source, reason)])

    def hang_up(self) -> None:
        """End the connection from another thread: the one that works in it wakes, and closes it.

        Closing it from here could give its descriptor to another connection under that thread's hands.
        """
        with contextlib.suppress(OSError):
            socket.socket.shutdown(self.sock, socket.SHUT_RDWR)  # that of SSLSocket goes on in plain text

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


def _joined(buffers: Sequence[Buffer]) -> Iterator[bytes]:
    """Put together what is to be written by TLS, which has no gathering write, some at a time."""
    batch: list[Buffer] = []
    held = 0
    for buffer in buffers:
        batch.append(buffer)
        held += len(buffer)
        if held >= _TLS_WRITE:
            yield b"".join(batch)
            batch, held = [], 0
    if batch:
        yield b"".join(batch)


def _words(error: Exception) -> str:
    if isinstance(error, ssl.SSLEOFError):
        return "the peer closed it"
    return str(getattr(error, "reason", None) or getattr(error, "strerror", None) or error)
