import io
import struct
import warnings

import pydicom
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom.filereader import read_dataset
from pydicom.multival import MultiValue

from node.intake.files import read_head
from node.intake.header import TEXT_MAX, decode_header
from node.intake.reader import Reader
from node.intake.syntax import BIG_ENDIAN, EXPLICIT, IMPLICIT, encoding_of
from node.intake.walker import Walker
from storage.records.attributes import ATTRIBUTES, BY_TAG
from tests.support.datasets import datasets, encoded
from tests.support.samples import NAMES, ct, encode, named, pydicom_files


def text_of(value: object) -> str:
    if value is None:
        return ""
    values = value if isinstance(value, list | MultiValue) else [value]
    return "\\".join(str(each).strip(" \0") for each in values)


def as_pydicom_reads(dataset: pydicom.Dataset) -> dict[str, str]:
    return {a.keyword: text_of(dataset[a.tag].value) for a in ATTRIBUTES if a.tag in dataset}


def test_a_typical_header():
    walker = Walker()
    walker.feed(encode(ct(7, rows=16)))
    header = decode_header(walker.values)
    assert header.get("SeriesInstanceUID") == "2.25.4711.1.1"
    assert header.get("ImageType") == "ORIGINAL\\PRIMARY\\AXIAL"
    assert header.get("Rows") == "16"
    assert header.get("InstanceNumber") == "7"
    assert header.get("Laterality") == ""
    assert header.doubtful == ()


@pytest.mark.parametrize("path", pydicom_files(), ids=lambda path: path.name)
def test_it_agrees_with_pydicom_on_its_samples(path):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = as_pydicom_reads(pydicom.dcmread(path, force=True))
    try:
        with path.open("rb") as file:
            head = read_head(file)
            reader = Reader(head.transfer_syntax_uid, 1 << 30)
            reader.feed(head.rest + file.read())
    except Exception:
        assert path.name in ("no_meta.dcm", "meta_missing_tsyntax.dcm")
        return
    header = reader.finish()
    assert not header.doubtful
    # A last component group that is empty may be left out (PS3.5 6.2.1.1), and pydicom leaves it out.
    found = {keyword: value.rstrip("=") for keyword, value in header.attributes.items()}
    assert found == {keyword: value.rstrip("=") for keyword, value in expected.items()}


@given(datasets(), st.sampled_from((EXPLICIT, IMPLICIT, BIG_ENDIAN)))
def test_it_agrees_with_pydicom_on_random_datasets(dataset, encoding):
    raw = encoded(dataset, explicit=encoding.explicit, little=encoding.little)
    walker = Walker(encoding)
    walker.feed(raw)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = as_pydicom_reads(read_dataset(io.BytesIO(raw), not encoding.explicit, encoding.little))
    assert decode_header(walker.values, little=encoding.little).attributes == expected


@pytest.mark.parametrize("name", NAMES, ids=lambda name: name.charset)
def test_names_in_their_own_character_set(name):
    walker = Walker()
    walker.feed(named(name))
    header = decode_header(walker.values)
    assert header.get("PatientName") == name.text
    assert not header.doubtful


def test_a_name_in_another_set_than_declared_is_flagged():
    header = decode_header({0x00100010: (b"PN", b"Buc^J\xe9r\xf4me"), 0x00080060: (b"CS", b"CT")})
    assert header.get("PatientName") == "Buc^Jérôme"
    assert header.doubtful == ("PatientName",)


def test_values_are_without_padding_and_not_beyond_the_limit():
    values = {
        0x00080008: (b"CS", b" A \\ B \0"),
        0x00081030: (b"", b"x" * 4096),
        0x00280008: (b"IS", b" 12 "),
        0x00280010: (b"US", b""),
    }
    attributes = decode_header(values).attributes
    assert attributes["ImageType"] == "A\\B"
    assert attributes["StudyDescription"] == "x" * TEXT_MAX
    assert attributes["NumberOfFrames"] == "12"
    assert attributes["Rows"] == ""


@pytest.mark.parametrize(
    ("vr", "raw", "text"),
    [
        (b"", struct.pack("<H", 512), "512"),
        (b"UN", struct.pack("<H", 512), "512"),
        (b"US", struct.pack("<3H", 1, 2, 3), "1\\2\\3"),
        (b"SS", struct.pack("<h", -1), "-1"),
        (b"UL", struct.pack("<L", 70000), "70000"),
        (b"FD", struct.pack("<d", 0.5), "0.5"),
        (b"IS", b"512 ", "512"),
        (b"US", b"\1", ""),
    ],
)
def test_numbers_in_whatever_vr_they_come(vr, raw, text):
    assert decode_header({0x00280010: (vr, raw)}).get("Rows") == text


@given(
    st.dictionaries(
        st.sampled_from([*BY_TAG, 0x00080005]),
        st.tuples(st.sampled_from(b" US SS FD FL UN PN LO UI OB SQ".split(b" ")), st.binary(max_size=40)),
    ),
    st.booleans(),
)
def test_any_values_are_read(values, little):
    for keyword, text in decode_header(values, little=little).attributes.items():
        assert isinstance(text, str), keyword


def test_the_encoding_of_compressed_syntaxes_is_explicit():
    assert encoding_of("1.2.840.10008.1.2.4.90") is EXPLICIT
