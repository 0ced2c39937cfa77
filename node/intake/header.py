"""The identifying attributes of an instance, as Unicode, from the raw values that the walker picked out."""

import struct
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import NamedTuple

from node.intake.charsets import Charset, charset_of
from node.intake.syntax import BINARY, IN_CHARSET
from node.intake.walker import CHARACTER_SET
from storage.records.attributes import BY_TAG

TEXT_MAX = 1024
"""Characters kept of one attribute's value, or values."""

_KEYWORDS = {tag: (attribute.keyword, attribute.vr.encode()) for tag, attribute in BY_TAG.items()}
_PLAIN = Charset()
_BETWEEN = b"\x1f"  # what no value has


class Header(NamedTuple):
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


class Decoder:
    """Decodes the same attributes of one dataset after the other.

    Parameters
    ----------
    names
        Tag and VR (empty in Implicit VR) of the values that it will be given; no tag twice.
    """

    def __init__(self, names: Sequence[tuple[int, bytes]]) -> None:
        self._charset: int | None = None
        self._numbers: list[tuple[str, int, bytes]] = []
        self._texts: list[tuple[int, bytes]] = []
        self._keywords: list[str] = []
        for index, (tag, vr) in enumerate(names):
            if tag == CHARACTER_SET:
                self._charset = index
                continue
            keyword, usual = _KEYWORDS[tag]
            if not vr or vr == b"UN":
                vr = usual
            if vr in BINARY:
                self._numbers.append((keyword, index, vr))
            else:
                self._keywords.append(keyword)
                self._texts.append((index, vr))
        self._indices = [index for index, _ in self._texts]

    def decode(self, raws: Sequence[bytes], *, little: bool = True) -> Header:
        """Decode raw values, in the order of the names. Never raises."""
        values = [raws[index] for index in self._indices]
        joined = _BETWEEN.join(values)  # what is done to all of them at once costs next to nothing
        doubtful: tuple[str, ...] = ()
        if joined.isascii() and b"\x1b" not in joined:
            text = str(joined, "ascii")
            texts = text.split("\x1f")
            if len(texts) != len(values):  # one has a separator within, or there are none
                texts = [str(value, "ascii") for value in values]
        else:
            texts, doubtful = self._decode_each(raws)
            text = "\x1f".join(texts)
        if len(text) > TEXT_MAX:
            texts = [_strip(text) for text in texts]
        else:
            texts = [_strip(text) if "\\" in text else text.strip(" \0") for text in texts]
        attributes = dict(zip(self._keywords, texts, strict=True))
        for keyword, index, vr in self._numbers:
            attributes[keyword] = _numbers(raws[index], vr, little)
        return Header(attributes, doubtful)

    def _decode_each(self, raws: Sequence[bytes]) -> tuple[list[str], tuple[str, ...]]:
        """Decode text of which some is not ASCII; return it, and what of it is doubtful."""
        charset = charset_of(b"" if self._charset is None else raws[self._charset])
        texts: list[str] = []
        doubtful: list[str] = []
        for keyword, (index, vr) in zip(self._keywords, self._texts, strict=True):
            raw = raws[index]
            if raw.isascii() and b"\x1b" not in raw:
                text = str(raw, "ascii")
            else:
                text, sure = (charset if vr in IN_CHARSET else _PLAIN).decode(raw, vr == b"PN")
                if not sure:
                    doubtful.append(keyword)
            texts.append(text)
        return texts, tuple(doubtful)


_decoder_of = lru_cache(maxsize=256)(Decoder)


def decode_header(values: Mapping[int, tuple[bytes, bytes]], *, little: bool = True) -> Header:
    """Decode what `node.intake.walker.Walker.values` holds. Never raises.

    Parameters
    ----------
    values
        Tag to VR (empty in Implicit VR) and raw value.
    little
        Byte order of binary numbers.
    """
    decoder = _decoder_of(tuple([(tag, vr) for tag, (vr, _) in values.items()]))
    return decoder.decode([raw for _, raw in values.values()], little=little)


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
