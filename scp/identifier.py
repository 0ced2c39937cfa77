r"""The identifier of a query or retrieval: which level, which keys, what to give back (PS3.4 C.4.1.1.3).

Example
-------
>>> data = b"\x08\x00\x52\x00\x06\x00\x00\x00STUDY \x10\x00\x20\x00\x02\x00\x00\x004*"
>>> identifier = decode(data, "1.2.840.10008.1.2")
>>> identifier.level, identifier.keys
(<Level.STUDY: 'STUDY'>, {'PatientID': '4*'})
"""

import struct
from collections.abc import Mapping
from dataclasses import dataclass

from node.intake.charsets import Charset, charset_of
from node.intake.errors import Malformed
from node.intake.syntax import encoding_of
from node.services.query import QUERY_RETRIEVE_LEVEL, BadQuery
from scp.elements import IDENTIFIER_MAX, Element, inflated, read, vr_of
from storage.records.attributes import BY_TAG, Level
from storage.records.computed import COMPUTED

__all__ = ["IDENTIFIER_MAX", "Identifier", "Wanted", "decode"]

SPECIFIC_CHARACTER_SET = 0x00080005
_IN_CHARSET = frozenset(b"LO LT PN SH ST UC UT".split())  # PS3.5 6.1.2.3
_KEYWORDS: dict[int, str] = {tag: attribute.keyword for tag, attribute in BY_TAG.items()} | {
    computed.tag: computed.keyword for computed in COMPUTED.values()
}
_NOT_KEYS = frozenset(  # of the query itself, or about where instances are: never matched
    {SPECIFIC_CHARACTER_SET, QUERY_RETRIEVE_LEVEL, 0x00080054, 0x00080056, 0x00080201}
)
_PLAIN = Charset()


@dataclass(frozen=True, slots=True)
class Wanted:
    """One attribute that the answers are to have.

    Attributes
    ----------
    keyword
        Of an indexed or computed attribute, "" of any other.
    vr
        As PS3.6 says, or for what is not indexed as the query does.
    """

    tag: int
    vr: bytes
    keyword: str = ""


@dataclass(frozen=True, slots=True)
class Identifier:
    """What a C-FIND, C-MOVE or C-GET asks for.

    Attributes
    ----------
    keys
        Keyword to value as asked, as Unicode, of every indexed or computed attribute; "" is universal.
    wanted
        Every attribute of the identifier in the order of tags, but its level and character set.
    charset
        Raw value of its Specific Character Set, empty when there is none.
    unmatched
        Tags of attributes that have a value but are not indexed: they match everything (C.2.2.1.3).
    """

    level: Level
    keys: Mapping[str, str]
    wanted: tuple[Wanted, ...]
    charset: bytes
    unmatched: tuple[int, ...]


def decode(data: bytes, transfer_syntax_uid: str) -> Identifier:
    """Read an identifier.

    Raises
    ------
    BadQuery
        It cannot be read, or has no level that exists.
    """
    encoding = encoding_of(transfer_syntax_uid)
    try:
        elements = {each[0]: each for each in read(inflated(data, encoding), encoding) if _counts(each[0])}
    except Malformed as error:
        raise BadQuery(0, f"identifier: {error}"[:64]) from None
    charset = bytes(elements[SPECIFIC_CHARACTER_SET][2]) if SPECIFIC_CHARACTER_SET in elements else b""
    keys, wanted, unmatched = {}, [], []
    for tag in sorted(elements):
        if tag in (SPECIFIC_CHARACTER_SET, QUERY_RETRIEVE_LEVEL):
            continue
        vr = elements[tag][1]
        keyword = _KEYWORDS.get(tag, "")
        wanted.append(Wanted(tag, vr_of(tag) if keyword or vr in (b"", b"UN") else vr, keyword))
        if keyword:
            keys[keyword] = _value(elements[tag], charset, encoding.little)
        elif tag not in _NOT_KEYS and bytes(elements[tag][2]).strip(b" \0*"):
            unmatched.append(tag)
    return Identifier(_level(elements), keys, tuple(wanted), charset.strip(b" \0"), tuple(unmatched))


def _counts(tag: int) -> bool:
    """Group lengths, command elements and delimiters are no keys (PS3.5 7.2)."""
    return tag & 0xFFFF != 0 and 0x0002 < tag >> 16 < 0xFFFE


def _level(elements: Mapping[int, Element]) -> Level:
    if QUERY_RETRIEVE_LEVEL not in elements:
        raise BadQuery(QUERY_RETRIEVE_LEVEL, "QueryRetrieveLevel is missing")
    value = bytes(elements[QUERY_RETRIEVE_LEVEL][2]).decode("ascii", "replace").strip(" \0").upper()
    try:
        return Level(value)
    except ValueError:
        raise BadQuery(QUERY_RETRIEVE_LEVEL, "no such QueryRetrieveLevel") from None


def _value(element: Element, charset: bytes, little: bool) -> str:
    tag, vr, view = element
    raw = bytes(view)
    if vr in (b"", b"UN"):
        vr = vr_of(tag)
    if vr == b"US":
        return _numbers(tag, raw, little)
    if raw.isascii() and b"\x1b" not in raw:
        return raw.decode("ascii").strip(" \0")
    if vr not in _IN_CHARSET:
        return _PLAIN.decode(raw)[0].strip(" \0")
    declared = charset_of(charset)
    text, sure = declared.decode(raw, vr == b"PN")
    if not declared.known:
        raise BadQuery(SPECIFIC_CHARACTER_SET, "this SpecificCharacterSet is not known here")
    if not sure and charset.strip(b" \0"):
        raise BadQuery(tag, f"{_KEYWORDS[tag]}: not in the SpecificCharacterSet"[:64])
    return text.strip(" \0")


def _numbers(tag: int, raw: bytes, little: bool) -> str:
    if len(raw) % 2:
        raise BadQuery(tag, f"{_KEYWORDS[tag]}: a US has two bytes")
    numbers = struct.unpack(f"{'<' if little else '>'}{len(raw) // 2}H", raw)
    return "\\".join(str(number) for number in numbers)
