import pytest
from pydicom.datadict import dictionary_VR, tag_for_keyword

from rules.symbols import FIXED, Kind, NotASymbol, On, element_of, keywords, private_name, resolve, tag_name


@pytest.mark.parametrize(
    ("name", "kind", "many", "vr"),
    [
        ("Modality", Kind.TEXT, False, "CS"),
        ("ImageType", Kind.TEXT, True, "CS"),
        ("PatientName", Kind.TEXT, False, "PN"),
        ("Rows", Kind.NUMBER, False, "US"),
        ("PixelSpacing", Kind.NUMBER, True, "DS"),
        ("PatientAge", Kind.NUMBER, False, "AS"),
        ("StudyDate", Kind.MOMENT, False, "DA"),
        ("AcquisitionDateTime", Kind.MOMENT, False, "DT"),
        ("StudyTime", Kind.TIME, False, "TM"),
        ("SmallestImagePixelValue", Kind.NUMBER, False, "US"),  # US or SS
        ("origin.path", Kind.TEXT, True, ""),
        ("series.complete", Kind.TRUTH, False, ""),
        ('tag["0021,0010"]', Kind.ANY, False, ""),
        ('private["0019,SIEMENS MR HEADER,0C"]', Kind.NUMBER, False, "IS"),
        ('private["0099,NOBODY,01"]', Kind.ANY, False, ""),
    ],
)
def test_types(name, kind, many, vr):
    symbol = resolve(name)
    assert (symbol.name, symbol.kind, symbol.many, symbol.vr) == (name, kind, many, vr)


@pytest.mark.parametrize(
    ("name", "message", "expected"),
    [
        ("Modalit", "unknown attribute Modalit", "Modality"),
        ("modality", "unknown attribute modality", "Modality"),
        ("PixelData", "PixelData is binary (VR OB or OW)", "an attribute with"),
        ("RequestAttributesSequence", "RequestAttributesSequence is a sequence (VR SQ)", "an attribute with"),
        ("qqqqq", "unknown attribute qqqqq", "a keyword of PS3.6"),
        ("", "unknown attribute ", ""),
    ],
)
def test_no_symbols(name, message, expected):
    with pytest.raises(NotASymbol) as caught:
        resolve(name)
    assert str(caught.value) == message
    assert expected in caught.value.expected


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("0008,0060", "Modality"),
        ("(0008,0060)", "Modality"),
        ("00080060", "Modality"),
        ("0018,9087", "DiffusionBValue"),
        ("6000,0010", 'tag["6000,0010"]'),  # OverlayRows does not lead back to it
        ("0008,fffe", 'tag["0008,FFFE"]'),
    ],
)
def test_tags(text, name):
    assert tag_name(text) == name
    resolve(name)


@pytest.mark.parametrize("text", ["", "0008", "0008,00", "x", "0009,0010", "0008,0060,1"])
def test_no_tags(text):
    with pytest.raises(NotASymbol):
        tag_name(text)


def test_private():
    name = private_name(" 0019, SIEMENS MR HEADER ,0c ")
    assert name == private_name("0019,SIEMENS MR HEADER,xx0C") == 'private["0019,SIEMENS MR HEADER,0C"]'


@pytest.mark.parametrize("text", ["", "0019,,0C", '0019,A"B,0C', "0019,A,0CC", "19,A,0C"])
def test_no_private(text):
    with pytest.raises(NotASymbol):
        private_name(text)


def test_private_groups_are_odd():
    with pytest.raises(NotASymbol, match="group 0018 is not private"):
        resolve('private["0018,ACME,0C"]')


def test_elements():
    assert element_of(resolve("Modality")) == 0x00080060
    assert element_of(resolve('tag["6000,0010"]')) == 0x60000010
    assert element_of(resolve('private["0019,A,B,0C"]')) == (0x19, "A,B", 0x0C)
    assert element_of(resolve("labels")) is None


def test_every_keyword_is_a_symbol_or_no_value():
    refused = {dictionary_VR(tag_for_keyword(name)) for name in keywords() if not usable(name)}
    assert refused <= {
        "SQ",
        "OB",
        "OW",
        "OB or OW",
        "OD",
        "OF",
        "OL",
        "OV",
        "UN",
        "NONE",
        "US or OW",
        "US or SS or OW",
    }


def usable(name):
    if tag_for_keyword(name) is None:  # of a repeating group
        return True
    try:
        return resolve(name).name == name
    except NotASymbol as error:
        return not error.expected


def test_every_fact_says_what_it_is():
    assert all(symbol.about and symbol.on <= frozenset(On) for symbol in FIXED.values())
