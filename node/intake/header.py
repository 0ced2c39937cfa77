"""The identifying attributes of an instance, as Unicode, from the raw values that the walker picked out."""

import struct
from collections.abc import Mapping
from dataclasses import dataclass

from node.intake.charsets import Charset, charset_of
from node.intake.syntax import BINARY, IN_CHARSET
from node.intake.walker import CHARACTER_SET
from storage.records.attributes import BY_TAG

TEXT_MAX = 1024
"""Characters kept of one attribute's value, or values."""

_KEYWORDS = {tag: (attribute.keyword, attribute.vr.encode()) for tag, attribute in BY_TAG.items()}
_PLAIN = Charset()


@dataclass(frozen=True, slots=True)
class Header:
    """What is known of an instance without its pixels.

    Attributes
    ----------
    attributes
        Keyword to value of every indexed attribute that the dataset has; several values are joined by a
        backslash, numbers are text, padding is gone.
    doubtful
        Keywords of those that are not in the character set that the dataset declares, read as well as
        they could be.
    """

    attributes: Mapping[str, str]
    doubtful: tuple[str, ...] = ()

    def get(self, keyword: str) -> str:
        """Return a value, empty when there is none."""
        return self.attributes.get(keyword, "")


def decode_header(values: Mapping[int, tuple[bytes, bytes]], *, little: bool = True) -> Header:
    """Decode what `node.intake.walker.Walker.values` holds. Never raises.

    Parameters
    ----------
    values
        Tag to VR (empty in Implicit VR) and raw value.
    little
        Byte order of binary numbers.
    """
    charset = charset_of(values.get(CHARACTER_SET, (b"", b""))[1])
    attributes: dict[str, str] = {}
    doubtful: list[str] = []
    for tag, (vr, raw) in values.items():
        if tag == CHARACTER_SET:
            continue
        keyword, usual = _KEYWORDS[tag]
        if not vr or vr == b"UN":
            vr = usual
        if vr in BINARY:
            attributes[keyword] = _numbers(raw, vr, little)
            continue
        if raw.isascii() and b"\x1b" not in raw:
            text = str(raw, "ascii")
        else:
            text, sure = (charset if vr in IN_CHARSET else _PLAIN).decode(raw, vr == b"PN")
            if not sure:
                doubtful.append(keyword)
        if "\\" in text or len(text) > TEXT_MAX:
            attributes[keyword] = _strip(text)
        else:
            attributes[keyword] = text.strip(" \0")
    return Header(attributes, tuple(doubtful))


def _strip(text: str) -> str:
    if "\\" in text:
        text = "\\".join(value.strip(" \0") for value in text.split("\\"))
    else:
        text = text.strip(" \0")
    return text if len(text) <= TEXT_MAX else text[:TEXT_MAX]


def _numbers(raw: bytes, vr: bytes, little: bool) -> str:
    if vr == b"US" and len(raw) == 2:  # nearly all of them
        return str(int.from_bytes(raw, "little" if little else "big"))
    code, size = BINARY[vr]
    count = min(len(raw) // size, 16)
    numbers = struct.unpack_from(f"{'<' if little else '>'}{count}{code}", raw)
    return "\\".join(f"{number:.10g}" if isinstance(number, float) else str(number) for number in numbers)
