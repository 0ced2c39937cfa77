import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom.dataset import Dataset

from node.services.query import BadQuery
from scp.identifier import Wanted, decode
from storage.records.attributes import Level
from tests.support.samples import BIG_ENDIAN, DEFLATED, EXPLICIT, IMPLICIT, NAMES, Name, encode


def asked(**keys: object) -> Dataset:
    dataset = Dataset()
    dataset.QueryRetrieveLevel = "STUDY"
    for keyword, value in keys.items():
        setattr(dataset, keyword, value)
    return dataset


@pytest.mark.parametrize("syntax", [IMPLICIT, EXPLICIT, BIG_ENDIAN, DEFLATED])
def test_an_identifier_in_every_transfer_syntax(syntax: str) -> None:
    dataset = asked(
        PatientName="DOE^*",
        StudyInstanceUID=["1.2", "1.2.3"],
        Rows=512,
        ModalitiesInStudy=["CT", "MR"],
        PatientID="",
        PatientComments="",
        NumberOfStudyRelatedSeries="",
        RetrieveAETitle="X",
    )
    dataset.add_new(0x00090010, "LO", "OURS")
    identifier = decode(encode(dataset, syntax), syntax)
    assert identifier.level is Level.STUDY
    assert identifier.keys == {
        "PatientName": "DOE^*",
        "StudyInstanceUID": "1.2\\1.2.3",
        "Rows": "512",
        "ModalitiesInStudy": "CT\\MR",
        "PatientID": "",
        "NumberOfStudyRelatedSeries": "",
    }
    assert [each.tag for each in identifier.wanted] == sorted(each.tag for each in identifier.wanted)
    assert Wanted(0x00104000, b"LT") in identifier.wanted
    assert Wanted(0x00100010, b"PN", "PatientName") in identifier.wanted
    assert identifier.charset == b""
    assert identifier.unmatched == (0x00090010,)


def test_a_key_that_is_not_indexed_is_told() -> None:
    assert decode(encode(asked(PatientComments="x*")), EXPLICIT).unmatched == (0x00104000,)
    assert decode(encode(asked(PatientComments="*")), EXPLICIT).unmatched == ()


@pytest.mark.parametrize("level", ["PATIENT", "STUDY", "SERIES", "IMAGE"])
def test_levels(level: str) -> None:
    assert decode(encode(asked(QueryRetrieveLevel=level)), EXPLICIT).level == level


@pytest.mark.parametrize("level", ["", "INSTANCE", "STUDY\\SERIES", "ALL"])
def test_no_level(level: str) -> None:
    with pytest.raises(BadQuery) as told:
        decode(encode(asked(QueryRetrieveLevel=level)), EXPLICIT)
    assert told.value.tag == 0x00080052


def test_a_level_that_is_not_there() -> None:
    with pytest.raises(BadQuery) as told:
        decode(b"", EXPLICIT)
    assert told.value.tag == 0x00080052


@pytest.mark.parametrize("name", NAMES, ids=lambda name: name.charset)
def test_names_in_their_character_set(name: Name) -> None:
    charset = name.charset.encode()
    elements = [(0x0005, 0x0008, charset), (0x0052, 0x0008, b"STUDY "), (0x0010, 0x0010, name.encoded)]
    data = b""
    for element, group, value in elements:
        padded = value + b" " * (len(value) % 2)
        data += (
            group.to_bytes(2, "little")
            + element.to_bytes(2, "little")
            + len(padded).to_bytes(4, "little")
            + padded
        )
    identifier = decode(data, IMPLICIT)
    assert identifier.keys["PatientName"] == name.text
    assert identifier.charset == charset


def _raw(charset: bytes, name: bytes) -> bytes:
    head = b"\x08\x00\x05\x00CS" + len(charset).to_bytes(2, "little") + charset
    level = b"\x08\x00\x52\x00CS\x06\x00STUDY "
    return head + level + b"\x10\x00\x10\x00PN" + len(name).to_bytes(2, "little") + name


def test_characters_that_cannot_be_read() -> None:
    with pytest.raises(BadQuery) as told:
        decode(_raw(b"ISO_IR 192", b"J\xe9r\xf4me"), EXPLICIT)
    assert told.value.tag == 0x00100010
    with pytest.raises(BadQuery) as told:
        decode(_raw(b"ISO_IR 999", b"J\xe9r\xf4me"), EXPLICIT)
    assert told.value.tag == 0x00080005
    assert decode(_raw(b"ISO_IR 999", b"JEROME"), EXPLICIT).keys["PatientName"] == "JEROME"


def test_characters_of_which_nobody_said_what_they_are() -> None:
    assert decode(_raw(b"", "Jérôme".encode()), EXPLICIT).keys["PatientName"] == "Jérôme"
    assert decode(_raw(b"", b"J\xe9r\xf4me"), EXPLICIT).keys["PatientName"] == "Jérôme"


def test_a_number_that_is_none() -> None:
    level = b"\x08\x00\x52\x00CS\x06\x00STUDY "
    with pytest.raises(BadQuery) as told:
        decode(level + b"\x28\x00\x10\x00US\x03\x00abc", EXPLICIT)
    assert told.value.tag == 0x00280010


@given(st.binary(max_size=300), st.sampled_from([IMPLICIT, EXPLICIT, BIG_ENDIAN, DEFLATED]))
def test_any_bytes_are_an_identifier_or_a_bad_query(data: bytes, syntax: str) -> None:
    reason = ""
    try:
        decode(data, syntax)
    except BadQuery as error:
        reason = error.reason
    assert len(reason) <= 64
    assert reason.isascii()
