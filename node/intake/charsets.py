r"""Values in the dataset's own Specific Character Set, as Unicode (PS3.3 C.12.1.1.2, PS3.5 6.1).

Nothing here raises: a set that is not known, or bytes that are not of the set, are read as well as they can
be, and the reader is told so. Where no set is declared and the bytes are not ASCII, they are UTF-8 if they
can be, else Latin-1: what writers do who forget.

Example
-------
>>> charset_of(b"ISO_IR 101").decode(b"Wa\xb3\xeasa")
('Wałęsa', True)
"""

import re
from functools import lru_cache

# Codecs of sets without code extensions, by ISO registration number. Each holds ASCII too.
_SINGLE = {
    "6": "ascii",
    "100": "latin_1",
    "101": "iso8859_2",
    "109": "iso8859_3",
    "110": "iso8859_4",
    "144": "iso8859_5",
    "127": "iso8859_6",
    "126": "iso8859_7",
    "138": "iso8859_8",
    "148": "iso8859_9",
    "203": "iso8859_15",
    "166": "tis_620",
    "13": "shift_jis",
    "192": "utf_8",
}
_WHOLE = {"GB18030": "gb18030", "GBK": "gbk"}  # multi-byte, without code extensions

# ISO 2022 escapes, what they designate, and by which codec it is read. G1 is read with ASCII in G0.
_G1 = {
    b"\x1b-A": "latin_1",
    b"\x1b-B": "iso8859_2",
    b"\x1b-C": "iso8859_3",
    b"\x1b-D": "iso8859_4",
    b"\x1b-L": "iso8859_5",
    b"\x1b-G": "iso8859_6",
    b"\x1b-F": "iso8859_7",
    b"\x1b-H": "iso8859_8",
    b"\x1b-M": "iso8859_9",
    b"\x1b-b": "iso8859_15",
    b"\x1b-T": "tis_620",
    b"\x1b)I": "shift_jis",
    b"\x1b$)C": "euc_kr",
    b"\x1b$)A": "gb2312",
}
_ASCII = frozenset({b"\x1b(B", b"\x1b(J"})  # into G0; JIS X 0201 romaji differs in two characters only
_DOUBLE = frozenset({b"\x1b$B", b"\x1b$@", b"\x1b$(D"})  # two bytes a character, into G0

_ESCAPE = re.compile(rb"\x1b[$(),\-./]+[\x30-\x7e]|\x1b\$[@AB]")
_RUNS = re.compile(rb"[\x00-\x7f]+|[\x80-\xff]+")
_DELIMITERS = {True: re.compile(rb"[\\^=\t\n\f\r]"), False: re.compile(rb"[\\\t\n\f\r]")}
_TERM = re.compile(r"ISO[ _-]?(?:2022)?[ _-]?IR[ _-]?(\d+)")


class Charset:
    """A Specific Character Set.

    Parameters
    ----------
    terms
        Values of (0008,0005); empty is the default repertoire.

    Attributes
    ----------
    known
        Every term is one of the Standard's.
    """

    def __init__(self, terms: tuple[str, ...] = ()) -> None:
        found = [_codec(term) for term in terms]
        self.known = None not in found
        self.codec = (found[0] if found else "ascii") or "ascii"
        # Code extensions in spite of a single "ISO_IR …" happen, and are harmless to understand.
        self._extended = self.codec not in ("utf_8", "gb18030", "gbk")

    def decode(self, raw: bytes, name: bool = False) -> tuple[str, bool]:
        """Return the text of a value, and whether it could be read without doubt.

        Parameters
        ----------
        raw
            One or several values, as they are in the dataset.
        name
            It is a PN, where code extensions end at ``^`` and ``=`` too (PS3.5 6.1.2.5.3).
        """
        if self._extended and b"\x1b" in raw:
            return self._decode_extended(raw, _DELIMITERS[name])
        text, sure = _read(raw, self.codec)
        return text, sure and (self.known or raw.isascii())

    def _decode_extended(self, raw: bytes, delimiter: re.Pattern[bytes]) -> tuple[str, bool]:
        text: list[str] = []
        sure = True
        double, g1 = b"", self.codec
        start = 0
        for found in [*_ESCAPE.finditer(raw), None]:
            part = raw[start : found.start() if found else len(raw)]
            if double:
                pieces = [_read_double(part, double, g1)]
            else:
                # At a delimiter what was designated is forgotten. (In two-byte mode none can occur.)
                end = delimiter.search(part)
                cut = end.start() if end else len(part)
                pieces = [_read(part[:cut], g1), _read(part[cut:], self.codec)]
                g1 = self.codec if end else g1
            text += [piece[0] for piece in pieces]
            sure = sure and b"\x1b" not in part and all(piece[1] for piece in pieces)
            if found is None:
                break
            start, escape = found.end(), found.group()
            g1 = _G1.get(escape, g1)
            double = escape if escape in _DOUBLE else b"" if escape in _ASCII else double
            sure = sure and (escape in _G1 or escape in _ASCII or escape in _DOUBLE)
        return "".join(text), sure


def _read(raw: bytes, codec: str) -> tuple[str, bool]:
    try:
        return raw.decode(codec), True
    except UnicodeDecodeError:
        pass
    try:
        return raw.decode("utf_8"), False
    except UnicodeDecodeError:
        return raw.decode("latin_1" if codec == "ascii" else codec, "replace"), False


def _read_double(raw: bytes, escape: bytes, g1: str) -> tuple[str, bool]:
    """Read text in JIS X 0208 or 0212; what has the high bit set is of the set in G1."""
    text, sure = "", True
    for run in _RUNS.findall(raw):
        if run[0] < 0x80:
            try:
                text += (escape + run).decode("iso2022_jp_2")
            except UnicodeDecodeError:
                text, sure = text + (escape + run).decode("iso2022_jp_2", "replace"), False
        else:
            piece, good = _read(run, g1)
            text, sure = text + piece, sure and good
    return text, sure


def _codec(term: str) -> str | None:
    """Return the codec of a defined term, as it is or as it is commonly misspelt; None if it is neither."""
    if not term:
        return "ascii"
    found = _TERM.fullmatch(term)
    if found is None:
        return _WHOLE.get(term)
    if found[1] in ("87", "159", "149", "58"):  # only reached by an escape; ASCII until then
        return {"149": "euc_kr", "58": "gb2312"}.get(found[1], "ascii")
    return _SINGLE.get(found[1])


@lru_cache(maxsize=256)
def charset_of(raw: bytes) -> Charset:
    """Return the character set that the raw value of (0008,0005) names."""
    if len(raw) > 256:
        return Charset(("?",))
    terms = raw.decode("ascii", "replace").upper().split("\\")
    stripped = tuple(term.strip(" \0") for term in terms)
    return Charset(() if stripped == ("",) else stripped)
