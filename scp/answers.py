"""Answers to a query as bytes, straight from the values of the index (PS3.4 C.4.1.1.3.2).

What is the same in all answers is encoded once. An answer in plain ASCII, as nearly all are, is put together
of texts that are ready for every length of each value, without a call for each element. Any other is in the
character set of the query when that can hold it, else in ISO_IR 192; each says which.
"""

import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache

from node.intake.syntax import encoding_of
from node.services.query import QUERY_RETRIEVE_LEVEL, Answer
from scp.charsets import UNICODE, Encoder, encoder_of
from scp.elements import Writer, deflated, vr_of
from scp.identifier import SPECIFIC_CHARACTER_SET, Identifier, Wanted
from storage.records.attributes import Level

RETRIEVE_AE_TITLE = 0x00080054
INSTANCE_AVAILABILITY = 0x00080056

_IN_CHARSET = frozenset(b"LO LT PN SH ST UC UT".split())  # PS3.5 6.1.2.3
_LONGEST = 0xFFFE  # bytes of a value with a length of 16 bits
_COMMON = 256  # characters of a value whose length is kept written


@dataclass(frozen=True, slots=True)
class _Field:
    """An element whose value differs from answer to answer."""

    place: int  # of its value in an answer; -1 for the character set
    head: bytes
    length: struct.Struct
    encode: Callable[[str, Encoder], bytes | None]
    text: bool  # of ASCII it is the same bytes in every set
    pad: bytes
    empty: bytes  # the whole element when there is no value

    def written(self, raw: bytes) -> bytes:
        """Return the element with a value, which may lack its padding."""
        raw += self.pad * (len(raw) % 2)
        if not raw or (self.length.size == 2 and len(raw) > _LONGEST):
            return self.empty
        return self.head + self.length.pack(len(raw)) + raw


class _Before(dict[int, str]):
    """What comes before the value of a field in an answer of ASCII, by the length of the value.

    Each is all from the value before to this one, a character for a byte.
    """

    def __init__(self, field: _Field, constant: bytes) -> None:
        self[0] = (constant + field.empty).decode("latin-1")
        self._start = constant + field.head
        self._length = field.length

    def __missing__(self, size: int) -> str:
        even = size + size % 2
        if self._length.size == 2 and even > _LONGEST:
            raise KeyError(size)
        before = (self._start + self._length.pack(even)).decode("latin-1")
        if size < _COMMON:
            self[size] = before
        return before


class Answers:
    """Encodes the answers to one query: a value for each keyword that it wants, in the order of its tags.

    Parameters
    ----------
    transfer_syntax_uid
        Of the presentation context.
    ae_title
        From which the instances can be retrieved.
    """

    def __init__(self, identifier: Identifier, transfer_syntax_uid: str, ae_title: str) -> None:
        encoding = encoding_of(transfer_syntax_uid)
        self._deflated = encoding.deflated
        self._writer = Writer(encoding)
        self._own = encoder_of(identifier.charset)
        fixed = {
            QUERY_RETRIEVE_LEVEL: str(identifier.level),
            RETRIEVE_AE_TITLE: ae_title,
            INSTANCE_AVAILABILITY: "ONLINE",  # C.4.1.1.3.2
        }
        places = {each.tag: place for place, each in enumerate(w for w in identifier.wanted if w.keyword)}
        wanted = {each.tag: each for each in identifier.wanted}
        wanted |= {tag: Wanted(tag, vr_of(tag)) for tag in (*fixed, SPECIFIC_CHARACTER_SET)}
        self._parts: list[bytes | _Field] = []
        for tag in sorted(wanted):
            if tag in places or tag == SPECIFIC_CHARACTER_SET:
                self._parts.append(self._field(wanted[tag], places.get(tag, -1)))
            else:
                raw = fixed.get(tag, "").encode("ascii", "replace")
                self._parts.append(self._writer.element(tag, wanted[tag].vr, raw + b" " * (len(raw) % 2)))
        self._ready, self._end = self._prepared()
        self._numbers = [part.place for part in self._fields() if not part.text]

    def _fields(self) -> Iterator[_Field]:
        return (part for part in self._parts if isinstance(part, _Field) and part.place >= 0)

    def _field(self, wanted: Wanted, place: int) -> _Field:
        head, length = self._writer.head(wanted.tag, wanted.vr)
        # Without a set to declare there is no such element: it may not be empty (PS3.4 C.2.2.2).
        empty = b"" if place < 0 else head + length.pack(0)
        pad = b"\0" if wanted.vr == b"UI" else b" "  # PS3.5 6.2
        return _Field(place, head, length, self._how(wanted), wanted.vr != b"US", pad, empty)

    def _prepared(self) -> tuple[list[tuple[_Before, str]], str]:
        """Return what stands before each value, with its padding, and what ends an answer of ASCII."""
        ready: list[tuple[_Before, str]] = []
        constant = b""
        for part in self._parts:
            if isinstance(part, bytes):
                constant += part
            elif part.place < 0:
                constant += part.written(self._own.raw)
            else:
                ready.append((_Before(part, constant), part.pad.decode("latin-1")))
                constant = b""
        return ready, constant.decode("latin-1")

    def _how(self, wanted: Wanted) -> Callable[[str, Encoder], bytes | None]:
        if wanted.vr == b"US":
            return self._number
        if wanted.vr == b"PN":
            return lambda text, encoder: encoder.encode(text, True)
        if wanted.vr in _IN_CHARSET:
            return lambda text, encoder: encoder.encode(text)
        return lambda text, _: text.encode("ascii", "replace")

    def _number(self, text: str, _: Encoder) -> bytes:
        if not text:
            return b""
        try:
            return b"".join(self._writer.number.pack(int(each)) for each in text.split("\\"))
        except (ValueError, struct.error):  # it was sent as text that is no such number
            return b""

    def encode(self, answer: Answer) -> bytes:
        """Return one answer as a data set."""
        whole = self._plain(answer) if "".join(answer).isascii() else None
        if whole is None:
            whole = self._in(answer, self._own)
        if whole is None:
            whole = self._in(answer, UNICODE)
        if whole is None:
            raise ValueError("a value that UTF-8 cannot hold")  # no database keeps one
        return deflated(whole) if self._deflated else whole

    def _plain(self, answer: Answer) -> bytes | None:
        """Return an answer whose values are all ASCII, None when one of them is too long for its element."""
        if self._numbers:
            answer = [*answer]
            for place in self._numbers:
                answer[place] = self._number(answer[place], UNICODE).decode("latin-1")
        out: list[str] = []
        try:
            for value, (before, pad) in zip(answer, self._ready, strict=True):
                size = len(value)
                out += (before[size], value, pad) if size & 1 else (before[size], value)
        except KeyError:
            return None
        out.append(self._end)
        return "".join(out).encode("latin-1")

    def _in(self, answer: Answer, encoder: Encoder) -> bytes | None:
        """Return the answer by `encoder`, None when that cannot hold it."""
        out: list[bytes] = []
        for part in self._parts:
            if isinstance(part, bytes):
                out.append(part)
                continue
            text = answer[part.place] if part.place >= 0 else ""
            raw: bytes | None
            if part.place < 0:
                raw = encoder.raw
            elif part.text and text.isascii():
                raw = text.encode("ascii")
            else:
                raw = part.encode(text, encoder)
            if raw is None:
                return None
            out.append(part.written(raw))
        return b"".join(out)


def answers_to(identifier: Identifier, transfer_syntax_uid: str, ae_title: str) -> Answers:
    """Return what encodes the answers to a query: that of the query before, if it wanted the same."""
    return _made(identifier.level, identifier.wanted, identifier.charset, transfer_syntax_uid, ae_title)


@lru_cache(maxsize=64)
def _made(
    level: Level, wanted: tuple[Wanted, ...], charset: bytes, transfer_syntax_uid: str, ae_title: str
) -> Answers:
    return Answers(Identifier(level, {}, wanted, charset, ()), transfer_syntax_uid, ae_title)
