"""Whether two datasets say the same, though their bytes differ.

The same instance may come again in another transfer syntax, with implicit instead of explicit VRs, with
sequences of undefined instead of defined length, in the other byte order, or deflated. Values are compared
as bytes; pixel data that was compressed is never decompressed for this, so it is the same only if it is
compressed the same.
"""

from io import BytesIO

from pydicom.dataelem import DataElement, RawDataElement
from pydicom.dataset import Dataset
from pydicom.filereader import read_dataset, read_sequence
from pydicom.sequence import Sequence

from node.intake.errors import Malformed
from node.intake.inflate import Inflater
from node.intake.syntax import SEQUENCES, encoding_of
from node.intake.walker import MAX_DEPTH

COMPARE_MAX = 32 << 20
"""Bytes of the largest dataset, inflated, that is compared; larger ones that differ in bytes differ."""

_UNITS = {2: b"US SS OW AT", 4: b"UL SL FL OF OL", 8: b"FD OD OV SV UV"}
_UNIT_OF = {vr.decode(): size for size, names in _UNITS.items() for vr in names.split()}
_TRAILING_PADDING = 0xFFFCFFFC
_ITEM = (b"\xfe\xff\x00\xe0", b"\xff\xfe\xe0\x00")


def same_content(first: bytes, first_syntax: str, second: bytes, second_syntax: str) -> bool:
    """Say whether two encoded datasets have the same elements with the same values. Never raises.

    Group lengths and padding at the end do not count. In doubt the answer is no.
    """
    try:
        return _same(_read(first, first_syntax), _read(second, second_syntax), 0)
    except Exception:  # whatever pydicom stumbles over: then they are not known to be the same
        return False


def _read(data: bytes, syntax: str) -> Dataset:
    encoding = encoding_of(syntax)
    if encoding.deflated:
        data = b"".join(Inflater(COMPARE_MAX).feed(data))
    elif len(data) > COMPARE_MAX:
        raise Malformed("too large to be compared")
    return read_dataset(BytesIO(data), not encoding.explicit, encoding.little)


def _same(first: Dataset, second: Dataset, depth: int) -> bool:
    if depth > MAX_DEPTH:
        return False
    one, other = _elements(first), _elements(second)
    return one.keys() == other.keys() and all(_same_element(one[tag], other[tag], depth) for tag in one)


def _elements(dataset: Dataset) -> dict[int, "Element"]:
    # items() gives them undecoded, as they were read
    return {tag: each for tag, each in dataset.items() if tag & 0xFFFF and tag != _TRAILING_PADDING}


Element = DataElement | RawDataElement


def _same_element(first: Element, second: Element, depth: int) -> bool:
    if isinstance(first, RawDataElement) and isinstance(second, RawDataElement):
        if _same_value(_value(first), _value(second)):
            return True
        if not (_is_sequence(first) or _is_sequence(second)):
            return False
    one, other = _items(first), _items(second)
    return len(one) == len(other) and all(_same(a, b, depth + 1) for a, b in zip(one, other, strict=True))


def _value(element: RawDataElement) -> bytes:
    """Return a value in Little Endian."""
    value = element.value or b""
    unit = _UNIT_OF.get(element.VR or "", 1)
    if element.is_little_endian or unit == 1:
        return value
    return b"".join(value[i : i + unit][::-1] for i in range(0, len(value), unit))


def _same_value(first: bytes, second: bytes) -> bool:
    """Compare values but for the byte that makes a length even (PS3.5 6.2)."""
    if len(first) < len(second):
        first, second = second, first
    return first == second or (first[-1:] in (b" ", b"\0") and first[:-1] == second)


def _is_sequence(element: RawDataElement) -> bool:
    if element.VR == "SQ" or (element.VR in (None, "UN") and element.tag in SEQUENCES):
        return True
    return element.VR in (None, "UN") and (element.value or b"")[:4] in _ITEM


def _items(element: Element) -> Sequence:
    if isinstance(element, RawDataElement):
        value = element.value or b""
        # UN of defined length holds Implicit VR Little Endian, whatever is around it (PS3.5 6.2.2)
        implicit = element.is_implicit_VR or element.VR == "UN"
        little = element.is_little_endian or element.VR == "UN"
        return read_sequence(BytesIO(value), implicit, little, len(value), "iso8859")
    if element.VR != "SQ":
        raise Malformed("a sequence in one, none in the other")
    items: Sequence = element.value
    return items
