r"""The raw value of one element, as rules take it. Never raises.

Text as `node.intake.header` gives it: Unicode, several values joined by a backslash, padding gone, numbers
written out, empty when it is empty. What cannot be read is `Unknown`, with a reason that names the element
and never quotes it. What an element is that no dictionary knows its VR tells: a number is given as one.

Example
-------
>>> decode(Element("SliceThickness", 0x00180050), b"DS", b"1.25", Context())
'1.25'
>>> decode(Element('tag["0018,FFF0"]', 0x0018FFF0), b"US", b"\x05\x00", Context())
Decimal('5')
"""

import struct
from collections.abc import Callable
from dataclasses import dataclass, field

from pydicom.datadict import dictionary_VR, private_dictionary_VR

from node.intake.charsets import Charset
from node.intake.syntax import BINARY, IN_CHARSET
from node.intake.walker import CAPTURE_MAX
from rules.symbols import Kind, Symbol, resolve
from rules.unknown import Unknown
from rules.values import convert

_BINARY = {**BINARY, b"AT": ("HH", 4)}
_TEXT = frozenset(b"AE AS CS DA DS DT IS LO LT PN SH ST TM UC UI UR UT".split())
_WHOLE = frozenset(b"LT ST UR UT".split())  # a backslash separates nothing, PS3.5 6.2
_PLAIN = Charset()
_SHOWN = {  # what a VR tells of an element that no dictionary knows
    **dict.fromkeys([b"AS", b"DS", b"IS", *(set(_BINARY) - {b"AT"})], Kind.NUMBER),
    b"DA": Kind.MOMENT,
    b"DT": Kind.MOMENT,
    b"TM": Kind.TIME,
}


@dataclass(frozen=True, slots=True)
class Element:
    """An element that is wanted.

    Attributes
    ----------
    name
        In `rules.facts.Facts`.
    creator
        Of a private one.
    """

    name: str
    tag: int
    creator: str = ""


@dataclass(frozen=True, slots=True)
class Context:
    """What the rest of the dataset says about the meaning of its bytes.

    Attributes
    ----------
    signed
        By Pixel Representation (0028,0103); None without one.
    """

    charset: Charset = field(default_factory=Charset)
    little: bool = True
    signed: bool | None = None


def decode(element: Element, vr: bytes, raw: bytes, context: Context) -> object:
    """Return the value of `element`: text, a value of `rules.values` where only the VR tells, or `Unknown`.

    Parameters
    ----------
    vr
        Empty in Implicit VR.
    raw
        The value as far as it was kept.
    """
    little = context.little
    if vr in (b"", b"UN"):
        little = little or vr == b"UN"  # UN holds Implicit VR Little Endian, PS3.5 6.2.2
        vr = _usual(element, raw, little, context.signed)
    if len(raw) >= CAPTURE_MAX:
        return Unknown(f"{element.name} is too long")
    if vr in _BINARY:
        value: str | Unknown = _numbers(element.name, vr, raw, little)
    elif vr in _TEXT:
        value = _text(element.name, vr, raw, context.charset)
    else:
        return _UNREADABLE.get(vr, _binary)(element.name)
    if isinstance(value, str) and value and vr in _SHOWN and resolve(element.name).kind is Kind.ANY:
        shown = Symbol(element.name, _SHOWN[vr], "\\" in value, vr.decode())
        return convert(shown, value)
    return value


def _binary(name: str) -> Unknown:
    return Unknown(f"{name} is binary")


_UNREADABLE: dict[bytes, Callable[[str], Unknown]] = {
    b"SQ": lambda name: Unknown(f"{name} is a sequence"),
    b"": lambda name: Unknown(f"{name} is of an unknown type"),
    b"US or SS": lambda name: Unknown(f"{name} is a number with or without a sign, nothing says which"),
}


def _usual(element: Element, raw: bytes, little: bool, signed: bool | None) -> bytes:
    """Return the VR of the dictionaries; where there is none, that of printable text, empty for the rest."""
    try:
        if element.creator:
            vr = private_dictionary_VR(element.tag, element.creator)
        else:
            vr = dictionary_VR(element.tag)
    except KeyError:
        vr = "UN"
    if vr == "UN":
        return b"LO" if _is_printable(raw) else b""
    if vr == "US or SS":
        return _with_sign(raw, little, signed)
    return vr.split(" or ")[0].encode()


def _with_sign(raw: bytes, little: bool, signed: bool | None) -> bytes:
    """Return which of US and SS it is; both words when it cannot be told and makes a difference."""
    if signed is None and any(byte & 0x80 for byte in raw[1 if little else 0 :: 2]):
        return b"US or SS"
    return b"SS" if signed else b"US"


def _is_printable(raw: bytes) -> bool:
    return all(0x20 <= byte <= 0x7E for byte in raw.rstrip(b"\0"))


def _text(name: str, vr: bytes, raw: bytes, charset: Charset) -> str | Unknown:
    if raw.isascii() and b"\x1b" not in raw:
        text = raw.decode("ascii")
    else:
        text, sure = (charset if vr in IN_CHARSET else _PLAIN).decode(raw, vr == b"PN")
        if not sure and "\ufffd" in text:
            return Unknown(f"{name} is not in the character set that is declared")
    if "\\" in text and vr not in _WHOLE:
        return "\\".join(value.strip(" \0") for value in text.split("\\"))
    return text.strip(" \0")


def _numbers(name: str, vr: bytes, raw: bytes, little: bool) -> str | Unknown:
    code, size = _BINARY[vr]
    if len(raw) % size:
        return Unknown(f"{name} is not a whole number of values")
    order = "<" if little else ">"
    numbers = struct.iter_unpack(order + code, raw)
    return "\\".join(_written(vr, number) for number in numbers)


def _written(vr: bytes, number: tuple[float, ...]) -> str:
    """Write a number in the fewest digits that make it again: a FL of 0.1 is 0.1."""
    if vr == b"AT":
        return f"{number[0]:04X},{number[1]:04X}"
    if vr != b"FL":
        return repr(number[0])
    for digits in range(6, 9):
        text = f"{number[0]:.{digits}g}"
        if struct.pack("<f", float(text)) == struct.pack("<f", number[0]):
            return text
    return f"{number[0]:.9g}"
