import warnings

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom.charset import convert_encodings, decode_bytes

from node.intake.charsets import Charset, charset_of
from tests.support.samples import NAMES

TERMS = [
    "",
    "ISO_IR 6",
    "ISO_IR 100",
    "ISO_IR 101",
    "ISO_IR 109",
    "ISO_IR 110",
    "ISO_IR 144",
    "ISO_IR 127",
    "ISO_IR 126",
    "ISO_IR 138",
    "ISO_IR 148",
    "ISO_IR 203",
    "ISO_IR 166",
    "ISO_IR 13",
    "ISO_IR 192",
    "GB18030",
    "GBK",
    "ISO 2022 IR 6",
    "ISO 2022 IR 87",
    "ISO 2022 IR 159",
    "ISO 2022 IR 149",
    "ISO 2022 IR 58",
]


@pytest.mark.parametrize("name", NAMES, ids=lambda name: name.charset)
def test_a_name_in_each_set(name):
    assert charset_of(name.charset.encode()).decode(name.encoded, name=True) == (name.text, True)


def test_the_examples_of_the_standard_in_japanese_single_byte():
    # PS3.5 H.3.2
    charset = charset_of(b"ISO 2022 IR 13\\ISO 2022 IR 87")
    raw = (
        b"\xd4\xcf\xc0\xde^\xc0\xdb\xb3=\x1b$B;3ED\x1b(J^\x1b$BB@O:\x1b(J"
        b"=\x1b$B$d$^$@\x1b(J^\x1b$B$?$m$&\x1b(J"
    )
    assert charset.decode(raw, name=True) == ("ﾔﾏﾀﾞ^ﾀﾛｳ=山田^太郎=やまだ^たろう", True)


def test_single_byte_extensions_and_their_end_at_a_delimiter():
    charset = charset_of(b"ISO 2022 IR 100\\ISO 2022 IR 144\\ISO 2022 IR 126")
    raw = b"\xe9 \x1b-L\xbf\xe0 \x1b-F\xc1\\\xe9\x1b-L\xbf^\xbf"
    assert charset.decode(raw) == ("é Пр Α\\éП^П", True)
    assert charset.decode(raw, name=True) == ("é Пр Α\\éП^¿", True)


def test_ascii_in_g0_leaves_g1_alone():
    charset = charset_of(b"\\ISO 2022 IR 87\\ISO 2022 IR 144")
    assert charset.decode(b"\x1b-L\xbf\x1b$B;3\x1b(B\xe0") == ("П山р", True)
    assert charset.decode(b"\x1b-L\x1b$B;3\xbf;3") == ("山П山", True)


def test_supplementary_kanji_and_simplified_chinese():
    assert charset_of(b"\\ISO 2022 IR 159").decode("丂".encode("iso2022_jp_2")) == ("丂", True)
    raw = b"\x1b$)A" + "王".encode("gb2312") + b"\r\n\x1b$)A" + "小".encode("gb2312")
    assert charset_of(b"\\ISO 2022 IR 58").decode(raw) == ("王\r\n小", True)


def test_a_backslash_as_second_byte_is_no_delimiter():
    assert charset_of(b"GB18030").decode(b"\x81\x5c\\\x81\x5e", name=True) == ("乗\\乛", True)


@pytest.mark.parametrize(
    "misspelt", [b"ISO_IR_100", b"ISO-IR 100", b"iso_ir 100", b"ISO IR 100", b"ISO_IR100", b"ISO_IR 100\0 "]
)
def test_misspelt_terms_are_understood(misspelt):
    assert charset_of(misspelt).decode(b"J\xe9r\xf4me") == ("Jérôme", True)


@pytest.mark.parametrize("declared", [b"", b"ISO_IR 6", b"NONSENSE", b"ISO_IR 999", b"\xff\xfe", b"x" * 1000])
def test_without_a_set_that_fits_text_is_read_as_well_as_it_can_be(declared):
    charset = charset_of(declared)
    assert charset.decode(b"plain") == ("plain", True)
    assert charset.decode("Jérôme".encode()) == ("Jérôme", False)
    assert charset.decode(b"J\xe9r\xf4me") == ("Jérôme", False)


def test_bytes_that_are_not_of_the_declared_set():
    assert charset_of(b"ISO_IR 192").decode(b"J\xe9r\xf4me") == ("J\ufffdr\ufffdme", False)
    assert charset_of(b"ISO_IR 127").decode("Jérôme".encode()) == ("Jérôme", False)
    assert charset_of(b"\\ISO 2022 IR 87").decode(b"\x1b$B\x7f\x7f\x7f\x1b(B")[1] is False
    assert charset_of(b"\\ISO 2022 IR 87").decode(b"\x1b%/1abc")[1] is False


@pytest.mark.parametrize("name", NAMES, ids=lambda name: name.charset)
def test_it_agrees_with_pydicom(name):
    codecs = convert_encodings(name.terms)
    assert decode_bytes(name.encoded, codecs, {0x5C, 0x5E, 0x3D}) == name.text
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert Charset(tuple(name.terms)).decode(name.encoded, name=True)[0] == name.text


@given(st.lists(st.sampled_from(TERMS), max_size=4), st.binary(max_size=60), st.booleans())
def test_anything_is_read(terms, raw, is_name):
    text, sure = Charset(tuple(terms)).decode(raw, is_name)
    assert isinstance(text, str)
    assert sure in (True, False)


ESCAPES = [b"\x1b$B", b"\x1b(B", b"\x1b(J", b"\x1b-L", b"\x1b$)C", b"\x1b)I", b"\x1b$(D", b"\x1b$)A", b"\x1b"]


@given(
    st.lists(st.sampled_from(TERMS), max_size=4),
    st.lists(st.sampled_from(ESCAPES) | st.binary(max_size=6), max_size=12),
    st.booleans(),
)
def test_any_escapes_are_read(terms, parts, is_name):
    text, _sure = Charset(tuple(terms)).decode(b"".join(parts), is_name)
    assert isinstance(text, str)


@given(st.binary(max_size=80))
def test_any_declaration_is_understood_or_flagged(raw):
    assert charset_of(raw).decode(b"abc")[0] == "abc"
