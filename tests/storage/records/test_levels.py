import pytest

from storage.records.attributes import Level
from storage.records.levels import available, level_of, matchable, tag_of


@pytest.mark.parametrize(
    ("level", "keyword", "has"),
    [
        (Level.PATIENT, "PatientName", True),
        (Level.PATIENT, "StudyDate", False),
        (Level.PATIENT, "NumberOfPatientRelatedStudies", True),
        (Level.PATIENT, "ModalitiesInStudy", False),
        (Level.STUDY, "PatientName", True),
        (Level.STUDY, "Modality", False),
        (Level.SERIES, "ModalitiesInStudy", True),
        (Level.SERIES, "SOPInstanceUID", False),
        (Level.IMAGE, "SOPInstanceUID", True),
        (Level.IMAGE, "PatientComments", False),
    ],
)
def test_a_level_has_its_own_attributes_and_those_above(level: Level, keyword: str, has: bool) -> None:
    assert available(level, keyword) == has


def test_counts_are_given_back_but_not_matched() -> None:
    assert not matchable(Level.STUDY, "NumberOfStudyRelatedSeries")
    assert matchable(Level.STUDY, "ModalitiesInStudy")
    assert not matchable(Level.PATIENT, "ModalitiesInStudy")


def test_where_attributes_are_kept() -> None:
    assert level_of("PatientName") is Level.STUDY
    assert level_of("NumberOfSeriesRelatedInstances") is Level.SERIES
    assert tag_of("PatientName") == 0x00100010
    assert tag_of("ModalitiesInStudy") == 0x00080061
