import zlib
from io import BytesIO

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom.dataset import Dataset
from pydicom.filereader import read_dataset

from scp.answers import Answers, answers_to
from scp.identifier import decode
from tests.support.samples import BIG_ENDIAN, DEFLATED, EXPLICIT, IMPLICIT, NAMES, Name, encode


def asked(level: str = "IMAGE", **keys: object) -> Dataset:
    dataset = Dataset()
    dataset.QueryRetrieveLevel = level
    for keyword, value in keys.items():
        setattr(dataset, keyword, value)
    return dataset


def values_of(query: Dataset, values: dict[str, str], syntax: str = EXPLICIT) -> list[str]:
    """Return the values of an answer in the order of the tags that `query` wants."""
    identifier = decode(encode(query, syntax), syntax)
    return [values.get(each.keyword, "") for each in identifier.wanted if each.keyword]


def answered(query: Dataset, values: dict[str, str], syntax: str = EXPLICIT) -> Dataset:
    """Encode an answer to `query` and let pydicom read it."""
    answers = Answers(decode(encode(query, syntax), syntax), syntax, "ISOCENTRE")
    data = answers.encode(values_of(query, values, syntax))
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
    found = read_dataset(BytesIO(answers.encode([name.text])), False, True)
    same = charset == name.charset
    assert found.SpecificCharacterSet == (charset if same else "ISO_IR 192")
    assert found.PatientName == name.text


def test_each_answer_has_the_set_that_it_needs() -> None:
    query = asked(SpecificCharacterSet="ISO_IR 100", PatientName="", StudyDescription="")
    answers = Answers(decode(encode(query), EXPLICIT), EXPLICIT, "ISOCENTRE")
    values = [("DOE", "a"), ("DOE", "é"), ("山田", "é"), ("DOE", "b")]
    sets = []
    for name, description in values:
        data = answers.encode([description, name])
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


TEXTS = st.one_of(
    st.text(st.characters(min_codepoint=32, max_codepoint=126, exclude_characters="\\=^"), max_size=64),
    st.sampled_from(["Müller^Jörg", "山田^太郎", "x" * 255, "x" * 256, "x" * 65_534, "x" * 65_535]),
)


@pytest.mark.parametrize("syntax", [IMPLICIT, EXPLICIT, BIG_ENDIAN])
@pytest.mark.parametrize("charset", ["", "ISO_IR 100", "ISO_IR 192"])
@pytest.mark.filterwarnings("ignore:The .* length:UserWarning")  # pydicom's, of what no VR allows
def test_any_values_of_any_length_read_back(syntax: str, charset: str) -> None:
    query = asked(
        PatientName="", PatientID="", StudyDescription="", Rows=None, SOPInstanceUID="", PatientComments=""
    )
    if charset:
        query.SpecificCharacterSet = charset
    answers = Answers(decode(encode(query, syntax), syntax), syntax, "ISOCENTRE")  # many answers by one

    @settings(max_examples=60, deadline=None)
    @given(TEXTS, TEXTS, TEXTS, st.integers(0, 70_000))
    def check(name: str, patient: str, description: str, rows: int) -> None:
        values = {
            "PatientName": name,
            "PatientID": patient,
            "StudyDescription": description,
            "Rows": str(rows),
            "SOPInstanceUID": "1.2.34",
        }
        data = answers.encode(values_of(query, values, syntax))
        found = read_dataset(BytesIO(data), syntax == IMPLICIT, syntax != BIG_ENDIAN)
        assert found["Rows"].value == (rows if rows < 1 << 16 else None)
        assert found.SOPInstanceUID == "1.2.34"
        for keyword in ("PatientName", "PatientID", "StudyDescription"):
            fits = syntax == IMPLICIT or len(values[keyword]) <= 0xFFFE
            expected = values[keyword].rstrip(" ") if fits else ""
            assert str(found[keyword].value).rstrip(" ") == expected

    check()


def test_the_same_question_is_made_ready_once() -> None:
    first = decode(encode(asked(PatientName="DOE", PatientID="")), EXPLICIT)
    second = decode(encode(asked(PatientName="ROE*", PatientID="1")), EXPLICIT)
    other = decode(encode(asked(PatientName="DOE")), EXPLICIT)
    assert answers_to(first, EXPLICIT, "A") is answers_to(second, EXPLICIT, "A")
    assert answers_to(first, EXPLICIT, "A") is not answers_to(first, IMPLICIT, "A")
    assert answers_to(first, EXPLICIT, "A") is not answers_to(first, EXPLICIT, "B")
    assert answers_to(first, EXPLICIT, "A") is not answers_to(other, EXPLICIT, "A")
