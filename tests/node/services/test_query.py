import pytest

from node.services.query import BadQuery, Query, parse_keys
from storage.archive import Archive
from storage.records.attributes import Level
from storage.records.criteria import Single
from tests.support.index import fill, one_study


def test_keys_below_the_level_and_those_only_given_back_match_everything() -> None:
    keys = {"Modality": "CT", "NumberOfStudyRelatedSeries": "3", "PatientID": "1", "PatientComments": "x"}
    assert parse_keys(Level.STUDY, keys) == {"PatientID": Single("1")}


def test_a_bad_key_names_its_attribute_and_not_its_value() -> None:
    with pytest.raises(BadQuery) as told:
        parse_keys(Level.STUDY, {"StudyDate": "SECRET"})
    assert told.value.tag == 0x00080020
    assert told.value.reason.startswith("StudyDate: ")
    assert len(told.value.reason) <= 64
    assert told.value.reason.isascii()
    assert "SECRET" not in told.value.reason


def test_a_study_root_has_no_level_of_patients(archive: Archive) -> None:
    query = Query(archive)
    with pytest.raises(BadQuery) as told:
        query.find(Level.PATIENT, {}, [], patient_root=False)
    assert told.value.tag == 0x00080052
    assert list(query.find(Level.PATIENT, {}, [], patient_root=True)) == []


def test_bad_keys_are_told_before_the_first_answer(archive: Archive) -> None:
    with pytest.raises(BadQuery):
        Query(archive).find(Level.STUDY, {"StudyTime": "noon"}, [])


def test_answers_and_limit(archive: Archive) -> None:
    fill(archive, (one_study(number, PatientID="A") for number in range(5)))
    found = Query(archive).find(Level.STUDY, {"PatientID": "A"}, ["PatientID", "Modality"], limit=3)
    assert [answer for answers in found for answer in answers] == [["A", ""]] * 3


def test_dates_and_times_together_or_apart(archive: Archive) -> None:
    fill(archive, [one_study(1, StudyDate="20240101", StudyTime="230000")])
    keys = {"StudyDate": "20240101-20240102", "StudyTime": "22-02"}
    query = Query(archive)
    assert sum(map(len, query.find(Level.STUDY, keys, []))) == 1
    assert list(query.find(Level.STUDY, keys, [], combined=False)) == []


def test_a_query_given_up_lets_the_database_go(archive: Archive) -> None:
    fill(archive, (one_study(number) for number in range(1000)))
    found = Query(archive).find(Level.STUDY, {}, ["StudyInstanceUID"])
    next(found)
    found.close()
    with archive.begin() as tx:
        tx.commit()
