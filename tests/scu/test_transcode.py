"""An instance in another transfer syntax: every one of pydicom's files, streams, bounds."""

import struct
import warnings
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset
from pydicom.pixels import pixel_array
from pydicom.uid import UID

from scu.store import Outgoing
from scu.transcode import (
    BIG_ENDIAN,
    DEFLATED,
    EXPLICIT,
    IMPLICIT,
    TARGETS,
    CannotTranscode,
    possible,
    transcode,
    transcoded,
)
from scu.transcoding.pixels import DECODABLE
from scu.wire.link import Buffer
from tests.scu.transcoding.test_convert import dataset_of, parsed
from tests.scu.transcoding.test_deflate import inflate
from tests.support.samples import CT_CLASS, ct, encode, pydicom_files

JPEG = "1.2.840.10008.1.2.4.50"
MPEG = "1.2.840.10008.1.2.4.102"


def whole(data: bytes, source: str, target: str) -> Dataset:
    made = b"".join(transcode([data], source, target))
    if target == DEFLATED:
        return parsed(b"".join(inflate([made], 1 << 30)), EXPLICIT)
    return parsed(made, target)


def files() -> Iterator[tuple[Path, bytes, str]]:
    """Every file that pydicom reads to its end, if it is of a transfer syntax that can be had otherwise."""
    for path in pydicom_files():
        try:
            pydicom.dcmread(path).walk(lambda dataset, element: None)
            data, syntax = dataset_of(path)
        except Exception:  # not DICOM, or broken on purpose
            continue
        if possible(syntax, EXPLICIT):
            yield path, data, syntax


CANNOT = {
    # codestreams and lengths that are broken on purpose
    "JPEG2000-embedded-sequence-delimiter.dcm",
    "MR_truncated.dcm",
    "rtplan_truncated.dcm",
    "DICOMDIR-nooffset",
}


@pytest.mark.parametrize("target", [EXPLICIT, IMPLICIT, DEFLATED])
def test_every_sample_means_the_same_in_another_syntax(target: str) -> None:
    seen = 0
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for path, data, syntax in files():
            if path.name in CANNOT:
                with pytest.raises(CannotTranscode):
                    transcode([data], syntax, target if target != syntax else BIG_ENDIAN)
                continue
            before, after = pydicom.dcmread(path), whole(data, syntax, target)
            check_same(before, after, path.name)
            if UID(syntax).is_compressed and "PixelData" in before:
                check_pixels(before, after, path.name)
            seen += 1
    assert seen > 100


def check_same(before: Dataset, after: Dataset, name: str) -> None:
    for element in before:
        if element.tag.element == 0 or element.tag in (0x00280004, 0x00280006, 0x7FE00010):
            continue
        made = after[element.tag]
        if element.VR == "SQ":
            assert len(made.value) == len(element.value), (name, element.tag)
            for item, again in zip(element.value, made.value, strict=True):
                check_same(item, again, name)
        elif isinstance(element.value, bytes):
            assert made.value.rstrip(b"\0") == element.value.rstrip(b"\0"), (name, element.tag)
        elif element.VR == made.VR:
            assert made.value == element.value, (name, element.tag)


def check_pixels(before: Dataset, after: Dataset, name: str) -> None:
    after.file_meta = pydicom.dataset.FileMetaDataset()
    after.file_meta.TransferSyntaxUID = EXPLICIT
    if before.file_meta.TransferSyntaxUID.name.startswith("JPEG Extended"):
        return  # test_gdcm12.py
    assert (pixel_array(after) == pixel_array(before)).all(), name
    assert after.get("PlanarConfiguration", 0) == 0
    assert after.PhotometricInterpretation in ("MONOCHROME2", "RGB"), name


def test_what_is_possible() -> None:
    for native in TARGETS:
        assert all(possible(native, target) for target in TARGETS)
        assert not possible(native, JPEG)
    for compressed in DECODABLE:
        assert possible(compressed, compressed)
        assert [possible(compressed, target) for target in TARGETS] == [True, True, True, False]
    assert not possible(MPEG, EXPLICIT)
    assert possible(MPEG, MPEG)


def test_the_impossible_is_said_to_be() -> None:
    with pytest.raises(CannotTranscode, match="no way"):
        transcode([b""], MPEG, EXPLICIT)


def test_a_sign_that_is_told_late_counts() -> None:
    dataset = Dataset()
    dataset.MappedPixelValue = 5  # (0022,1452)
    dataset.PixelRepresentation = 1
    assert whole(encode(dataset, IMPLICIT), IMPLICIT, EXPLICIT)[0x0022, 0x1452].VR == "SS"
    dataset.PixelRepresentation = 0
    assert whole(encode(dataset, IMPLICIT), IMPLICIT, EXPLICIT)[0x0022, 0x1452].VR == "US"


def outgoing(data: bytes, syntax: str, cut: int = 1 << 20) -> Outgoing:
    def chunks() -> Iterator[Buffer]:
        return (data[begin : begin + cut] for begin in range(0, len(data), cut))

    return Outgoing(CT_CLASS, "1.2.3", syntax, len(data), chunks)


@pytest.mark.parametrize("target", TARGETS)
def test_an_outgoing_instance_says_its_new_size(target: str) -> None:
    made = transcoded(outgoing(encode(ct(), IMPLICIT), IMPLICIT), target)
    assert made.transfer_syntax_uid == target
    for _ in range(2):  # it may be asked for again
        assert sum(len(piece) for piece in made.chunks()) == made.size


def test_a_large_native_instance_streams(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("scu.transcode._WHOLE_MAX", 1000)
    reads = []
    data = encode(ct(rows=512), IMPLICIT)
    large = outgoing(data, IMPLICIT, cut=70_001)
    original = large.chunks
    object.__setattr__(large, "chunks", lambda: reads.append(1) or original())
    made = transcoded(large, EXPLICIT)
    pieces = list(made.chunks())
    assert b"".join(pieces) == encode(ct(rows=512), EXPLICIT)
    assert sum(len(piece) for piece in pieces) == made.size
    assert len(reads) == 2  # once to measure, once to send
    assert max(len(piece) for piece in pieces) <= 1 << 20


def test_a_large_instance_in_big_endian_streams_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("scu.transcode._WHOLE_MAX", 1000)
    data = b"".join(transcode([encode(ct(rows=64), EXPLICIT)], EXPLICIT, BIG_ENDIAN))
    made = transcoded(outgoing(data, BIG_ENDIAN, cut=777), EXPLICIT)
    assert b"".join(made.chunks()) == encode(ct(rows=64), EXPLICIT)


def test_small_pieces_are_joined() -> None:
    assert len(transcode([encode(ct(), IMPLICIT)], IMPLICIT, EXPLICIT)) == 1


def test_a_bomb_is_not_inflated_beyond_the_limit() -> None:
    bomb = b"".join(
        transcode([struct.pack("<HHL", 0x7FE0, 0x10, 64 << 20) + bytes(64 << 20)], IMPLICIT, DEFLATED)
    )
    assert len(bomb) < 100_000
    with pytest.raises(CannotTranscode, match="more than"):
        transcoded(outgoing(bomb, DEFLATED), IMPLICIT, limit=1 << 20)


def test_pixels_beyond_the_limit_are_not_decoded() -> None:
    path = pydicom.data.get_testdata_file("MR_small_RLE.dcm")
    data, syntax = dataset_of(path)
    with pytest.raises(CannotTranscode, match="8191 is the limit"):
        transcode([data], syntax, EXPLICIT, limit=64 * 64 * 2 - 1)
    assert len(whole(data, syntax, EXPLICIT).PixelData) == 64 * 64 * 2


def test_an_instance_whose_bytes_alone_exceed_the_limit_is_not_read() -> None:
    huge = Outgoing(CT_CLASS, "1.2.3", JPEG, 10 << 30, lambda: iter([np.zeros(1)]))  # type: ignore[arg-type]
    with pytest.raises(CannotTranscode, match="is the limit"):
        transcoded(huge, EXPLICIT)
