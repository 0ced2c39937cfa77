"""Skimming gives the walker's answers, whatever was seen before."""

import copy
from collections.abc import Iterable, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom.dataset import Dataset

from node.intake import skimmer
from node.intake.errors import Malformed
from node.intake.files import read_head
from node.intake.further import Further
from node.intake.header import decode_header
from node.intake.outline import outline
from node.intake.shapes import Shapes
from node.intake.skimmer import Skimmer
from node.intake.syntax import BIG_ENDIAN, EXPLICIT, IMPLICIT, Encoding, encoding_of
from node.intake.walker import Walker
from rules.facts import Needs, needs
from tests.support import samples
from tests.support.datasets import datasets, encoded, mutated, pieces
from tests.support.samples import ct, encode, pydicom_files

ENCODINGS = (EXPLICIT, IMPLICIT, BIG_ENDIAN)
NAMES = ("SliceThickness", "KVP", 'private["0019,ACME,0C"]', 'private["0019,ACME,30"]', 'tag["0019,1020"]')
WANTED = needs(NAMES)
Answer = tuple[object, ...]


def run(reader: Walker | Skimmer, parts: Iterable[bytes]) -> str:
    try:
        for part in parts:
            reader.feed(part)
        reader.finish()
    except Malformed as error:
        return str(error)
    return ""


def walked(parts: Sequence[bytes], encoding: Encoding, wanted: Needs | None = None) -> Answer:
    further = Further(wanted) if wanted else None
    walker = Walker(encoding, further)
    problem = run(walker, parts)
    header = decode_header(walker.values, little=encoding.little)
    found = further.decode(little=encoding.little) if further else {}
    return problem, walker.values, header, found, problem or walker.reached


def skimmed(parts: Sequence[bytes], encoding: Encoding, wanted: Needs | None = None) -> Answer:
    further = Further(wanted) if wanted else None
    skimmer = Skimmer(encoding, further)
    problem = run(skimmer, parts)
    found = further.decode(little=encoding.little) if further else {}
    return problem, skimmer.values, skimmer.header(), found, problem or skimmer.reached


@pytest.fixture(autouse=True)
def _fresh():
    with pytest.MonkeyPatch.context() as patch:
        forget(patch)
        yield


def forget(patch: pytest.MonkeyPatch) -> None:
    shapes = {explicit: Shapes(explicit=explicit) for explicit in (True, False)}
    patch.setattr(skimmer, "_SHAPES", shapes)


def scan(**values: object) -> Dataset:
    """A CT with private blocks, and sequences of either length."""
    dataset = ct(rows=4, **{"KVP": "120", "PatientName": "Wałęsa", **values})
    block = dataset.private_block(0x0019, "ACME", create=True)
    block.add_new(0x0C, "LO", "of use")
    block.add_new(0x20, "OB", bytes(400))
    block.add_new(0x30, "SQ", [Dataset()])
    inner, outer = Dataset(), Dataset()
    inner.CodeValue = "1"
    outer.PurposeOfReferenceCodeSequence = [inner, inner]
    outer.ReferencedSOPInstanceUID = "1.2.3"
    dataset.ReferencedImageSequence = [outer, copy.deepcopy(outer)]
    dataset.ReferencedImageSequence[1].is_undefined_length_sequence_item = True
    dataset["ReferencedImageSequence"].is_undefined_length = True
    return dataset


SERIES = {
    EXPLICIT: [encode(scan()), encode(scan(PatientName="B", KVP="80.5", SliceThickness="0.625"))],
    IMPLICIT: [
        encode(each, samples.IMPLICIT)
        for each in (scan(), scan(PatientName="B", KVP="80.5", SliceThickness="0.625"))
    ],
    BIG_ENDIAN: [encode(scan(), samples.BIG_ENDIAN)],
}


def test_a_series_is_skimmed():
    series = [encode(ct(number, rows=4, ImageComments="x" * (number % 3))) for number in range(9)]
    assert [skimmed([each], EXPLICIT) for each in series] == [walked([each], EXPLICIT) for each in series]
    reader = Skimmer(EXPLICIT)
    reader.feed(memoryview(series[0]))
    assert reader._walker is None


def test_bytes_behind_what_is_known():
    data = encode(ct(rows=4))
    for tail in (
        b"",
        b"x",
        bytes(7),
        bytes(100),
        bytes(100) + b"x",
        data[:8],
        b"\xfc\xff\xfc\xffOB\0\0\4\0\0\0" + bytes(4),
    ):
        assert skimmed([data + tail], EXPLICIT) == walked([data + tail], EXPLICIT)
        for at in range(len(data) - 20, len(data)):
            parts = [data[:at], data[at:], tail]
            assert skimmed(parts, EXPLICIT) == walked(parts, EXPLICIT)


def test_nothing_and_next_to_nothing():
    assert skimmed([], EXPLICIT) == walked([], EXPLICIT)
    assert skimmed([b"", b""], EXPLICIT) == walked([b"", b""], EXPLICIT)
    assert skimmed([b"", encode(ct())], EXPLICIT) == walked([encode(ct())], EXPLICIT)


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_a_dataset_that_ends_anywhere(encoding):
    for each in SERIES[encoding]:
        skimmed([each], encoding)
    for at in range(len(SERIES[encoding][0])):
        cut = SERIES[encoding][0][:at]
        assert skimmed([cut], encoding) == walked([cut], encoding)


@pytest.mark.parametrize("path", pydicom_files(), ids=lambda path: path.name)
def test_pydicoms_samples_in_pieces_of_any_size(path):
    try:
        with path.open("rb") as file:
            head = read_head(file)
            data = head.rest + file.read(100_000)
    except Malformed:
        pytest.skip("no DICOM file")
    encoding = encoding_of(head.transfer_syntax_uid)
    for size in (len(data), 64 * 1024, 5_000, 300, 64, len(data) - 1):
        parts = [data[at : at + size] for at in range(0, len(data), max(size, 1))]
        for wanted in (None, WANTED):
            assert skimmed(parts, encoding, wanted) == walked(parts, encoding, wanted)


@given(st.data(), st.lists(datasets(), min_size=1, max_size=3), st.sampled_from(ENCODINGS))
def test_datasets_one_after_the_other(data, some, encoding):
    with pytest.MonkeyPatch.context() as patch:
        forget(patch)
        raws = [encoded(each, explicit=encoding.explicit, little=encoding.little) for each in some]
        for raw in data.draw(st.lists(st.sampled_from(raws), max_size=8)):
            parts = data.draw(st.just([raw]) | pieces(raw))
            assert skimmed(parts, encoding) == walked(parts, encoding)


@given(st.data(), st.sampled_from(ENCODINGS), st.booleans())
def test_what_is_like_a_known_one_but_for_a_few_bytes(data, encoding, more):
    with pytest.MonkeyPatch.context() as patch:
        forget(patch)
        wanted = needs(NAMES) if more else None
        for each in SERIES[encoding]:
            skimmed([each], encoding, wanted)
        for raw in data.draw(st.lists(mutated(SERIES[encoding]), min_size=1, max_size=4)):
            parts = data.draw(st.just([raw]) | pieces(raw))
            assert skimmed(parts, encoding, wanted) == walked(parts, encoding, wanted)


@given(st.data(), st.sampled_from((EXPLICIT, IMPLICIT)))
def test_every_header_may_be_another(data, encoding):
    """One byte of one header is changed, where a shape was learnt: that is seen each time."""
    with pytest.MonkeyPatch.context() as patch:
        forget(patch)
        for each in SERIES[encoding]:
            skimmed([each], encoding)
        raw = bytearray(SERIES[encoding][0])
        header = data.draw(st.sampled_from(outline(bytes(raw), explicit=encoding.explicit)))
        raw[header.begin + data.draw(st.integers(0, header.size - 1))] = data.draw(st.integers(0, 255))
        assert skimmed([bytes(raw)], encoding) == walked([bytes(raw)], encoding)
