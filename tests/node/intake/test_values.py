import struct
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from node.intake.charsets import Charset
from node.intake.syntax import LONG_VRS, SHORT_VRS
from node.intake.values import Context, Element, decode
from node.intake.walker import CAPTURE_MAX
from rules.symbols import element_of, resolve
from rules.unknown import Unknown
from rules.values import convert

LITTLE = Context()
BIG = Context(little=False)
LOOSE = Element('tag["0018,FFF0"]', 0x0018FFF0)
MYSTERY = Element('private["0019,ACME,01"]', 0x00191001, "ACME")


def standard(keyword: str) -> Element:
    tag = element_of(resolve(keyword))
    assert isinstance(tag, int)
    return Element(keyword, tag)


def known(group: int, creator: str, last: int) -> Element:
    return Element(
        f'private["{group:04X},{creator},{last:02X}"]', group << 16 | 0x4500 | last, creator
    )  # in a block of its own


@pytest.mark.parametrize(
    ("keyword", "vr", "raw", "value"),
    [
        ("SliceThickness", b"DS", b"1.25", "1.25"),
        ("SliceThickness", b"DS", b"", ""),
        ("PixelSpacing", b"DS", b" 0.5\\0.50 ", "0.5\\0.50"),
        ("ContrastBolusAgent", b"LO", b"Gd \0", "Gd"),
        ("AdditionalPatientHistory", b"LT", b" a\\ b ", "a\\ b"),
        ("DiffusionBValue", b"FD", struct.pack("<d", 0.1), "0.1"),
        ("RecommendedDisplayFrameRateInFloat", b"FL", struct.pack("<2f", 0.1, 1e20), "0.1\\1e+20"),
        ("SamplesPerPixel", b"US", b"\x01\0\x03\0", "1\\3"),
        ("ReferencePixelX0", b"SL", struct.pack("<l", -5), "-5"),
        ("FileOffsetInContainer", b"UV", struct.pack("<Q", 2**64 - 1), str(2**64 - 1)),
        ("OffendingElement", b"AT", b"\x18\0\x87\x90", "0018,9087"),
        ("OffendingElement", b"AT", b"", ""),
    ],
)
def test_text_as_in_the_header(keyword: str, vr: bytes, raw: bytes, value: str) -> None:
    assert decode(standard(keyword), vr, raw, LITTLE) == value
    assert decode(standard(keyword), b"", raw, LITTLE) == value


@given(st.floats(width=32, allow_nan=False))
def test_a_float_keeps_its_value_in_few_digits(number: float) -> None:
    text = decode(standard("DisplayedZValue"), b"FL", struct.pack(">f", number), BIG)
    assert isinstance(text, str)
    assert struct.pack("<f", float(text)) == struct.pack("<f", number)
    assert len(text) <= len("-1.23456789e-38")


def test_the_vr_in_the_dataset_counts() -> None:
    assert decode(standard("SliceThickness"), b"FD", struct.pack("<d", 2.5), LITTLE) == "2.5"


def test_byte_order() -> None:
    assert decode(standard("SamplesPerPixel"), b"US", b"\0\x03", BIG) == "3"
    # UN holds Little Endian, PS3.5 6.2.2
    assert decode(standard("SamplesPerPixel"), b"UN", b"\x03\0", BIG) == "3"


def test_character_sets() -> None:
    latin = Context(Charset(("ISO_IR 100",)))
    assert decode(standard("ContrastBolusAgent"), b"LO", "Körper".encode("latin-1"), latin) == "Körper"
    name = standard("PhysiciansOfRecord")
    assert decode(name, b"PN", "Müller^A\\B ".encode("latin-1"), latin) == "Müller^A\\B"
    # CS is not affected by the set (PS3.5 6.1.2.3), and is read as well as can be
    assert decode(standard("PatientPosition"), b"CS", "É".encode("latin-1"), LITTLE) == "É"
    chinese = Context(Charset(("GB18030",)))
    assert decode(standard("ContrastBolusAgent"), b"LO", b"\xff\xff", chinese) == Unknown(
        "ContrastBolusAgent is not in the character set that is declared"
    )


@pytest.mark.parametrize(
    ("element", "vr", "raw", "reason"),
    [
        (standard("ContrastBolusAgent"), b"LO", b"x" * CAPTURE_MAX, "is too long"),
        (standard("SamplesPerPixel"), b"US", b"\x01\0\x03", "is not a whole number of values"),
        (standard("SliceThickness"), b"SQ", b"", "is a sequence"),
        (standard("SliceThickness"), b"OB", b"\0", "is binary"),
        (LOOSE, b"OW", b"\0\0", "is binary"),
        (LOOSE, b"SQ", b"", "is a sequence"),
        (LOOSE, b"", b"\0\x01", "is of an unknown type"),
        (MYSTERY, b"UN", b"\xff\xff", "is of an unknown type"),
        (known(0x0019, "SIEMENS MR HEADER", 0x27), b"OB", b"\0", "is binary"),
    ],
)
def test_what_cannot_be_read(element: Element, vr: bytes, raw: bytes, reason: str) -> None:
    assert decode(element, vr, raw, LITTLE) == Unknown(f"{element.name} {reason}")


def test_private_elements_that_are_known() -> None:
    b_value = known(0x0019, "SIEMENS MR HEADER", 0x0C)
    for vr in (b"IS", b"UN", b""):
        assert decode(b_value, vr, b"1000", LITTLE) == "1000"
    fields = known(0x0043, "GEMS_PARM_01", 0x6F)
    assert decode(fields, b"", b"1\\2\\3\\4 ", LITTLE) == "1\\2\\3\\4"


@pytest.mark.parametrize("element", [LOOSE, MYSTERY])
def test_what_no_dictionary_knows_is_what_its_vr_says(element: Element) -> None:
    assert decode(element, b"US", b"\x05\0", LITTLE) == Decimal(5)
    assert decode(element, b"US", b"\x05\0\x06\0", LITTLE) == (Decimal(5), Decimal(6))
    assert decode(element, b"DS", b"1.50", LITTLE) == Decimal("1.50")
    assert decode(element, b"AS", b"006M", LITTLE) == Decimal("0.5")
    assert decode(element, b"DA", b"20240301", LITTLE) == datetime(2024, 3, 1, tzinfo=UTC)
    assert decode(element, b"DT", b"2024", LITTLE) == datetime(2024, 1, 1, tzinfo=UTC)
    assert decode(element, b"TM", b"0130", LITTLE) == timedelta(minutes=90)
    assert decode(element, b"LO", b"17", LITTLE) == "17"
    assert decode(element, b"DS", b"x", LITTLE) == Unknown(f"{element.name} is not a number")
    for vr in (b"US", b"DS", b"DA", b"LO", b"UN", b""):
        assert decode(element, vr, b"", LITTLE) == ""


@pytest.mark.parametrize("element", [LOOSE, MYSTERY])
def test_printable_text_of_an_unknown_type(element: Element) -> None:
    for vr in (b"UN", b""):
        assert decode(element, vr, b"T1 \\ax\0", LITTLE) == "T1\\ax"


@pytest.mark.parametrize(
    ("signed", "raw", "value"),
    [
        (None, b"\x05\0", "5"),
        (False, b"\xff\xff", "65535"),
        (True, b"\xff\xff", "-1"),
        (True, b"\x05\0\xfe\xff", "5\\-2"),
    ],
)
def test_with_or_without_a_sign(signed: bool | None, raw: bytes, value: str) -> None:
    padding = standard("PixelPaddingValue")
    assert decode(padding, b"", raw, Context(signed=signed)) == value
    swapped = bytes(raw[i ^ 1] for i in range(len(raw)))
    assert decode(padding, b"", swapped, Context(signed=signed, little=False)) == value


def test_nothing_says_whether_it_has_a_sign() -> None:
    found = decode(standard("PixelPaddingValue"), b"", b"\x01\xff", LITTLE)
    assert isinstance(found, Unknown)
    assert "sign" in found.reason


ELEMENTS = (
    *(standard(name) for name in ("SliceThickness", "PixelPaddingValue", "PhysiciansOfRecord")),
    *(LOOSE, MYSTERY, known(0x0019, "SIEMENS MR HEADER", 0x0C), known(0x0019, "SIEMENS MR HEADER", 0x27)),
)


@given(
    st.sampled_from(ELEMENTS),
    st.sampled_from([*sorted(SHORT_VRS | LONG_VRS), b"", b"??"]),
    st.binary(max_size=64),
    st.builds(Context, st.just(Charset(("", "ISO 2022 IR 87"))), st.booleans(), st.none() | st.booleans()),
)
def test_never_raises_and_never_quotes(element: Element, vr: bytes, raw: bytes, context: Context) -> None:
    found = decode(element, vr, raw, context)
    assert isinstance(found, str | Unknown | Decimal | datetime | timedelta | tuple)
    convert(resolve(element.name), found)
    if isinstance(found, Unknown):
        assert found.reason.startswith(element.name)
