import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom.dataset import Dataset

from node.intake.errors import Malformed
from node.intake.syntax import BIG_ENDIAN, DEFLATED, EXPLICIT, IMPLICIT, Encoding
from scp.elements import IDENTIFIER_MAX, Writer, deflated, inflated, read, vr_of
from tests.support.samples import encode

SYNTAXES = {
    "1.2.840.10008.1.2": IMPLICIT,
    "1.2.840.10008.1.2.1": EXPLICIT,
    "1.2.840.10008.1.2.1.99": DEFLATED,
    "1.2.840.10008.1.2.2": BIG_ENDIAN,
}


def elements(data: bytes, encoding: Encoding) -> dict[int, tuple[bytes, bytes]]:
    return {tag: (vr, bytes(value)) for tag, vr, value in read(inflated(data, encoding), encoding)}


@pytest.mark.parametrize("syntax", SYNTAXES)
def test_elements_of_a_dataset_that_pydicom_wrote(syntax: str) -> None:
    inner = Dataset()
    inner.ScheduledProcedureStepID = "7"
    dataset = Dataset()
    dataset.QueryRetrieveLevel = "STUDY"
    dataset.RequestAttributesSequence = [inner, inner]
    dataset.Rows = 512
    dataset.PatientID = "4711"
    found = elements(encode(dataset, syntax), SYNTAXES[syntax])
    assert list(found) == [0x00080052, 0x00100020, 0x00280010, 0x00400275]
    assert found[0x00100020][1] == b"4711"
    assert found[0x00280010][1] == struct.pack(">H" if syntax.endswith(".2.2") else "<H", 512)
    assert found[0x00080052][0] == (b"" if syntax == "1.2.840.10008.1.2" else b"CS")


@pytest.mark.parametrize(("encoding", "explicit"), [(IMPLICIT, False), (EXPLICIT, True)])
def test_sequences_of_undefined_length_are_skipped(encoding: Encoding, explicit: bool) -> None:
    dataset, inner, innermost = Dataset(), Dataset(), Dataset()
    innermost.PatientID = "WRONG"
    inner.RequestAttributesSequence = [innermost]
    inner["RequestAttributesSequence"].is_undefined_length = True
    innermost.is_undefined_length_sequence_item = True
    inner.is_undefined_length_sequence_item = True
    dataset.ReferencedStudySequence = [inner, inner]
    dataset["ReferencedStudySequence"].is_undefined_length = True
    dataset.PatientID = "RIGHT "
    syntax = "1.2.840.10008.1.2.1" if explicit else "1.2.840.10008.1.2"
    data = encode(dataset, syntax)
    assert b"\xff\xff\xff\xff" in data
    found = elements(data, encoding)
    assert list(found) == [0x00081110, 0x00100020]
    assert found[0x00100020][1] == b"RIGHT "
    assert found[0x00081110][1] == b""


def test_nesting_without_end_is_refused_without_recursion() -> None:
    deep = b"\x08\x00\x10\x11SQ\0\0\xff\xff\xff\xff\xfe\xff\x00\xe0\xff\xff\xff\xff" * 10_000
    with pytest.raises(Malformed, match="nested"):
        list(read(deep, EXPLICIT))


@pytest.mark.parametrize(
    "data",
    [
        b"\x10\x00\x20\x00LO",
        b"\x10\x00\x20\x00LO\x04\x00AB",
        b"\x10\x00\x20\x00\x00\x00\x04\x00ABCD",
        b"\x08\x00\x10\x11SQ\0\0\xff\xff\xff\xff",
    ],
)
def test_what_is_cut_off_or_no_element_is_refused(data: bytes) -> None:
    with pytest.raises(Malformed):
        list(read(data, EXPLICIT))


def test_a_bomb_is_not_inflated() -> None:
    with pytest.raises(Malformed):
        inflated(deflated(b"\0" * (IDENTIFIER_MAX * 8)), DEFLATED)
    with pytest.raises(Malformed):
        inflated(b"no deflate stream", DEFLATED)


@given(st.binary(max_size=200), st.sampled_from([IMPLICIT, EXPLICIT, BIG_ENDIAN]))
def test_any_bytes_are_elements_or_malformed(data: bytes, encoding: Encoding) -> None:
    try:
        size = sum(len(value) for _, _, value in read(data, encoding))
    except Malformed:
        return
    assert size <= len(data)


@given(
    st.dictionaries(st.sampled_from([0x00100010, 0x00081110, 0x00280010]), st.binary(max_size=9), max_size=3),
    st.sampled_from([IMPLICIT, EXPLICIT, BIG_ENDIAN]),
)
def test_what_is_written_is_read(values: dict[int, bytes], encoding: Encoding) -> None:
    values.pop(0x00081110, None)
    writer = Writer(encoding)
    data = b"".join(writer.element(tag, vr_of(tag), value) for tag, value in values.items())
    assert {tag: value for tag, (_, value) in elements(data, encoding).items()} == values


def test_vrs_of_what_the_dictionary_does_not_know() -> None:
    assert vr_of(0x00100010) == b"PN"
    assert vr_of(0x00091001) == b"UN"
    assert vr_of(0x00090010) == b"LO"
    assert vr_of(0x00280106) == b"US"  # US or SS
    assert vr_of(0x7FE00010) == b"OW"  # OB or OW
