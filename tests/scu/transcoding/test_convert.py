"""Element by element: against dcmtk's dcmconv byte for byte, against pydicom by value; what is refused."""

import contextlib
import io
import struct
import subprocess
from pathlib import Path

import pydicom
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom.data import get_testdata_file
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from scu.transcoding import facts as fact
from scu.transcoding.convert import DEPTH_MAX, Conversion, Decoded, Encoding
from scu.transcoding.source import CannotTranscode
from tests.support.datasets import datasets, encoded, mutated
from tests.support.dcmtk import tool
from tests.support.samples import BIG_ENDIAN, EXPLICIT, IMPLICIT, ct, encode

ENCODINGS = {
    IMPLICIT: Encoding(implicit=True),
    EXPLICIT: Encoding(implicit=False),
    BIG_ENDIAN: Encoding(implicit=False, big=True),
}
OPTIONS = {IMPLICIT: "+ti", EXPLICIT: "+te", BIG_ENDIAN: "+tb"}
FILES = (
    "CT_small.dcm",
    "MR_small_bigendian.dcm",
    "MR_small_implicit.dcm",
    "rtdose.dcm",
    "rtdose_expb.dcm",
    "rtplan.dcm",
    "waveform_ecg.dcm",
    "examples_overlay.dcm",
    "examples_palette.dcm",
    "nested_priv_SQ.dcm",
    "priv_SQ.dcm",
    "SC_rgb_small_odd_big_endian.dcm",
    "reportsi.dcm",
    "liver_expb_1frame.dcm",
)


def converted(data: bytes, source: str, target: str) -> bytes:
    return b"".join(Conversion([data], ENCODINGS[source], ENCODINGS[target]).run())


def dataset_of(path: str | Path) -> tuple[bytes, str]:
    meta = pydicom.filereader.read_file_meta_info(path)
    return Path(path).read_bytes()[144 + meta.FileMetaInformationGroupLength :], meta.TransferSyntaxUID


def parsed(data: bytes, syntax: str) -> Dataset:
    buffer = io.BytesIO(data)
    return pydicom.filereader.read_dataset(
        pydicom.filebase.DicomFileLike(buffer), syntax == IMPLICIT, syntax != BIG_ENDIAN
    )


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("target", OPTIONS)
def test_the_same_bytes_as_dcmconv(name: str, target: str, tmp_path: Path) -> None:
    path = get_testdata_file(name)
    data, source = dataset_of(path)
    if source not in ENCODINGS or source == target:
        return
    made = tmp_path / "made.dcm"
    # -g: without group lengths; -e: sequences of undefined length
    subprocess.run([tool("dcmconv"), "-g", "-e", OPTIONS[target], path, str(made)], check=True)
    assert converted(data, source, target) == dataset_of(made)[0]


@pytest.mark.parametrize("target", OPTIONS)
@pytest.mark.parametrize("source", OPTIONS)
def test_there_and_back_is_the_same(source: str, target: str) -> None:
    data = encode(ct(rows=8), source)
    assert converted(converted(data, source, target), target, source) == data


def test_a_private_element_whose_vr_nobody_knows_stays_un() -> None:
    data = struct.pack("<HHL8s", 0x0009, 0x0010, 8, b"STRANGER") + struct.pack(
        "<HHL4s", 9, 0x1001, 4, b"abcd"
    )
    made = parsed(converted(data, IMPLICIT, EXPLICIT), EXPLICIT)
    assert made[0x0009, 0x0010].value == "STRANGER"
    assert (made[0x0009, 0x1001].VR, made[0x0009, 0x1001].value) == ("UN", b"abcd")


def test_a_private_element_is_known_by_the_creator_of_its_own_item() -> None:
    inner = Dataset()
    block = inner.private_block(0x0009, "GEMS_IDEN_01", create=True)
    block.add_new(0x01, "LO", "X")
    outer = Dataset()
    outer.private_block(0x0009, "STRANGER", create=True).add_new(0x01, "LO", "Y")
    outer.ReferencedStudySequence = Sequence([inner])
    made = parsed(converted(encode(outer, IMPLICIT), IMPLICIT, EXPLICIT), EXPLICIT)
    assert made[0x0009, 0x1001].VR == "UN"
    assert made.ReferencedStudySequence[0][0x0009, 0x1001].VR == "LO"


def test_un_of_undefined_length_is_a_sequence_in_implicit_vr() -> None:
    item = struct.pack("<HHL", 0xFFFE, 0xE000, 0xFFFFFFFF) + struct.pack("<HHL4s", 0x10, 0x10, 4, b"Doe^")
    item += struct.pack("<HHLHHL", 0xFFFE, 0xE00D, 0, 0xFFFE, 0xE0DD, 0)
    data = struct.pack("<HH2sxxL", 0x0009, 0x1001, b"UN", 0xFFFFFFFF) + item
    made = parsed(converted(data, EXPLICIT, BIG_ENDIAN), BIG_ENDIAN)
    assert made[0x0009, 0x1001].value[0].PatientName == "Doe^"
    assert converted(data, EXPLICIT, IMPLICIT)[8:] == item


def test_a_value_too_long_for_its_vr_becomes_un() -> None:
    value = b"1\\" * 40000
    data = struct.pack("<HHL", 0x0028, 0x0009, len(value)) + value
    made = converted(data, IMPLICIT, EXPLICIT)
    assert made[4:6] == b"UN"
    assert struct.unpack_from("<L", made, 8)[0] == len(value)
    assert made[12:] == value


def test_group_lengths_are_dropped() -> None:
    data = struct.pack("<HHLL", 0x0008, 0x0000, 4, 999) + struct.pack("<HHL2s", 0x0008, 0x0060, 2, b"CT")
    assert converted(data, IMPLICIT, EXPLICIT) == struct.pack("<HH2sH2s", 8, 0x60, b"CS", 2, b"CT")


def test_empty_sequences_and_items_stay_empty() -> None:
    dataset = Dataset()
    dataset.ReferencedStudySequence = Sequence([])
    dataset.ReferencedSeriesSequence = Sequence([Dataset()])
    made = parsed(converted(encode(dataset, EXPLICIT), EXPLICIT, IMPLICIT), IMPLICIT)
    assert len(made.ReferencedStudySequence) == 0
    assert len(made.ReferencedSeriesSequence) == 1


def test_odd_values_are_padded() -> None:
    data = struct.pack("<HH2sH3s", 0x10, 0x10, b"PN", 3, b"Doe") + struct.pack(
        "<HH2sH3s", 0x20, 0xD, b"UI", 3, b"1.2"
    )
    made = converted(data, EXPLICIT, IMPLICIT)
    assert made == struct.pack("<HHL4s", 0x10, 0x10, 4, b"Doe ") + struct.pack(
        "<HHL4s", 0x20, 0xD, 4, b"1.2\0"
    )


def test_a_large_value_streams_without_a_copy_and_swaps_across_pieces() -> None:
    pixels = bytes(range(256)) * (3 << 12) + b"\x01\x02"
    data = struct.pack("<HH2sxxL", 0x7FE0, 0x10, b"OW", len(pixels)) + pixels
    cut = [data[begin : begin + 1001] for begin in range(0, len(data), 1001)]
    made = b"".join(Conversion(cut, ENCODINGS[EXPLICIT], ENCODINGS[BIG_ENDIAN]).run())
    swapped = bytearray(pixels)
    swapped[0::2], swapped[1::2] = pixels[1::2], pixels[0::2]
    assert made[12:] == swapped


def test_a_data_set_that_only_says_that_it_is_explicit_is_read_as_it_is() -> None:
    data, _ = dataset_of(get_testdata_file("SC_rgb_jpeg.dcm"))
    head = data[: data.index(b"\xe0\x7f\x10\x00")]
    made = parsed(converted(head, EXPLICIT, EXPLICIT), EXPLICIT)
    assert (made.Rows, made.PhotometricInterpretation) == (256, "RGB")


def test_a_guess_about_the_sign_is_told() -> None:
    dataset = Dataset()
    dataset.MappedPixelValue = 5  # (0022,1452), before Pixel Representation
    dataset.PixelRepresentation = 1
    conversion = Conversion([encode(dataset, IMPLICIT)], ENCODINGS[IMPLICIT], ENCODINGS[EXPLICIT])
    list(conversion.run())
    assert conversion.guessed
    assert conversion.facts[fact.PIXEL_REPRESENTATION] == 1


def nested(levels: int) -> bytes:
    begin = struct.pack("<HHL", 0x0008, 0x1140, 0xFFFFFFFF) + struct.pack("<HHL", 0xFFFE, 0xE000, 0xFFFFFFFF)
    end = struct.pack("<HHLHHL", 0xFFFE, 0xE00D, 0, 0xFFFE, 0xE0DD, 0)
    return begin * levels + end * levels


def test_nesting_is_followed_to_a_depth() -> None:
    assert converted(converted(nested(DEPTH_MAX), IMPLICIT, EXPLICIT), EXPLICIT, IMPLICIT) == nested(
        DEPTH_MAX
    )
    for levels in (DEPTH_MAX + 1, 100_000):
        with pytest.raises(CannotTranscode, match="nested deeper"):
            converted(nested(levels), IMPLICIT, EXPLICIT)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (struct.pack("<HHL", 0x10, 0x10, 100) + b"short", "ends within"),
        (struct.pack("<HHL", 0xFFFE, 0xE00D, 0), "delimiter"),
        (struct.pack("<HHLHHL", 8, 0x1140, 8, 0x10, 0x10, 0), "no item"),
        (
            struct.pack("<HHLHHLHHL", 8, 0x1140, 16, 0xFFFE, 0xE000, 8, 0x10, 0x10, 50) + bytes(50),
            "longer than",
        ),
        (struct.pack("<HHLHHL", 8, 0x1140, 4, 0xFFFE, 0xE000, 0), "longer than"),
        (struct.pack("<HHL", 0x10, 0x10, 0xFFFFFFFF), "has no length"),
    ],
)
def test_what_is_broken_is_refused_in_words(data: bytes, words: str) -> None:
    with pytest.raises(CannotTranscode, match=words):
        converted(data, IMPLICIT, EXPLICIT)


def test_an_element_without_vr_is_refused() -> None:
    data = struct.pack("<HH2sH2s", 8, 0x60, b"CS", 2, b"CT") + struct.pack("<HH4s", 8, 0x70, b"\0\1\2\3")
    with pytest.raises(CannotTranscode, match=r"\(0008,0070\) has no VR"):
        converted(data, EXPLICIT, IMPLICIT)


@given(st.binary(max_size=200), st.sampled_from(sorted(OPTIONS)), st.sampled_from(sorted(OPTIONS)))
def test_any_bytes_are_converted_or_refused(data: bytes, source: str, target: str) -> None:
    try:
        made = converted(data, source, target)
    except CannotTranscode:
        return
    assert isinstance(made, bytes)


@given(
    mutated([encode(ct(rows=2)), encode(ct(rows=2), IMPLICIT), nested(3)]), st.sampled_from(sorted(OPTIONS))
)
def test_data_sets_that_were_tampered_with_too(data: bytes, source: str) -> None:
    for target in OPTIONS:
        with contextlib.suppress(CannotTranscode):
            converted(data, source, target)


@given(datasets(), st.booleans())
def test_random_data_sets_mean_the_same(dataset: Dataset, explicit: bool) -> None:
    source = EXPLICIT if explicit else IMPLICIT
    data = encoded(dataset, explicit=explicit)
    for target in OPTIONS:
        made = converted(data, source, target)
        assert converted(made, target, IMPLICIT) == converted(data, source, IMPLICIT)


def compressed() -> bytes:
    dataset = ct(
        rows=8, SamplesPerPixel=3, BitsAllocated=8, PhotometricInterpretation="YBR_RCT", PixelData=None
    )
    tail = struct.pack("<HH2sxxL", 0x7FE0, 0x0001, b"OV", 8) + bytes(8)
    tail += struct.pack("<HH2sxxL", 0x7FE0, 0x0010, b"OB", 0xFFFFFFFF)
    tail += struct.pack(
        "<HHLHHL4sHHL", 0xFFFE, 0xE000, 0, 0xFFFE, 0xE000, 4, b"\xff\x4f\xff\x51", 0xFFFE, 0xE0DD, 0
    )
    return encode(dataset) + tail


def test_what_a_decoder_finds_is_written_into_the_header() -> None:
    seen = []

    def decode(facts: fact.Facts, offsets: dict[int, bytes], value: list[bytes]) -> Decoded:
        seen.append((facts[fact.ROWS], facts.photometric, dict(offsets), b"".join(value)))
        return Decoded([b"abc", b"de"], "RGB")

    conversion = Conversion([compressed()], ENCODINGS[EXPLICIT], ENCODINGS[EXPLICIT], decode=decode)
    made = parsed(b"".join(list(conversion.run())), EXPLICIT)
    fragments = struct.pack("<HHLHHL4s", 0xFFFE, 0xE000, 0, 0xFFFE, 0xE000, 4, b"\xff\x4f\xff\x51")
    assert seen == [(8, "YBR_RCT", {fact.OFFSETS: bytes(8)}, fragments)]
    assert made.PixelData == b"abcde\0"
    assert made["PixelData"].VR == "OB"
    assert made.PhotometricInterpretation == "RGB"
    assert made.PlanarConfiguration == 0  # which was not there
    assert 0x7FE00001 not in made


def test_compressed_pixel_data_without_a_decoder_is_refused() -> None:
    with pytest.raises(CannotTranscode, match="7FE0,0010"):
        converted(compressed(), EXPLICIT, IMPLICIT)
