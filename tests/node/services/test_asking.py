from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom.dataset import Dataset

from node.config import DicomSection
from node.core import clock
from node.core.errors import UserError
from node.services.asking import ask, identifier, plain
from node.services.importing import import_paths
from scu.errors import Failed
from scu.identifiers import decode
from scu.identifiers import encode as encode_identifier
from storage.records.arrival import Origin, Way
from storage.records.attributes import Level
from storage.records.network import Peer
from tests.support.files import write_files
from tests.support.node import Running
from tests.support.samples import EXPLICIT, IMPLICIT, NAMES, Name, ct, mr, named


@pytest.fixture
def archive_url(sqlite_url: str) -> str:
    """One database is enough: what is tested here is the conversation."""
    return sqlite_url


def peer(port: int) -> Peer:
    return Peer("it", "ISOCENTRE", "127.0.0.1", port, clock.now())


@pytest.fixture
def other(running_node: Running, tmp_path: Path) -> Peer:
    """A peer with two studies."""
    folder = write_files(tmp_path / "in", ct(1), ct(2), mr(1), ct(1, study=2, PatientName="山田^太郎"))
    import_paths(running_node.node.ingest, [folder], Origin(Way.IMPORT))
    return peer(running_node.port)


def test_studies_are_found(other: Peer):
    (answer,) = ask(other, DicomSection(), Level.STUDY, {"PatientName": "phantom1*"})
    assert answer["StudyInstanceUID"] == ct(1).StudyInstanceUID
    assert answer["PatientName"] == "Phantom1^Test"
    assert answer["ModalitiesInStudy"] == "CT\\MR"
    assert answer["NumberOfStudyRelatedInstances"] == "3"
    assert answer["StudyDescription"] == "Phantom study"


def test_every_level_is_asked(other: Peer):
    config = DicomSection()
    study = ct(1).StudyInstanceUID
    assert len(list(ask(other, config, Level.PATIENT, {}))) == 2
    assert len(list(ask(other, config, Level.STUDY, {"StudyDate": "20240101-20241231"}))) == 2
    series = list(ask(other, config, Level.SERIES, {"StudyInstanceUID": study}))
    assert {each["Modality"] for each in series} == {"CT", "MR"}
    keys = {"StudyInstanceUID": study, "SeriesInstanceUID": ct(1).SeriesInstanceUID, "Rows": ""}
    images = list(ask(other, config, Level.IMAGE, keys))
    assert {(each["InstanceNumber"], each["Rows"]) for each in images} == {("1", "16"), ("2", "16")}


def test_a_name_in_other_letters_is_asked_and_answered(other: Peer):
    (answer,) = ask(other, DicomSection(), Level.STUDY, {"PatientName": "山田*"})
    assert answer["PatientName"] == "山田^太郎"


def test_the_answers_can_be_limited(other: Peer):
    assert len(list(ask(other, DicomSection(), Level.STUDY, {}, limit=1))) == 1
    answers = ask(other, DicomSection(), Level.STUDY, {})
    next(answers)
    answers.close()  # type: ignore[attr-defined]


def test_a_peer_that_allows_no_queries(start_node):
    running = start_node(dicom={"query_from": "known"})
    with pytest.raises(Failed):
        list(ask(peer(running.port), DicomSection(), Level.STUDY, {}))


@pytest.mark.parametrize(
    ("keyword", "value", "said"),
    [
        ("PatientNam", "x", "is no keyword of DICOM"),
        ("", "x", "is no keyword of DICOM"),
        ("PixelData", "x", "cannot be a key"),
        ("ReferencedStudySequence", "", "cannot be a key"),
        ("Rows", "many", "expected a whole number"),
    ],
)
def test_a_key_that_is_none_is_refused(keyword: str, value: str, said: str):
    with pytest.raises(UserError, match=said):
        identifier(Level.STUDY, {keyword: value})


def test_keys_are_written_as_they_are_meant():
    query = identifier(
        Level.STUDY,
        {"StudyDate": "20260101-", "StudyInstanceUID": "1.2\\1.3", "PatientName": "Ä*", "Rows": "1\\2"},
        ["StudyTime"],
    )
    for syntax in (EXPLICIT, IMPLICIT):
        assert plain(decode(encode_identifier(query, syntax), syntax)) == {
            "QueryRetrieveLevel": "STUDY",
            "StudyDate": "20260101-",
            "StudyTime": "",
            "PatientName": "Ä*",
            "StudyInstanceUID": "1.2\\1.3",
            "Rows": "1\\2",
        }


@pytest.mark.parametrize("name", NAMES, ids=lambda name: name.charset)
def test_answers_are_read_in_their_own_character_set(name: Name):
    assert plain(decode(named(name), EXPLICIT))["PatientName"] == name.text


def test_what_is_not_text_is_left_out():
    answer = Dataset()
    answer.SpecificCharacterSet = ["", "ISO 2022 IR 87"]
    answer.ReferencedStudySequence = [Dataset()]
    answer.add_new(0x00091001, "LO", "private")
    answer.PixelData = b"\0\0"
    answer["PixelData"].VR = "OW"
    answer.PatientID = "1"
    assert plain(decode(encode_identifier(answer, EXPLICIT), EXPLICIT)) == {"PatientID": "1"}


@given(st.binary(max_size=200))
def test_no_bytes_of_a_peer_are_too_much(value: bytes):
    body = (
        b"\x08\x00\x05\x00CS\x0a\x00ISO_IR 100"
        + b"\x10\x00\x10\x00PN"
        + len(value).to_bytes(2, "little")
        + value
    )
    body += b"\x28\x00\x10\x00US" + len(value).to_bytes(2, "little") + value
    assert set(plain(decode(body, EXPLICIT))) == {"PatientName", "Rows"}
