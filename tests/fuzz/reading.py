"""What a byte stream says, read by the tests' own reader: whole, simple, and sharing no code with the node.

It reads the bytes of an established association, from either side, up to their end or to the first thing that
PS3.7 or PS3.8 forbids.

Example
-------
>>> read(bytes.fromhex("050000000004 00000000"), {1}).end
'released'
"""

import hashlib
import struct
from collections.abc import Collection
from dataclasses import dataclass, field

COMMAND_MAX = 64 * 1024
MAX_PDU = 128 * 1024
CANCEL = 0x0FFF


@dataclass(frozen=True)
class Heard:
    """A message of which all has come.

    Attributes
    ----------
    elements
        Element number of group 0000 to its bytes.
    """

    context_id: int
    elements: dict[int, bytes]
    dataset: bytes = field(repr=False)

    def number(self, element: int) -> int:
        """An unsigned short, 0 where there is none."""
        raw = self.elements.get(element, b"")
        return int.from_bytes(raw, "little") if len(raw) == 2 else 0

    def uid(self, element: int) -> str:
        """A UID without its padding."""
        return self.elements.get(element, b"").decode("ascii", "replace").replace("�", "?").strip(" \0")

    @property
    def kind(self) -> int:
        """Command Field (0000,0100)."""
        return self.number(0x0100)

    @property
    def digest(self) -> str:
        return hashlib.sha256(self.dataset).hexdigest()


@dataclass
class Reading:
    """All that was heard, and how it ended.

    Attributes
    ----------
    end
        "released", "aborted" and "closed" by the sender, or "broken": the receiver has to abort.
    reason
        Of "broken", the reason of PS3.8 table 9-26; of "aborted", the one that the sender gave.
    why
        Of "broken", what was forbidden.
    """

    messages: list[Heard] = field(default_factory=list)
    end: str = "closed"
    reason: int = 0
    why: str = ""


class _End(Exception):
    def __init__(self, end: str, reason: int = 0, why: str = "") -> None:
        super().__init__(end)
        self.end, self.reason, self.why = end, reason, why


UNRECOGNIZED, UNEXPECTED, INVALID = 1, 2, 6  # PS3.8 table 9-26


def read(stream: bytes, contexts: Collection[int], max_pdu: int = MAX_PDU) -> Reading:
    """Read a stream in which the presentation contexts with these IDs were accepted."""
    reading = Reading()
    try:
        _messages(_pdvs(stream, max_pdu), contexts, reading.messages)
    except _End as end:
        reading.end, reading.reason, reading.why = end.end, end.reason, end.why
    return reading


def _pdus(stream: bytes, max_pdu: int):  # type: ignore[no-untyped-def]
    while True:
        if len(stream) < 6:
            raise _End("closed")
        kind, length = struct.unpack(">BxL", stream[:6])
        if kind not in range(1, 8):  # PS3.8 9.3.1
            raise _End("broken", UNRECOGNIZED, "PDU type")
        ceiling = {1: 256 * 1024, 2: 256 * 1024, 3: 256 * 1024, 4: max_pdu}.get(kind, 4)
        if length > ceiling:
            raise _End("broken", INVALID, "PDU length")
        if len(stream) < 6 + length:
            raise _End("closed")
        yield kind, stream[6 : 6 + length]
        stream = stream[6 + length :]


def _pdvs(stream: bytes, max_pdu: int):  # type: ignore[no-untyped-def]
    for kind, body in _pdus(stream, max_pdu):
        if kind == 5:
            raise _End("released")
        if kind == 7:
            raise _End("aborted", body[3] if len(body) == 4 else 0)
        if kind != 4:
            raise _End("broken", UNEXPECTED, "PDU out of place")
        if not body:  # PS3.8 9.3.5: one PDV at least
            raise _End("broken", INVALID, "no PDV")
        while body:
            if len(body) < 6:
                raise _End("broken", INVALID, "PDV length")
            length, context_id, control = struct.unpack(">LBB", body[:6])
            if length < 2 or 4 + length > len(body):
                raise _End("broken", INVALID, "PDV length")
            yield context_id, control & 1, control & 2, body[6 : 4 + length]
            body = body[4 + length :]


def _messages(pdvs, contexts: Collection[int], heard: list[Heard]) -> None:  # type: ignore[no-untyped-def]
    while True:
        context_id, encoded = _command(pdvs)
        if context_id not in contexts:
            raise _End("broken", INVALID, "context not accepted")
        elements = _elements(encoded)
        type_ = elements.get(0x0800, b"")
        follows = len(type_) == 2 and type_ != b"\x01\x01"
        message = Heard(context_id, elements, b"")
        if follows and message.kind != CANCEL:  # PS3.7 9.3.2.3: it has none
            message = Heard(context_id, elements, _dataset(pdvs, context_id))
        heard.append(message)


def _command(pdvs) -> tuple[int, bytes]:  # type: ignore[no-untyped-def]
    parts: list[bytes] = []
    first = None
    size = 0
    for context_id, command, last, data in pdvs:
        if not command:
            raise _End("broken", UNEXPECTED, "data set without command")
        first = context_id if first is None else first
        size += len(data) + 6
        if context_id != first:
            raise _End("broken", INVALID, "context changed")
        if size > COMMAND_MAX:
            raise _End("broken", INVALID, "command length")
        parts.append(data)
        if last:
            return first, b"".join(parts)
    raise AssertionError("the PDVs end with _End")


def _dataset(pdvs, due: int) -> bytes:  # type: ignore[no-untyped-def]
    parts: list[bytes] = []
    for context_id, command, last, data in pdvs:
        if command:
            raise _End("broken", UNEXPECTED, "command within data set")
        if context_id != due:
            raise _End("broken", UNEXPECTED, "context changed")
        parts.append(data)
        if last:
            return b"".join(parts)
    raise AssertionError("the PDVs end with _End")


def _elements(encoded: bytes) -> dict[int, bytes]:
    elements = {}
    while encoded:
        if len(encoded) < 8:
            raise _End("broken", INVALID, "command elements")
        group, element, length = struct.unpack("<HHL", encoded[:8])
        if group or 8 + length > len(encoded):
            raise _End("broken", INVALID, "command elements")
        elements[element] = encoded[8 : 8 + length]
        encoded = encoded[8 + length :]
    if len(elements.get(0x0100, b"")) != 2:
        raise _End("broken", INVALID, "command elements")
    return elements
