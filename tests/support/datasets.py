"""Random datasets, and bytes that were datasets once, for Hypothesis."""

import copy
import string
from collections.abc import Sequence

from hypothesis import strategies as st
from pydicom.dataset import Dataset
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import write_dataset

from storage.records.attributes import ATTRIBUTES, Attribute
from tests.support.samples import swap

_LETTERS = string.ascii_letters + string.digits + " ^-_."
_NESTED = ("ReferencedStudySequence", "RequestAttributesSequence", "ContentSequence")

uids = st.from_regex(r"[12](\.(0|[1-9][0-9]{0,7})){1,6}", fullmatch=True)


def _value(attribute: Attribute) -> st.SearchStrategy[object]:
    if attribute.vr == "UI":
        return uids
    if attribute.vr == "US":
        return st.integers(0, 0xFFFF)
    if attribute.vr == "IS":
        return st.integers(-(2**31), 2**31 - 1)
    if attribute.vr == "DA":
        return st.dates().map(lambda day: f"{day.year:04}{day.month:02}{day.day:02}")
    if attribute.vr == "TM":
        return st.times().map(lambda time: f"{time.hour:02}{time.minute:02}{time.second:02}")
    if attribute.vr == "CS":
        return st.text(string.ascii_uppercase + "_", max_size=16)
    return st.text(_LETTERS, max_size=16)


@st.composite
def datasets(draw: st.DrawFn, depth: int = 2) -> Dataset:
    """A dataset of some indexed attributes, private ones, sequences of either length, and pixels."""
    dataset = Dataset()
    for attribute in draw(st.lists(st.sampled_from(ATTRIBUTES), max_size=12, unique=True)):
        dataset.add_new(attribute.tag, attribute.vr, draw(_value(attribute)))
    if draw(st.booleans()):
        dataset.add_new(0x00091010, "UN", draw(st.binary(max_size=40)))
        dataset.add_new(0x00091012, "UT", draw(st.text(_LETTERS, max_size=40)))
    if depth:
        for keyword in draw(st.sets(st.sampled_from(_NESTED))):
            items = draw(st.lists(datasets(depth=depth - 1), max_size=2))
            for item in items:
                item.is_undefined_length_sequence_item = draw(st.booleans())
            setattr(dataset, keyword, items)
            dataset[keyword].is_undefined_length = draw(st.booleans())
    if draw(st.booleans()):
        dataset.add_new(0x7FE00010, "OW", draw(st.binary(max_size=64)))
    return dataset


def encoded(dataset: Dataset, *, explicit: bool = True, little: bool = True) -> bytes:
    """Return `dataset` as bytes."""
    buffer = DicomBytesIO()
    buffer.is_little_endian, buffer.is_implicit_VR = little, not explicit
    write_dataset(buffer, dataset if little else _swapped(dataset))
    value: bytes = buffer.getvalue()
    return value


def _swapped(dataset: Dataset) -> Dataset:
    other = copy.deepcopy(dataset)
    for element in other.iterall():
        if element.VR == "OW":
            element.value = swap(element.value)
    return other


@st.composite
def mutated(draw: st.DrawFn, originals: Sequence[bytes]) -> bytes:
    """One of `originals` with a few bytes changed, cut out or put in."""
    data = bytearray(draw(st.sampled_from(originals)))
    for _ in range(draw(st.integers(1, 6))):
        at = draw(st.integers(0, max(len(data) - 1, 0)))
        kind = draw(st.sampled_from(("change", "cut", "insert", "end")))
        if kind == "change":
            data[at : at + 4] = draw(st.binary(min_size=1, max_size=4))
        elif kind == "cut":
            del data[at : at + draw(st.integers(1, 16))]
        elif kind == "insert":
            data[at:at] = draw(st.binary(min_size=1, max_size=16))
        else:
            del data[at:]
    return bytes(data)


@st.composite
def pieces(draw: st.DrawFn, data: bytes) -> list[bytes]:
    """`data` cut into pieces anywhere, empty ones among them."""
    cuts = sorted(draw(st.lists(st.integers(0, len(data)), max_size=12)))
    return [data[a:b] for a, b in zip([0, *cuts], [*cuts, len(data)], strict=True)]
