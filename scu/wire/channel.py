"""One established association: whole DIMSE messages in and out, blocking (PS3.7 6.3, PS3.8 9.3.5)."""

import struct
import time
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from scu.wire.command import Command, CommandField, encoded_response
from scu.wire.errors import LinkClosed, LinkTimeout, PeerAborted, ProtocolError, ReleaseRequested, WireError
from scu.wire.link import A_ABORT, A_RELEASE_RP, A_RELEASE_RQ, P_DATA_TF, Buffer, Link

COMMAND_MAX = 64 * 1024
"""Bytes of the longest command set taken."""

_PDV = struct.Struct(">LBB")  # item length, presentation context ID, message control header
_PDU_PDV = struct.Struct(">BxLLBB")
_COMMAND, _LAST = 0x01, 0x02  # PS3.8 E.2
_OWN_MAX = 128 * 1024  # bytes a PDU of ours has at most, also for a peer without a limit
_BATCH = 1024 * 1024  # bytes gathered for one write


@dataclass(frozen=True, slots=True)
class Context:
    """An accepted presentation context (PS3.8 9.3.3.2)."""

    context_id: int
    abstract_syntax: str
    transfer_syntax: str


@dataclass(frozen=True, slots=True)
class Message:
    """A command that has come whole; its data set, if any, is still to be read."""

    context: Context
    command: Command


class Channel:
    """Messages over an association that both sides have accepted.

    Parameters
    ----------
    link
        The connection.
    contexts
        Accepted presentation contexts by ID.
    peer_max_pdu
        Bytes that the peer takes in a P-DATA-TF variable field; 0 is without limit (PS3.8 D.1.1).
    window
        Operations of ours that may be under way at once (PS3.7 D.3.3.3).

    Attributes
    ----------
    torn
        Whether a message of ours was begun and not finished: nothing else can be sent, only A-ABORT.
    """

    def __init__(
        self, link: Link, contexts: Mapping[int, Context], peer_max_pdu: int, window: int = 1
    ) -> None:
        self.link = link
        self.window = window
        self.contexts = dict(contexts)
        limit = min(peer_max_pdu or _OWN_MAX, _OWN_MAX)
        self._fragment = max(limit - 6, 64) & ~1  # bytes of data in a PDV; even, as PS3.8 annex F expects
        self._pdu = memoryview(b"")
        self._position = 0
        self._pending: Context | None = None  # whose data set has not been read to its end
        self._cancelled: set[int] = set()  # Message IDs of which the peer wants no more
        self._early: list[Message] = []  # responses that came while something else was looked for
        self.torn = False

    def receive(self) -> Message:
        """Wait for the next message and return its command.

        A data set left unread from the message before is skipped.

        Raises
        ------
        ReleaseRequested
            The peer wants to end the association.
        PeerAborted, LinkClosed, LinkTimeout, ProtocolError
        """
        self._cancelled.clear()  # they were about operations that have ended
        return self._receive()

    def _receive(self) -> Message:
        self.skip_dataset()
        parts: list[bytes] = []
        size, context_id = 0, 0
        while True:
            identifier, control, data = self._next_pdv()
            if not control & _COMMAND:
                raise ProtocolError("a data set came where a command was due", reason=2)
            if parts and identifier != context_id:
                raise ProtocolError("a command changed its presentation context half-way", reason=6)
            context_id = identifier
            size += len(data) + _PDV.size  # empty ones count too
            if size > COMMAND_MAX:
                raise ProtocolError(f"command set of more than {COMMAND_MAX} bytes", reason=6)
            parts.append(bytes(data))
            if control & _LAST:
                break
        context = self.contexts.get(context_id)
        if context is None:
            raise ProtocolError(f"presentation context {context_id} was not accepted", reason=6)
        command = Command.decode(parts[0] if len(parts) == 1 else b"".join(parts))
        if command.has_data_set and command.field != CommandField.C_CANCEL_RQ:
            self._pending = context
        return Message(context, command)

    def dataset(self) -> Iterator[list[memoryview]]:
        """Yield the data set of the message just received, as lists of fragments.

        A list holds what has been read from the network so far; its views are valid until the next one is
        asked for.
        """
        link = self.link
        while self._pending is not None:
            if self._position >= len(self._pdu):
                fragments, last = link.plain_fragments(self._pending.context_id)
                if not fragments and not last:
                    link.await_pdu()
                    fragments, last = link.plain_fragments(self._pending.context_id)
                if fragments or last:
                    self._pending = None if last else self._pending
                    yield fragments
                    continue
            yield self._odd_fragments(self._pending.context_id)

    def _odd_fragments(self, context_id: int) -> list[memoryview]:
        """Take what has been read of a data set whose fragments stand several to a PDU, or wrongly."""
        fragments: list[memoryview] = []
        while True:
            identifier, control, data = self._next_pdv()
            if control & _COMMAND or identifier != context_id:
                raise ProtocolError("another message began within a data set", reason=2)
            if len(data):
                fragments.append(data)
            if control & _LAST:
                self._pending = None
                break
            if self._position >= len(self._pdu) and not self.link.has_pdu():
                break
        return fragments

    def read_dataset(self, limit: int) -> bytes:
        """Return the data set whole.

        Raises
        ------
        ProtocolError
            It has more than `limit` bytes.
        """
        whole = bytearray()
        for fragments in self.dataset():
            for fragment in fragments:
                whole += fragment
            if len(whole) > limit:
                raise ProtocolError(f"data set of more than {limit} bytes where none is expected", reason=6)
        return bytes(whole)

    def skip_dataset(self) -> None:
        """Read the data set to its end and drop it."""
        if self._pending is not None:
            for _ in self.dataset():
                pass

    def _next_pdv(self) -> tuple[int, int, memoryview]:
        while self._position >= len(self._pdu):
            kind, self._pdu = self.link.next_pdu()
            self._position = 0
            if kind != P_DATA_TF:
                self._control(kind)
            if not len(self._pdu):
                raise ProtocolError("P-DATA-TF without a PDV", reason=6)  # PS3.8 9.3.5
        if self._position + 6 > len(self._pdu):
            raise ProtocolError("a PDV header is cut off", reason=6)
        length, context_id, control = _PDV.unpack_from(self._pdu, self._position)
        begin = self._position + 6
        end = self._position + 4 + length
        if length < 2 or end > len(self._pdu):
            raise ProtocolError(f"a PDV of {length} bytes does not fit into its PDU", reason=6)
        self._position = end
        return context_id, control, self._pdu[begin:end]

    def _control(self, kind: int) -> None:
        body, self._pdu = self._pdu, memoryview(b"")
        if kind == A_ABORT:
            raise PeerAborted(*(body[2:4] if len(body) == 4 else (0, 0)))
        if kind == A_RELEASE_RQ:
            raise ReleaseRequested("the peer releases the association")
        raise ProtocolError(f"PDU type 0x{kind:02X} within an association", reason=2)

    def send(self, context: Context, command: Command, dataset: Buffer | None = None) -> None:
        """Send one message, command and data set, in one write where it is small."""
        self.write(self.encode(context, command, dataset))

    def reply(self, message: Message, status: int, comment: str = "") -> None:
        """Send the response to `message` without a data set: `response_to`, by the shortest way."""
        body = encoded_response(message.command, status, comment)
        size = len(body)
        if size <= self._fragment:
            head = _PDU_PDV.pack(P_DATA_TF, size + 6, size + 2, message.context.context_id, _COMMAND | _LAST)
            self.write([head + body])
        else:
            self.write(list(self._fragments(message.context, body, _COMMAND)))

    def encode(self, context: Context, command: Command, dataset: Buffer | None = None) -> list[Buffer]:
        """Return the PDUs of a message without sending them, so that several can share one write."""
        if dataset is not None:
            command.with_data()
        pdus = list(self._fragments(context, command.encode(), _COMMAND))
        if dataset is not None:
            pdus += self._fragments(context, dataset, 0)
        return pdus

    def encode_all(self, context: Context, command: Command, datasets: Iterable[bytes]) -> list[Buffer]:
        """Return the PDUs of messages that differ in their data sets alone, each message in one piece."""
        head = b"".join(self._fragments(context, command.with_data().encode(), _COMMAND))
        most, pack, identifier = self._fragment, _PDU_PDV.pack, context.context_id
        return [
            b"".join((head, pack(P_DATA_TF, len(data) + 6, len(data) + 2, identifier, _LAST), data))
            if len(data) <= most
            else b"".join((head, *self._fragments(context, data, 0)))
            for data in datasets
        ]

    def _fragments(self, context: Context, data: Buffer, control: int, last: bool = True) -> Iterator[Buffer]:
        view, size, step, identifier = memoryview(data), len(data), self._fragment, context.context_id
        head = _PDU_PDV.pack(P_DATA_TF, step + 6, step + 2, identifier, control)
        begin = 0
        while begin + step < size:
            yield head
            yield view[begin : begin + step]
            begin += step
        length, mark = size - begin, control | (_LAST if last else 0)
        yield _PDU_PDV.pack(P_DATA_TF, length + 6, length + 2, identifier, mark)
        yield view[begin:]

    def send_streamed(self, context: Context, command: Command, chunks: Iterable[Buffer], size: int) -> None:
        """Send a message whose data set of `size` bytes comes in pieces, holding at most about 1 MiB of it.

        A small one leaves in a single write. The pieces must keep their content until they are sent.

        Raises
        ------
        ValueError
            The pieces do not add up to `size`. What it or `chunks` raises leaves the association usable,
            unless `torn` says otherwise.
        """
        batch: list[Buffer] = list(self._fragments(context, command.with_data().encode(), _COMMAND))
        held, sent = 0, 0
        for piece in _even_pieces(chunks, size):
            if held >= _BATCH:
                self.torn = True
                self.write(batch)
                batch, held = [], 0
            sent += len(piece)
            held += len(piece)
            batch += self._fragments(context, piece, 0, last=sent == size)
        # The end leaves only now that `chunks` is exhausted: it may find at its end that they are damaged.
        self.torn = True
        self.write(batch)
        self.torn = False

    def answer(self, field: CommandField, message_id: int) -> Message:
        """Wait for the response `field` to our message `message_id`; see `answer_to_any`."""
        return self.answer_to_any(field, (message_id,))

    def answer_to_any(self, field: CommandField, message_ids: Collection[int]) -> Message:
        """Wait for the response `field` to one of our messages, in whatever order they are answered.

        C-CANCEL-RQs that come meanwhile are kept for `cancelled`.

        Raises
        ------
        ProtocolError
            Something else came.
        """
        while True:
            message = self._early.pop(0) if self._early else self._receive()
            command = message.command
            if command.field == CommandField.C_CANCEL_RQ:
                self._cancelled.add(command.responded_to)
                continue
            if command.field != field or command.responded_to not in message_ids:
                due = " or ".join(map(str, message_ids))
                raise ProtocolError(
                    f"response 0x{field:04X} to message {due} was due, "
                    f"0x{command.field:04X} to {command.responded_to} came",
                    reason=2,
                )
            return message

    def comes(self, seconds: float) -> bool:
        """Say whether a message, or the end of the association, begins to come within `seconds`.

        A data set left unread from the message before is skipped first.
        """
        self.skip_dataset()
        return self._position < len(self._pdu) or self.link.readable(seconds)

    def cancelled(self, message_id: int) -> bool:
        """Say whether a C-CANCEL-RQ for `message_id` has come; does not wait (PS3.7 9.3.2.3).

        Raises
        ------
        ProtocolError
            Another operation began: the peer was granted one at a time (PS3.7 D.3.3.3).
        """
        while message_id not in self._cancelled:
            if not (self._position < len(self._pdu) or self.link.readable()):
                return False
            message = self._receive()
            if message.command.field == CommandField.C_CANCEL_RQ:
                self._cancelled.add(message.command.responded_to)
            elif message.command.field & 0x8000 and len(self._early) + 1 < self.window:
                self._early.append(message)  # to one of several operations of ours
            else:
                raise ProtocolError("a second operation began before the first had ended", reason=2)
        return True

    def write(self, buffers: Sequence[Buffer]) -> None:
        """Write PDUs of `encode`.

        Raises
        ------
        PeerAborted
            The peer had sent A-ABORT before it closed the connection.
        LinkClosed, LinkTimeout
        """
        try:
            self.link.send(buffers)
        except LinkClosed as closed:
            raise self._last_words() or closed from None

    def _last_words(self) -> PeerAborted | None:
        try:
            while self.link.readable():
                self._position, (kind, self._pdu) = 0, self.link.next_pdu()
                if kind == A_ABORT:
                    self._control(kind)
        except PeerAborted as aborted:
            return aborted
        except WireError:
            pass
        return None

    def answer_release(self) -> None:
        """Send A-RELEASE-RP (PS3.8 9.3.7)."""
        self.link.send([struct.pack(">BxLxxxx", A_RELEASE_RP, 4)])

    def release(self) -> None:
        """Ask to end the association and wait for the answer (PS3.8 7.2); then close.

        Raises
        ------
        LinkClosed, LinkTimeout, ProtocolError
            The orderly end did not come about. The connection is closed all the same.
        """
        deadline = time.monotonic() + self.link.idle_timeout
        try:
            self.link.send([struct.pack(">BxLxxxx", A_RELEASE_RQ, 4)])
            while True:
                kind, _ = self.link.next_pdu()
                if kind in (A_RELEASE_RP, A_ABORT):
                    break
                if kind == A_RELEASE_RQ:  # both sides at once (PS3.8 7.2.2.1)
                    self.answer_release()
                if time.monotonic() >= deadline:
                    raise LinkTimeout(f"the release was not confirmed within {self.link.idle_timeout:g} s")
        finally:
            self.link.close()

    def abort(self, source: int = 0, reason: int = 0) -> None:
        """Send A-ABORT and close."""
        self.link.send_abort(source, reason)
        self.link.close()


def _even_pieces(chunks: Iterable[Buffer], size: int) -> Iterator[memoryview]:
    """Cut `chunks` of `size` bytes together into pieces that are even, but for the last (PS3.8 annex E.1)."""
    seen, odd = 0, b""
    for chunk in chunks:
        seen += len(chunk)
        if seen > size:
            raise ValueError(f"a data set of {size} bytes was announced, more came")
        view = memoryview(b"".join((odd, chunk)) if odd else chunk)
        even = len(view) if seen == size else len(view) & ~1
        odd = bytes(view[even:])
        for begin in range(0, even, _BATCH):
            yield view[begin : min(begin + _BATCH, even)]
    if seen < size:
        raise ValueError(f"a data set of {size} bytes was announced, {seen} came")
    if not size:
        yield memoryview(b"")  # the fragment that says that there is nothing
