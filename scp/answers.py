"""Answers to a query as bytes, straight from the values of the index (PS3.4 C.4.1.1.3.2).

What is the same in all answers is encoded once. Each answer is in the character set of the query when that
can hold it, else in ISO_IR 192, and says which.
"""

import struct
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from node.intake.syntax import encoding_of
from node.services.query import QUERY_RETRIEVE_LEVEL
from scp.charsets import UNICODE, Encoder, encoder_of
from scp.elements import Writer, deflated, vr_of
from scp.identifier import SPECIFIC_CHARACTER_SET, Identifier, Wanted

RETRIEVE_AE_TITLE = 0x00080054
INSTANCE_AVAILABILITY = 0x00080056

_IN_CHARSET = frozenset(b"LO LT PN SH ST UC UT".split())  # PS3.5 6.1.2.3
_CHARSET = "SpecificCharacterSet"  # a field like others, but set anew for each answer
_LONGEST = 0xFFFE  # bytes of a value with a length of 16 bits

Answer = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class _Field:
    """An element whose value differs from answer to answer."""

    keyword: str
    head: bytes
    length: struct.Struct
    encode: Callable[[str, Encoder], bytes | None]
    text: bool  # of ASCII it is the same bytes in every set
    pad: bytes
    empty: bytes  # the whole element when there is no value


class Answers:
    """Encodes the answers to one query.

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
        wanted = {each.tag: each for each in identifier.wanted}
        wanted |= {tag: Wanted(tag, vr_of(tag)) for tag in (*fixed, SPECIFIC_CHARACTER_SET)}
        self._parts: list[bytes | _Field] = []
        for tag in sorted(wanted):
            self._add(wanted[tag], fixed.get(tag, ""))
        self._parts = _joined(self._parts)

    def _add(self, wanted: Wanted, value: str) -> None:
        keyword = _CHARSET if wanted.tag == SPECIFIC_CHARACTER_SET else wanted.keyword
        if not keyword:
            raw = value.encode("ascii", "replace")
            self._parts.append(self._writer.element(wanted.tag, wanted.vr, raw + b" " * (len(raw) % 2)))
            return
        head, length = self._writer.head(wanted.tag, wanted.vr)
        # Without a set to declare there is no such element: it may not be empty (PS3.4 C.2.2.2).
        empty = b"" if keyword == _CHARSET else head + length.pack(0)
        pad = b"\0" if wanted.vr == b"UI" else b" "  # PS3.5 6.2
        text = wanted.vr != b"US"
        self._parts.append(_Field(keyword, head, length, self._how(wanted), text, pad, empty))

    def _how(self, wanted: Wanted) -> Callable[[str, Encoder], bytes | None]:
        if wanted.vr == b"US":
            return self._number
        if wanted.vr == b"PN":
            return lambda text, encoder: encoder.encode(text, True)
        if wanted.vr in _IN_CHARSET:
            return lambda text, encoder: encoder.encode(text)
        return lambda text, _: text.encode("ascii", "replace")

    def _number(self, text: str, _: Encoder) -> bytes:
        try:
            return b"".join(self._writer.number.pack(int(each)) for each in text.split("\\"))
        except (ValueError, struct.error):  # it was sent as text that is no such number
            return b""

    def encode(self, answer: Answer) -> bytes:
        """Return one answer as a data set."""
        whole = self._in(answer, self._own, self._own.raw)
        if whole is None:
            whole = self._in(answer, UNICODE, UNICODE.raw)
        if whole is None:
            raise ValueError("a value that UTF-8 cannot hold")  # no database keeps one
        return deflated(whole) if self._deflated else whole

    def _in(self, answer: Answer, encoder: Encoder, charset: bytes) -> bytes | None:
        """Return the answer by `encoder`, None when that cannot hold it."""
        out: list[bytes] = []
        for part in self._parts:
            if isinstance(part, bytes):
                out.append(part)
                continue
            text = answer.get(part.keyword, "")
            raw: bytes | None
            if not text:
                raw = charset if part.keyword == _CHARSET else b""
            elif part.text and text.isascii():
                raw = text.encode("ascii")
            else:
                raw = part.encode(text, encoder)
            if raw is None:
                return None
            raw += part.pad * (len(raw) % 2)
            if not raw or (part.length.size == 2 and len(raw) > _LONGEST):
                out.append(part.empty)
            else:
                out += (part.head, part.length.pack(len(raw)), raw)
        return b"".join(out)


def _joined(parts: Sequence[bytes | _Field]) -> list[bytes | _Field]:
    """Join neighbours that are the same in every answer."""
    joined: list[bytes | _Field] = []
    for part in parts:
        if isinstance(part, bytes) and joined and isinstance(joined[-1], bytes):
            joined[-1] += part
        else:
            joined.append(part)
    return joined
