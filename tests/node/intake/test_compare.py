import struct
import warnings

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from node.intake import compare
from node.intake.compare import same_content
from node.intake.files import read_head
from tests.support import samples
from tests.support.datasets import datasets, encoded, mutated
from tests.support.samples import BIG_ENDIAN, DEFLATED, EXPLICIT, IMPLICIT, ct, encode, pydicom_files

SYNTAXES = (EXPLICIT, IMPLICIT, BIG_ENDIAN, DEFLATED)


def rich() -> Dataset:
    dataset = ct(rows=4)
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator = "T-D1100", "SRT"
    inner = Dataset()
    inner.AnatomicRegionSequence = [item, item]
    dataset.ReferencedImageSequence = [inner]
    private = dataset.private_block(0x0009, "ISOCENTRE", create=True)
    private.add_new(0x01, "SQ", Sequence([item]))
    private.add_new(0x02, "LO", "odd")
    private.add_new(0x03, "FD", [1.5, -2.5])
    return dataset


@pytest.mark.parametrize("first", SYNTAXES)
@pytest.mark.parametrize("second", SYNTAXES)
def test_the_same_in_every_encoding(first, second):
    assert same_content(encode(rich(), first), first, encode(rich(), second), second)


def with_undefined_lengths(dataset: Dataset) -> Dataset:
    for element in dataset:
        if element.VR == "SQ":
            element.is_undefined_length = True
            for item in element.value:
                item.is_undefined_length_sequence_item = True
                with_undefined_lengths(item)
    return dataset


@pytest.mark.parametrize("first", SYNTAXES[:2])
@pytest.mark.parametrize("second", SYNTAXES[:2])
def test_the_same_with_either_form_of_length(first, second):
    defined, undefined = encode(rich(), first), encode(with_undefined_lengths(rich()), second)
    assert defined != undefined
    assert same_content(defined, first, undefined, second)


def test_group_lengths_padding_and_odd_lengths_do_not_count():
    raw = encode(rich())
    group = struct.pack("<HH2sHL", 0x0008, 0, b"UL", 4, 999)
    padding = struct.pack("<HH2sxxL", 0xFFFC, 0xFFFC, b"OB", 4) + bytes(4)
    assert same_content(raw, EXPLICIT, group + raw + padding, EXPLICIT)
    assert same_content(raw, EXPLICIT, raw.replace(b"CS\x04\0HEAD", b"CS\x05\0HEAD\0"), EXPLICIT)


@pytest.mark.parametrize("change", [{"PatientID": "OTHER"}, {"BodyPartExamined": None}, {"Rows": 5}])
@pytest.mark.parametrize("syntax", SYNTAXES)
def test_another_value_is_another_content(syntax, change):
    first, second = ct(rows=4), ct(rows=4, **change)
    assert not same_content(encode(first), EXPLICIT, encode(second, syntax), syntax)


def test_another_item_is_another_content():
    second = rich()
    second.ReferencedImageSequence[0].AnatomicRegionSequence[1].CodeValue = "T-D1101"
    third = rich()
    third.ReferencedImageSequence[0].AnatomicRegionSequence.pop()
    for other in (second, third):
        assert not same_content(encode(rich()), EXPLICIT, encode(other, IMPLICIT), IMPLICIT)


def test_another_pixel_is_another_content():
    raw = encode(rich())
    assert not same_content(raw, EXPLICIT, raw[:-1] + b"\x01", EXPLICIT)


def test_pydicoms_own_pairs():
    files = {path.name: path for path in pydicom_files()}

    def same(first: str, second: str) -> bool:
        sides = []
        for name in (first, second):
            with files[name].open("rb") as file:
                head = read_head(file)
                sides += [head.rest + file.read(), head.transfer_syntax_uid]
        return same_content(*sides)

    assert same("MR_small.dcm", "MR_small_implicit.dcm")
    assert same("MR_small.dcm", "MR_small_bigendian.dcm")
    assert same("liver_1frame.dcm", "liver_expb_1frame.dcm")
    assert not same("MR_small.dcm", "MR_small_padded.dcm")
    assert not same("MR_small.dcm", "MR_small_RLE.dcm")
    assert not same("chrFren.dcm", "chrFrenMulti.dcm")


def test_what_is_too_large_is_not_compared(monkeypatch):
    raw = encode(ct())
    monkeypatch.setattr(compare, "COMPARE_MAX", 100)
    assert not same_content(raw, EXPLICIT, raw, EXPLICIT)
    assert not same_content(encode(ct(), DEFLATED), DEFLATED, raw, EXPLICIT)


def test_nesting_beyond_the_recursion_limit_is_no_error():
    data = b""
    for _ in range(3000):
        data = struct.pack("<HHL", 0x0009, 0x1001, len(data) + 8) + (
            struct.pack("<HHL", 0xFFFE, 0xE000, len(data)) + data
        )
    deep = encode(ct(), IMPLICIT) + data
    assert not same_content(deep, IMPLICIT, deep[:-8] + b"\xfe\xff\x00\xe0\1\0\0\0", IMPLICIT)


FORMS = {EXPLICIT: (True, True), IMPLICIT: (False, True), BIG_ENDIAN: (True, False)}


@given(datasets(), st.sampled_from([*FORMS]))
def test_random_datasets_are_the_same_as_themselves(dataset, syntax):
    explicit, little = FORMS[syntax]
    other = encoded(dataset, explicit=explicit, little=little)
    assert same_content(encoded(dataset), EXPLICIT, other, syntax)


@given(mutated([samples.encode(rich())]), mutated([samples.encode(rich())]))
def test_arbitrary_bytes_raise_nothing(first, second):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert same_content(first, EXPLICIT, second, EXPLICIT) in (True, False)
