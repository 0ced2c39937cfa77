import tracemalloc
from contextlib import closing
from itertools import islice

import pytest

from storage.archive import Archive
from storage.records.attributes import ATTRIBUTES, Level
from storage.records.computed import COMPUTED
from storage.records.matching import parse
from storage.sql.streaming import BATCH, FIRST
from tests.support.crowded import STUDIES
from tests.support.index import SeriesRows, StudyRows, fill, one_study


def find(
    archive: Archive, level: Level, keys: dict[str, str], *wanted: str, limit: int | None = None
) -> list[dict[str, str]]:
    with archive.read() as tx:
        found = tx.query.find(level, parse(keys), wanted, limit)
        return [dict(zip(wanted, answer, strict=True)) for answers in found for answer in answers]


def two_patients(archive: Archive) -> None:
    """A patient with two studies, another with one, and one study without Patient ID twice."""
    ct = SeriesRows(
        {"SeriesInstanceUID": "1.1.1", "Modality": "CT", "SeriesNumber": "1"}, _images("1.1.1", 3)
    )
    pr = SeriesRows(
        {"SeriesInstanceUID": "1.1.2", "Modality": "PR", "SeriesNumber": "2"}, _images("1.1.2", 1)
    )
    mr = SeriesRows({"SeriesInstanceUID": "1.2.1", "Modality": "MR"}, _images("1.2.1", 2))
    us = SeriesRows({"SeriesInstanceUID": "2.1.1", "Modality": "US"}, _images("2.1.1", 1))
    doe = {"PatientName": "DOE^JANE", "PatientID": "4711"}
    fill(
        archive,
        [
            StudyRows(doe | {"StudyInstanceUID": "1.1", "StudyDate": "20240101"}, [ct, pr]),
            StudyRows(doe | {"StudyInstanceUID": "1.2", "PatientName": "DOE^JANE^M"}, [mr]),
            StudyRows({"StudyInstanceUID": "2.1", "PatientID": "4711", "IssuerOfPatientID": "B"}, [us]),
            StudyRows({"StudyInstanceUID": "3.1", "PatientName": "UNKNOWN"}, []),
            StudyRows({"StudyInstanceUID": "3.2", "PatientName": "UNKNOWN"}, []),
        ],
    )


def _images(series: str, count: int) -> list[dict[str, str]]:
    return [
        {"SOPInstanceUID": f"{series}.{n}", "InstanceNumber": str(n), "SOPClassUID": f"9.{series}"}
        for n in range(1, count + 1)
    ]


def test_a_patient_is_answered_once_for_its_id_and_issuer(archive: Archive) -> None:
    two_patients(archive)
    keys = "PatientName", "PatientID", "IssuerOfPatientID"
    counts = (
        "NumberOfPatientRelatedStudies",
        "NumberOfPatientRelatedSeries",
        "NumberOfPatientRelatedInstances",
    )
    answers = find(archive, Level.PATIENT, {"PatientID": "4711"}, *keys, *counts)
    assert sorted(tuple(answer.values()) for answer in answers) == [
        ("", "4711", "B", "1", "1", "1"),
        ("DOE^JANE^M", "4711", "", "2", "3", "6"),
    ]


def test_the_name_that_matches_is_the_one_answered(archive: Archive) -> None:
    two_patients(archive)
    answers = find(archive, Level.PATIENT, {"PatientName": "doe^jane"}, "PatientName")
    assert answers == [{"PatientName": "DOE^JANE"}]


def test_without_a_patient_id_each_study_is_a_patient_of_its_own(archive: Archive) -> None:
    two_patients(archive)
    wanted = "NumberOfPatientRelatedStudies", "NumberOfPatientRelatedInstances"
    answers = find(archive, Level.PATIENT, {"PatientName": "UNKNOWN"}, *wanted)
    assert answers == [dict(zip(wanted, ("1", "0"), strict=True))] * 2


def test_what_a_study_comes_to(archive: Archive) -> None:
    two_patients(archive)
    wanted = [each for each in COMPUTED if each != "NumberOfSeriesRelatedInstances"]
    (answer,) = find(archive, Level.STUDY, {"StudyInstanceUID": "1.1"}, *wanted)
    assert answer == {
        "ModalitiesInStudy": "CT\\PR",
        "SOPClassesInStudy": "9.1.1.1\\9.1.1.2",
        "NumberOfPatientRelatedStudies": "2",
        "NumberOfPatientRelatedSeries": "3",
        "NumberOfPatientRelatedInstances": "6",
        "NumberOfStudyRelatedSeries": "2",
        "NumberOfStudyRelatedInstances": "4",
    }


def test_modalities_match_one_by_one(archive: Archive) -> None:
    two_patients(archive)

    def studies(modalities: str, **more: str) -> list[str]:
        keys = {"ModalitiesInStudy": modalities, **more}
        return sorted(
            each["StudyInstanceUID"] for each in find(archive, Level.STUDY, keys, "StudyInstanceUID")
        )

    for more in ({}, {"PatientID": "4711"}):  # found by the modality, and looked at beside another key
        assert studies("CT", **more) == ["1.1"]
        assert studies("PR", **more) == ["1.1"]
        assert studies("CT\\MR", **more) == ["1.1", "1.2"]
        assert studies("?R", **more) == ["1.1", "1.2"]
        assert studies("C*\\U?", **more) == ["1.1", "2.1"]
        assert studies("T", **more) == []
        assert studies("C*R", **more) == []


def test_modalities_can_be_asked_for_below_the_study(archive: Archive) -> None:
    two_patients(archive)
    for more in ({}, {"PatientID": "4711"}):
        answers = find(
            archive, Level.SERIES, {"ModalitiesInStudy": "PR", **more}, "SeriesInstanceUID", "Modality"
        )
        assert sorted(answer["Modality"] for answer in answers) == ["CT", "PR"]


def test_sop_classes_match_one_by_one(archive: Archive) -> None:
    two_patients(archive)
    for asked, expected in (("9.1.1.2", ["1.1"]), ("9.1.1", []), ("9.1.2.1\\9.2.1.1", ["1.2", "2.1"])):
        answers = find(archive, Level.STUDY, {"SOPClassesInStudy": asked}, "StudyInstanceUID")
        assert sorted(answer["StudyInstanceUID"] for answer in answers) == expected


def test_series_and_images_carry_what_is_above_them(archive: Archive) -> None:
    two_patients(archive)
    wanted = (
        "PatientName",
        "StudyDate",
        "Modality",
        "NumberOfSeriesRelatedInstances",
        "NumberOfPatientRelatedStudies",
    )
    (series,) = find(archive, Level.SERIES, {"StudyInstanceUID": "1.1", "SeriesNumber": "1"}, *wanted)
    assert tuple(series[keyword] for keyword in wanted) == ("DOE^JANE", "20240101", "CT", "3", "2")
    (image,) = find(archive, Level.IMAGE, {"SOPInstanceUID": "1.1.1.2"}, *wanted, "InstanceNumber")
    assert (image["PatientName"], image["InstanceNumber"]) == ("DOE^JANE", "2")
    images = find(archive, Level.IMAGE, {"PatientID": "4711", "PatientName": "DOE*"}, "SOPInstanceUID")
    assert len(images) == 6


def test_what_belongs_below_the_level_is_neither_matched_nor_answered(archive: Archive) -> None:
    two_patients(archive)
    answers = find(
        archive, Level.STUDY, {"Modality": "XX", "StudyInstanceUID": "1.1"}, "Modality", "PatientID"
    )
    assert answers == [{"Modality": "", "PatientID": "4711"}]


def test_a_query_that_wants_nothing_still_has_answers(archive: Archive) -> None:
    two_patients(archive)
    assert find(archive, Level.STUDY, {}) == [{}] * 5


def test_every_attribute_can_be_asked_for(archive: Archive) -> None:
    two_patients(archive)
    wanted = [attribute.keyword for attribute in ATTRIBUTES] + list(COMPUTED)
    answers = find(archive, Level.IMAGE, {"StudyInstanceUID": "1.1"}, *wanted)
    assert len(answers) == 4
    assert all(set(answer) == set(wanted) for answer in answers)


def test_a_limit_is_kept(archive: Archive) -> None:
    fill(archive, (one_study(number) for number in range(20)))
    assert len(find(archive, Level.STUDY, {}, "PatientID", limit=7)) == 7
    assert len(find(archive, Level.IMAGE, {}, "PatientID", limit=21)) == 20


def test_a_list_of_many_uids(archive: Archive) -> None:
    fill(archive, (one_study(number) for number in range(20)))
    asked = "\\".join(f"2.25.{number}" for number in range(10, 9000))
    assert len(find(archive, Level.STUDY, {"StudyInstanceUID": asked}, "PatientID")) == 10


def test_answers_stream_and_memory_stays_flat(crowded_url: str) -> None:
    with closing(Archive.open(crowded_url)) as archive, archive.read() as tx:
        answers = tx.query.find(
            Level.STUDY, {}, ["StudyDescription", "StudyInstanceUID", "NumberOfPatientRelatedStudies"]
        )
        seen = sum(len(some) for some in islice(answers, 10))
        tracemalloc.start()
        try:
            rest = sum(len(some) for some in answers)
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
    assert seen + rest == STUDIES
    assert peak < 4 << 20


def test_a_query_that_is_given_up_leaves_nothing_behind(archive: Archive) -> None:
    fill(archive, (one_study(number) for number in range(1000)))
    with archive.read() as tx:
        answers = tx.query.find(Level.STUDY, {}, ["StudyInstanceUID"])
        next(answers)
        answers.close()
        again = tx.query.find(Level.STUDY, {}, ["StudyInstanceUID"])
        assert sum(len(some) for some in again) == 1000


@pytest.mark.parametrize("count", [0, 1, FIRST - 1, FIRST, FIRST + 1, FIRST + BATCH, FIRST + BATCH + 1])
def test_no_answer_is_lost_or_given_twice_between_batches(archive: Archive, count: int) -> None:
    fill(archive, (one_study(number, PatientID=f"{number:03}") for number in range(count)))
    for level in (Level.PATIENT, Level.STUDY, Level.IMAGE):
        with archive.read() as tx:
            batches = list(tx.query.find(level, {}, ["PatientID"]))
        assert all(batches)
        assert sorted(patient for batch in batches for (patient,) in batch) == [
            f"{number:03}" for number in range(count)
        ]
        assert all(len(batch) <= BATCH for batch in batches)
        assert not batches or len(batches[0]) <= FIRST


def test_patients_come_by_their_ids_and_only_so_many(archive: Archive) -> None:
    fill(archive, (one_study(number, PatientID=str(9 - number % 5)) for number in range(50)))
    answers = find(archive, Level.PATIENT, {}, "PatientID", "NumberOfPatientRelatedStudies", limit=3)
    assert [(each["PatientID"], each["NumberOfPatientRelatedStudies"]) for each in answers] == [
        ("5", "10"),
        ("6", "10"),
        ("7", "10"),
    ]


def test_many_patients_are_counted_each_on_its_own(archive: Archive) -> None:
    fill(archive, (one_study(number, PatientID=f"P{number // 2}") for number in range(500)))
    answers = find(archive, Level.STUDY, {}, "NumberOfPatientRelatedStudies", "PatientID")
    assert [each["NumberOfPatientRelatedStudies"] for each in answers] == ["2"] * 500


def test_queries_of_one_shape_do_not_mix_their_values(archive: Archive) -> None:
    two_patients(archive)
    for uid, date in (("1.1", "20240101"), ("1.2", ""), ("9", "")):
        found = find(archive, Level.STUDY, {"StudyInstanceUID": uid}, "StudyInstanceUID", "StudyDate")
        expected = {"StudyInstanceUID": uid, "StudyDate": date}
        assert found == ([] if uid == "9" else [expected])
    for limit in (1, 2, 3):
        assert len(find(archive, Level.STUDY, {}, "PatientID", limit=limit)) == limit
