"""Identifiers as bytes and back."""

import warnings

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom.dataset import Dataset

from scu.contexts import EXPLICIT_LITTLE_ENDIAN, IMPLICIT_LITTLE_ENDIAN, UNCOMPRESSED
from scu.identifiers import decode, encode, failed_uids
from scu.wire.errors import ProtocolError
from tests.support.samples import NAMES, Name


def study() -> Dataset:
    dataset = Dataset()
    dataset.QueryRetrieveLevel = "STUDY"
    dataset.StudyInstanceUID = "1.2.3"
    dataset.PatientName = ""
    return dataset


@pytest.mark.parametrize("syntax", UNCOMPRESSED)
@pytest.mark.parametrize("name", NAMES, ids=lambda name: name.charset)
def test_names_survive_in_every_character_set(name: Name, syntax: str) -> None:
    dataset = study()
    dataset.SpecificCharacterSet = name.terms
    dataset.PatientName = name.text
    read = decode(encode(dataset, syntax), syntax)
    assert str(read.PatientName) == name.text
    assert read.QueryRetrieveLevel == "STUDY"


def test_a_syntax_that_is_not_proposed_is_not_written() -> None:
    with pytest.raises(ValueError, match=r"1\.2\.840\.10008\.1\.2\.2"):
        encode(study(), "1.2.840.10008.1.2.2")


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=200), st.sampled_from(UNCOMPRESSED))
def test_any_bytes_are_an_identifier_or_a_protocol_error(data: bytes, syntax: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            decode(data, syntax)
        except ProtocolError:
            return
        failed_uids(data, syntax)


def test_nesting_without_end_is_a_protocol_error() -> None:
    level = b"\x08\x00\x40\x11\xff\xff\xff\xff\xfe\xff\x00\xe0\xff\xff\xff\xff"
    with pytest.raises(ProtocolError):
        decode(level * 5000, IMPLICIT_LITTLE_ENDIAN)


@pytest.mark.parametrize("syntax", UNCOMPRESSED)
@pytest.mark.parametrize("uids", [[], ["1.2.3"], ["1.2.3", "1.2.4"]])
def test_failed_uids(uids: list[str], syntax: str) -> None:
    dataset = Dataset()
    dataset.FailedSOPInstanceUIDList = uids
    assert failed_uids(encode(dataset, syntax), syntax) == tuple(uids)


def test_no_list_of_failed_uids() -> None:
    assert failed_uids(b"", EXPLICIT_LITTLE_ENDIAN) == ()
    assert failed_uids(encode(study(), EXPLICIT_LITTLE_ENDIAN), EXPLICIT_LITTLE_ENDIAN) == ()
