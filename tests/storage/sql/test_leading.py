import pytest

from storage.records.matching import parse
from storage.sql.leading import leading


@pytest.mark.parametrize(
    ("keys", "leader"),
    [
        ({}, ""),
        ({"PatientSex": "M", "PatientID": "1"}, "PatientID"),
        ({"StudyDate": "20240101", "PatientName": "DOE^JOHN"}, "PatientName"),
        ({"StudyDate": "20240101", "PatientName": "D*"}, "StudyDate"),
        ({"StudyDate": "20240101-", "AccessionNumber": "A1"}, "AccessionNumber"),
        ({"Modality": "CT", "StudyDate": "20240101"}, "StudyDate"),
        ({"PatientSex": "F", "StudyDate": "20240101-"}, "StudyDate"),
        ({"PatientSex": "F", "StudyDate": "-20240101"}, "PatientSex"),
        ({"ModalitiesInStudy": "CT", "PatientID": "*1"}, "ModalitiesInStudy"),
        ({"StudyInstanceUID": "1", "SeriesInstanceUID": "2", "Modality": "CT"}, "SeriesInstanceUID"),
        ({"StudyInstanceUID": "1", "SOPInstanceUID": "3"}, "SOPInstanceUID"),
        ({"StudyInstanceUID": "1", "InstanceNumber": "3"}, "StudyInstanceUID"),
        ({"SOPClassesInStudy": "1", "PatientSex": "M"}, "PatientSex"),
        ({"StudyDate": "20240101-20240102", "StudyTime": "10-12", "PatientName": "=山*"}, "StudyDate"),
    ],
)
def test_the_key_that_leaves_the_fewest_rows_leads(keys: dict[str, str], leader: str) -> None:
    assert leading(parse(keys)) == leader
