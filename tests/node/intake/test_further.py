import struct
import warnings
from collections.abc import Sequence
from io import BytesIO

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom.dataset import Dataset
from pydicom.filereader import read_dataset
from pydicom.multival import MultiValue

from node.intake.reader import Reader
from node.intake.syntax import encoding_of
from rules.facts import Needs, needs
from rules.unknown import Unknown
from tests.support import samples
from tests.support.datasets import mutated, pieces
from tests.support.samples import BIG_ENDIAN, DEFLATED, EXPLICIT, IMPLICIT, ct, encode

SYNTAXES = (EXPLICIT, IMPLICIT, BIG_ENDIAN, DEFLATED)
SIEMENS = "SIEMENS MR HEADER"
B_VALUE = f'private["0019,{SIEMENS},0C"]'
ACME = 'private["0019,ACME,0C"]'


def further(data: bytes | Dataset, names: Sequence[str] | Needs, syntax: str = EXPLICIT) -> dict[str, object]:
    wanted = names if isinstance(names, Needs) else needs(names)
    reader = Reader(syntax, 1 << 30, wanted)
    reader.feed(encode(data, syntax) if isinstance(data, Dataset) else data)
    reader.finish()
    assert not reader.problem
    return dict(reader.further)


def element(tag: int, vr: bytes, value: bytes) -> bytes:
    return struct.pack("<HH2sH", tag >> 16, tag & 0xFFFF, vr, len(value)) + value


def scanned() -> Dataset:
    """A CT with what scanners put into it: functional groups, private blocks, nested private ones."""
    dataset = ct(DerivationDescription="dérivé\\ici", PixelPaddingValue=-2000, PixelRepresentation=1)
    dataset.DiffusionBValue, dataset.TableHeight, dataset.ContrastBolusAgent = 0.1, "12.5", ""
    dataset.add_new(0x00280120, "SS", -2000)
    block = dataset.private_block(0x0019, "SOMEBODY ELSE", create=True)
    block.add_new(0x0C, "LO", "not this one")
    block = dataset.private_block(0x0019, SIEMENS, create=True)
    block.add_new(0x0C, "IS", "1000")
    block.add_new(0x0E, "FD", [0.5, -0.25, 1e-7])
    item = Dataset()
    item.SliceThickness = "99"
    item.private_block(0x0019, SIEMENS, create=True).add_new(0x0C, "IS", "5")
    dataset.ReferencedImageSequence = [item]
    return dataset


WANTED = (
    *("SliceThickness", "PixelSpacing", "DiffusionBValue", "TableHeight", "DerivationDescription"),
    *("PixelPaddingValue", "ContrastBolusAgent", "PixelRepresentation", "KVP"),
    *(B_VALUE, f'private["0019,{SIEMENS},0E"]', f'private["0019,{SIEMENS},0F"]'),
)


@pytest.mark.parametrize("syntax", SYNTAXES)
def test_what_is_wanted_in_every_encoding(syntax: str) -> None:
    assert further(scanned(), WANTED, syntax) == {
        "SliceThickness": "1.0",
        "PixelSpacing": "0.5\\0.5",
        "DiffusionBValue": "0.1",
        "TableHeight": "12.5",
        "DerivationDescription": "dérivé\\ici",
        "PixelPaddingValue": "-2000",
        "ContrastBolusAgent": "",
        "PixelRepresentation": "1",
        B_VALUE: "1000",
        f'private["0019,{SIEMENS},0E"]': "0.5\\-0.25\\1e-07",
    }


def test_an_indexed_attribute_can_be_wanted_too() -> None:
    reader = Reader(EXPLICIT, 1 << 30, needs(["Modality"]))
    reader.feed(encode(ct()))
    assert reader.finish().get("Modality") == "CT"
    assert reader.further == {"Modality": "CT"}


def test_what_only_the_header_wants_is_not_handed_out() -> None:
    assert further(ct(), ["PixelPaddingValue"]) == {}


def test_sequences_are_there_and_cannot_be_read() -> None:
    dataset = ct()
    nested = Dataset()
    nested.Modality = "MR"
    dataset.private_block(0x0019, "ACME", create=True).add_new(0x0C, "SQ", [nested])
    for undefined in (False, True):
        dataset[0x0019100C].is_undefined_length = undefined
        assert further(dataset, [ACME]) == {ACME: Unknown(f"{ACME} is a sequence")}


def test_a_long_value() -> None:
    assert further(ct(AdditionalPatientHistory="x" * 9000), ["AdditionalPatientHistory"]) == {
        "AdditionalPatientHistory": Unknown("AdditionalPatientHistory is too long")
    }


# Private blocks, PS3.5 7.8.1


def test_two_creators_may_want_the_same_last_byte() -> None:
    other = 'private["0019,SOMEBODY ELSE,0C"]'
    assert further(scanned(), [B_VALUE, other]) == {B_VALUE: "1000", other: "not this one"}


def test_a_creator_is_named_exactly() -> None:
    assert further(scanned(), ['private["0019,siemens mr header,0C"]', 'private["0019,SIEMENS MR,0C"]']) == {}


def test_a_creator_reserves_in_its_own_group_only() -> None:
    dataset = ct()
    dataset.private_block(0x0019, "ACME", create=True)
    dataset.add_new(0x0021100C, "LO", "of nobody")
    assert further(dataset, ['private["0021,ACME,0C"]']) == {}


def test_elements_before_their_creator_are_of_nobody() -> None:
    data = element(0x00191110, b"LO", b"ab") + element(0x00190011, b"LO", b"ACME")
    assert further(data, ['private["0019,ACME,10"]']) == {}


def test_of_two_blocks_of_one_creator_the_first_that_has_it_counts() -> None:
    blocks = element(0x00190010, b"LO", b"ACME") + element(0x00190020, b"LO", b"ACME")
    data = blocks + element(0x0019200C, b"LO", b"2 ")
    assert further(data, [ACME]) == {ACME: "2"}
    data = blocks + element(0x0019100C, b"LO", b"1 ") + element(0x0019200C, b"LO", b"2 ")
    assert further(data, [ACME]) == {ACME: "1"}


def test_of_a_block_that_is_reserved_twice_the_later_counts() -> None:
    both = [ACME, 'private["0019,OTHER,0C"]']
    taken = element(0x00190010, b"LO", b"ACME") + element(0x00190010, b"LO", b"OTHER ")
    assert further(taken + element(0x0019100C, b"LO", b"x "), both) == {both[1]: "x"}


def test_a_creator_in_the_character_set_of_the_dataset() -> None:
    name = 'private["0019,GERÄT,0C"]'
    charset = element(0x00080005, b"CS", b"ISO_IR 100")
    creator = element(0x00190010, b"LO", "GERÄT ".encode("latin-1"))
    assert further(charset + creator + element(0x0019100C, b"LO", b"x "), [name]) == {name: "x"}


creators = st.sampled_from(["ACME", "ACME 2", "SOMEBODY", SIEMENS])
groups = st.sampled_from([0x0019, 0x0021])
lasts = st.integers(0, 3)


@st.composite
def with_blocks(draw: st.DrawFn) -> Dataset:
    dataset = Dataset()
    dataset.SOPInstanceUID = "1.2.3"
    for group, block, creator in draw(st.lists(st.tuples(groups, st.integers(0x10, 0x14), creators))):
        dataset.add_new(group << 16 | block, "LO", creator)
    for group, block, last in draw(st.lists(st.tuples(groups, st.integers(0x10, 0x15), lasts))):
        tag = group << 16 | block << 8 | last
        dataset.add_new(tag, "LO", draw(st.sampled_from(["", "a", "b", "c"])))
    return dataset


def as_pydicom_reads(dataset: Dataset, wanted: Needs) -> dict[str, object]:
    """What pydicom says is in the blocks of these creators, block by block."""
    found: dict[str, object] = {}
    for (group, creator, last), name in wanted.private.items():
        blocks = [each.tag.element for each in dataset.group_dataset(group) if each.tag.element < 0x100]
        for block in sorted(blocks):
            tag = group << 16 | block << 8 | last
            if dataset[group, block].value == creator and tag in dataset:
                found[name] = text_of(dataset[tag].value)
                break
    return found


def text_of(value: object) -> str:
    if value is None:
        return ""
    values = value if isinstance(value, list | MultiValue) else [value]
    return "\\".join(str(each).strip(" \0") for each in values)


@given(st.data(), with_blocks(), st.sets(st.tuples(groups, creators, lasts)))
def test_blocks_are_resolved_as_pydicom_does(
    data: st.DataObject, dataset: Dataset, wanted: set[tuple[int, str, int]]
) -> None:
    asked = Needs({}, {each: f'private["{each[0]:04X},{each[1]},{each[2]:02X}"]' for each in wanted})
    expected = as_pydicom_reads(dataset, asked)
    reader = Reader(EXPLICIT, 1 << 20, asked)
    for piece in data.draw(pieces(encode(dataset))):
        reader.feed(piece)
    reader.finish()
    assert reader.further == expected


TEXTS = ("SliceThickness", "PixelSpacing", "ContrastBolusAgent", "PatientPosition", "AcquisitionDateTime")
NUMBERS = ("SamplesPerPixel", "DiffusionBValue", "RecommendedDisplayFrameRateInFloat", "PixelPaddingValue")


@given(
    st.fixed_dictionaries({}, optional=dict.fromkeys(TEXTS, st.sampled_from(["", "2024", "20240301"]))),
    st.fixed_dictionaries({}, optional={"SamplesPerPixel": st.integers(0, 65535)}),
    st.fixed_dictionaries({}, optional={"DiffusionBValue": st.floats(allow_nan=False)}),
    st.fixed_dictionaries({}, optional={"PixelPaddingValue": st.integers(-32768, 32767)}),
    st.sampled_from(SYNTAXES),
)
def test_it_agrees_with_pydicom(
    texts: dict[str, str],
    count: dict[str, int],
    b_value: dict[str, float],
    padding: dict[str, int],
    syntax: str,
) -> None:
    dataset = ct(PixelRepresentation=1)
    for keyword, value in {**texts, **count, **b_value, **padding}.items():
        setattr(dataset, keyword, value)
    if "PixelSpacing" not in texts:
        dataset.PixelSpacing = ["0.5", "2.50"]
    encoding = encoding_of(syntax)
    plain = encode(dataset, EXPLICIT if encoding.deflated else syntax)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        read = read_dataset(BytesIO(plain), not encoding.explicit, encoding.little)
        expected = {name: text_of(read[name].value) for name in (*TEXTS, *NUMBERS) if name in read}
    assert further(dataset, [*TEXTS, *NUMBERS], syntax) == expected


@given(st.data(), st.sampled_from(SYNTAXES))
def test_mutations_never_raise_and_pieces_do_not_matter(data: st.DataObject, syntax: str) -> None:
    raw = data.draw(mutated([samples.encode(scanned(), syntax)]))
    found = []
    for parts in ([raw], data.draw(pieces(raw))):
        reader = Reader(syntax, 1 << 20, needs(WANTED))
        for part in parts:
            reader.feed(part)
        reader.finish()
        found.append((bool(reader.problem), dict(reader.further)))
    assert found[0][0] == found[1][0]
    if not found[0][0]:
        assert found[0] == found[1]


@given(st.binary(max_size=300), st.sampled_from(SYNTAXES))
def test_arbitrary_bytes_never_raise(raw: bytes, syntax: str) -> None:
    reader = Reader(syntax, 1 << 20, needs(WANTED))
    reader.feed(raw)
    reader.finish()
    assert all(isinstance(value, str | Unknown) for value in reader.further.values())


def test_where_it_has_arrived() -> None:
    dataset = scanned()
    data = encode(dataset)
    reader = Reader(EXPLICIT, 1 << 20)
    reached = []
    for at in range(0, len(data), 7):
        reader.feed(data[at : at + 7])
        reached.append(reader.reached)
    assert reached == sorted(reached)
    assert set(reached) <= {*map(int, dataset.keys()), 0}
    assert reached[-1] == 0x7FE00010
