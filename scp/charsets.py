r"""Unicode to the bytes of a Specific Character Set: the way back from `node.intake.charsets` (PS3.5 6.1).

An answer is encoded in the set that the query came in, if that can hold it, so every encoder either gives
bytes that read back as the same text or says that it cannot.

Example
-------
>>> encoder_of(rb"ISO 2022 IR 6\ISO 2022 IR 87").encode("山")
b'\x1b$B;3\x1b(B'
"""

import re
from functools import lru_cache

from node.intake.charsets import charset_of

# ISO registration number to codec and the escape that designates the set, into G1 or (two bytes) into G0.
_G1 = {
    "100": ("latin_1", b"\x1b-A"),
    "101": ("iso8859_2", b"\x1b-B"),
    "109": ("iso8859_3", b"\x1b-C"),
    "110": ("iso8859_4", b"\x1b-D"),
    "144": ("iso8859_5", b"\x1b-L"),
    "127": ("iso8859_6", b"\x1b-G"),
    "126": ("iso8859_7", b"\x1b-F"),
    "138": ("iso8859_8", b"\x1b-H"),
    "148": ("iso8859_9", b"\x1b-M"),
    "203": ("iso8859_15", b"\x1b-b"),
    "166": ("tis_620", b"\x1b-T"),
    "13": ("shift_jis", b"\x1b)I"),
    "149": ("euc_kr", b"\x1b$)C"),
    "58": ("gb2312", b"\x1b$)A"),
}
_G0 = {"87": ("iso2022_jp", b"\x1b$B"), "159": ("iso2022_jp_2", b"\x1b$(D")}
_WHOLE = {"ISO_IR 192": "utf_8", "GB18030": "gb18030", "GBK": "gbk"}
_ONLY_BY_ESCAPE = frozenset({"87", "159", "149", "58"})

_NUMBER = re.compile(r"ISO[ _-]?(?:2022)?[ _-]?IR[ _-]?(\d+)")
_PARTS = {True: re.compile(r"([\\^=])"), False: re.compile(r"(\\)")}


class Encoder:
    """Encodes in one Specific Character Set.

    Parameters
    ----------
    raw
        Value of (0008,0005) as the query had it.
    """

    def __init__(self, raw: bytes) -> None:
        self._charset = charset_of(raw)
        self.raw = raw.strip(b" \0") if self._charset.known else b""
        """What an answer declares that is encoded by this; empty is the default repertoire."""
        terms = self.raw.decode("ascii").upper().split("\\") if self.raw else []
        self._whole = _WHOLE.get(terms[0].strip()) if terms else None
        self._numbers = [found[1] for term in terms if (found := _NUMBER.fullmatch(term.strip()))]
        first = terms and _NUMBER.fullmatch(terms[0].strip())
        self._first = first[1] if first and first[1] not in _ONLY_BY_ESCAPE else "6"
        if len(terms) == 1 and self._first in _G1 and self._first != "13":  # half of the codec's characters
            self._whole = _G1[self._first][0]

    def encode(self, text: str, name: bool = False) -> bytes | None:
        """Return `text` as bytes, None when the set cannot hold it.

        Parameters
        ----------
        name
            It is a PN, where each component begins anew (PS3.5 6.1.2.5.3).
        """
        if text.isascii():
            return text.encode("ascii")
        try:
            if self._whole:
                encoded = text.encode(self._whole)
            else:
                pieces = _PARTS[name].split(text)
                encoded = b"".join(self._piece(piece) for piece in pieces)
        except UnicodeEncodeError:
            return None
        # Codecs differ from the Standard's sets in places: what does not read back is not sent.
        return encoded if self._charset.decode(encoded, name) == (text, True) else None

    def _piece(self, text: str) -> bytes:
        """Encode what lies between delimiters: it begins and ends with the first set designated."""
        out = bytearray()
        double, g1 = b"", self._first
        for sign in text:
            number, escape, raw = self._sign(sign, g1, double)
            if escape != double:
                out += escape or self._single
                double = escape
            if number in _G1 and number != g1:
                out += _G1[number][1]
                g1 = number
            out += raw
        return bytes(out) + (self._single if double else b"")

    @property
    def _single(self) -> bytes:
        """The escape back to the one-byte set in G0: ASCII, or with ISO_IR 13 its Roman half."""
        return b"\x1b(J" if self._first == "13" else b"\x1b(B"

    def _sign(self, sign: str, g1: str, double: bytes) -> tuple[str, bytes, bytes]:
        """Return the set of one character, the escape that must be in force in G0, and its bytes."""
        if sign.isascii():
            return "", b"", sign.encode("ascii")
        for number in dict.fromkeys((g1, self._first, *self._numbers)):
            codec, escape = _G1.get(number) or _G0.get(number) or ("ascii", b"")
            try:
                raw = sign.encode(codec)
            except UnicodeEncodeError:
                continue
            if number in _G0 and raw.startswith(escape):
                return number, escape, raw[len(escape) : -3]
            if number in _G1 and min(raw) >= 0x80 and (number != "13" or len(raw) == 1):
                return number, b"", raw
        raise UnicodeEncodeError("iso2022", sign, 0, 1, "in none of the sets")


@lru_cache(maxsize=64)
def encoder_of(raw: bytes) -> Encoder:
    """Return the encoder for a value of (0008,0005)."""
    return Encoder(raw)


UNICODE = Encoder(b"ISO_IR 192")
"""Holds every answer."""
