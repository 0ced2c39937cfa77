import pytest
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from rules.deid.refusal import refusal
from tests.support.samples import ct

STORAGE = "1.2.840.10008.5.1.4.1.1."


def test_an_ordinary_image_can_be_cleaned():
    assert refusal(ct()) == ""
    assert refusal(ct(BurnedInAnnotation="NO")) == ""


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"BurnedInAnnotation": "YES"}, "text in its pixels"),
        ({"SOPClassUID": STORAGE + "6.1"}, "ultrasound"),
        ({"SOPClassUID": STORAGE + "3.1"}, "ultrasound"),
        ({"SOPClassUID": STORAGE + "7"}, "secondary capture"),
        ({"SOPClassUID": STORAGE + "7.4"}, "secondary capture"),
        ({"SOPClassUID": STORAGE + "77.1.1.1"}, "photograph"),
        ({"SOPClassUID": STORAGE + "104.1"}, "document"),
        ({"SOPClassUID": STORAGE + "88.33"}, "report"),
        ({"SOPClassUID": "1.2.826.0.1.3680043"}, "not known"),
        ({"SOPClassUID": None}, "not known"),
        ({"ConversionType": "WSD"}, "secondary capture"),
        ({"ImageType": ["DERIVED", "SECONDARY", "SCREEN SAVE"]}, "secondary capture"),
        ({"Modality": "US"}, "ultrasound"),
        ({"Modality": "OT"}, "modality"),
        ({"ContentSequence": Sequence([Dataset()])}, "structured content"),
        ({"EncapsulatedDocument": b"%PDF"}, "document"),
    ],
)
def test_what_cannot_be_cleaned(values: dict[str, object], words: str):
    assert words in refusal(ct(**values))


def test_classes_whose_number_begins_alike_are_others():
    assert refusal(ct(SOPClassUID=STORAGE + "30")) == ""
    assert refusal(ct(SOPClassUID=STORAGE + "66.4")) == ""
