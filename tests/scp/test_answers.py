import zlib
from io import BytesIO

import pytest
from pydicom.dataset import Dataset
from pydicom.filereader import read_dataset

from scp.answers import Answers
from scp.identifier import decode
from tests.support.samples import BIG_ENDIAN, DEFLATED, EXPLICIT, IMPLICIT, NAMES, Name, encode


def asked(level: str = "IMAGE", **keys: object) -> Dataset:
    dataset = Dataset()
    dataset.QueryRetrieveLevel = level
    for keyword, value in keys.items():
        setattr(dataset, keyword, value)
    return dataset


def answered(query: Dataset, values: dict[str, str], syntax: str = EXPLICIT) -> Dataset:
    """Encode an answer to `query` and let pydicom read it."""
    answers = Answers(decode(encode(query, syntax), syntax), syntax, "ISOCENTRE")
    data = answers.encode(values)
    assert len(data) % 2 == 0
    if syntax == DEFLATED:
        data = zlib.decompress(data, wbits=-15)
    found = read_dataset(BytesIO(data), syntax == IMPLICIT, syntax != BIG_ENDIAN)
    tags = list(found.keys())
    assert tags == sorted(tags)
    for element in found:  # decodes every value
        assert element.VR
    return found


@pytest.mark.parametrize("syntax", [IMPLICIT, EXPLICIT, BIG_ENDIAN, DEFLATED])
def test_an_answer_in_every_transfer_syntax(syntax: str) -> None:
    query = asked(
        PatientName="", PatientID="", Rows=None, SOPInstanceUID="", ImageType="", PatientComments="x",
        RequestAttributesSequence=[], InstanceNumber=None, StudyDate="", NumberOfStudyRelatedSeries=None,
    )  # fmt: skip
    values = {
        "PatientName": "DOE^JANE",
        "PatientID": "471",
        "Rows": "512",
        "SOPInstanceUID": "1.2.3",
        "ImageType": "ORIGINAL\\PRIMARY",
        "InstanceNumber": "7",
        "StudyDate": "20240101",
        "NumberOfStudyRelatedSeries": "3",
    }
    found = answered(query, values, syntax)
    assert found.PatientName == "DOE^JANE"
    assert found.PatientID == "471"
    assert found.Rows == 512
    assert found.SOPInstanceUID == "1.2.3"
    assert found.ImageType == ["ORIGINAL", "PRIMARY"]
    assert found.InstanceNumber == 7
    assert found.NumberOfStudyRelatedSeries == 3
    assert found.PatientComments == ""
    assert len(found.RequestAttributesSequence) == 0
    assert found.QueryRetrieveLevel == "IMAGE"
    assert found.RetrieveAETitle == "ISOCENTRE"
    assert found.InstanceAvailability == "ONLINE"
    assert "SpecificCharacterSet" not in found


def test_what_is_not_known_comes_back_empty() -> None:
    found = answered(asked(PatientName="A*", StudyDate="20240101", Rows=1), {})
    assert found.PatientName == ""
    assert found.StudyDate == ""
    assert found["Rows"].value is None


def test_what_was_not_asked_for_is_not_there() -> None:
    found = answered(asked(PatientID=""), {"PatientID": "1", "PatientName": "DOE"})
    assert "PatientName" not in found
    assert len(found) == 4


@pytest.mark.parametrize("name", NAMES, ids=lambda name: name.charset)
@pytest.mark.parametrize("syntax", [IMPLICIT, EXPLICIT])
def test_names_come_back_in_the_set_of_the_query(name: Name, syntax: str) -> None:
    found = answered(
        asked(SpecificCharacterSet=name.terms, PatientName=""), {"PatientName": name.text}, syntax
    )
    assert found.get("SpecificCharacterSet") == (name.terms if len(name.terms) > 1 else name.charset)
    assert found.PatientName == name.text


@pytest.mark.parametrize("name", NAMES, ids=lambda name: name.charset)
@pytest.mark.parametrize("charset", ["", "ISO_IR 6", "ISO_IR 100"])
def test_names_that_the_set_cannot_hold_come_in_unicode(name: Name, charset: str) -> None:
    query = asked(PatientName="")
    if charset:
        query.SpecificCharacterSet = charset
    answers = Answers(decode(encode(query), EXPLICIT), EXPLICIT, "ISOCENTRE")
    found = read_dataset(BytesIO(answers.encode({"PatientName": name.text})), False, True)
    same = charset == name.charset
    assert found.SpecificCharacterSet == (charset if same else "ISO_IR 192")
    assert found.PatientName == name.text


def test_each_answer_has_the_set_that_it_needs() -> None:
    query = asked(SpecificCharacterSet="ISO_IR 100", PatientName="", StudyDescription="")
    answers = Answers(decode(encode(query), EXPLICIT), EXPLICIT, "ISOCENTRE")
    values = [("DOE", "a"), ("DOE", "é"), ("山田", "é"), ("DOE", "b")]
    sets = []
    for name, description in values:
        data = answers.encode({"PatientName": name, "StudyDescription": description})
        found = read_dataset(BytesIO(data), False, True)
        assert (found.PatientName, found.StudyDescription) == (name, description)
        sets.append(found.SpecificCharacterSet)
    assert sets == ["ISO_IR 100", "ISO_IR 100", "ISO_IR 192", "ISO_IR 100"]


def test_values_that_fit_no_element() -> None:
    found = answered(
        asked(PatientName="", Rows=1, StudyDate=""), {"PatientName": "x" * 70_000, "Rows": "many"}
    )
    assert found.PatientName == ""
    assert found["Rows"].value is None
    found = answered(asked(PatientSex=""), {"PatientSex": "é"})
    assert found.PatientSex == "?"
