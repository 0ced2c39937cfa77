import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from node.intake.errors import Malformed
from node.intake.syntax import BIG_ENDIAN, EXPLICIT, IMPLICIT, Encoding
from node.intake.walker import CAPTURE_MAX, MAX_DEPTH, Walker
from tests.support import samples
from tests.support.datasets import datasets, encoded, mutated, pieces

ENCODINGS = (EXPLICIT, IMPLICIT, BIG_ENDIAN)
SEQUENCE_END = struct.pack("<HHL", 0xFFFE, 0xE0DD, 0)
ITEM_END = struct.pack("<HHL", 0xFFFE, 0xE00D, 0)
UNDEFINED = 0xFFFFFFFF


def short(tag: int, vr: bytes, value: bytes) -> bytes:
    return struct.pack("<HH2sH", tag >> 16, tag & 0xFFFF, vr, len(value)) + value


def long(tag: int, vr: bytes, value: bytes, length: int | None = None) -> bytes:
    size = len(value) if length is None else length
    return struct.pack("<HH2sxxL", tag >> 16, tag & 0xFFFF, vr, size) + value


def implicit(tag: int, value: bytes, length: int | None = None) -> bytes:
    return struct.pack("<HHL", tag >> 16, tag & 0xFFFF, len(value) if length is None else length) + value


def item(value: bytes, length: int | None = None) -> bytes:
    return implicit(0xFFFEE000, value, length)


UID = short(0x00080018, b"UI", b"1.2\0")
MODALITY = short(0x00080060, b"CS", b"CT")


def walk(data: bytes, encoding: Encoding = EXPLICIT) -> dict[int, bytes]:
    walker = Walker(encoding)
    walker.feed(data)
    walker.finish()
    return {tag: value for tag, (_vr, value) in walker.values.items()}


def refusal(data: bytes, encoding: Encoding = EXPLICIT) -> str:
    with pytest.raises(Malformed) as error:
        walk(data, encoding)
    assert len(str(error.value)) <= 64
    assert str(error.value).isascii()
    return str(error.value)


def answer(parts: list[bytes], encoding: Encoding) -> object:
    walker = Walker(encoding)
    try:
        for part in parts:
            walker.feed(part)
        walker.finish()
    except Malformed as error:
        return str(error)
    return walker.values


# What is picked out


def test_indexed_attributes_of_the_top_level_are_picked():
    sequence = long(0x00081140, b"SQ", item(short(0x00080060, b"CS", b"XX")))
    other = short(0x00181000, b"LO", b"serial")
    assert walk(UID + MODALITY + sequence + other) == {0x00080018: b"1.2\0", 0x00080060: b"CT"}


def test_a_value_is_not_kept_beyond_the_limit():
    huge = implicit(0x00081030, b"x" * 3 * CAPTURE_MAX)
    assert walk(huge + implicit(0x00080060, b"MR"), IMPLICIT) == {
        0x00081030: b"x" * CAPTURE_MAX,
        0x00080060: b"MR",
    }


def test_of_a_repeated_attribute_the_later_counts():
    assert walk(MODALITY + short(0x00080060, b"CS", b"MR"))[0x00080060] == b"MR"


def test_a_repeated_uid_must_be_the_same():
    assert walk(UID + UID)[0x00080018] == b"1.2\0"
    assert "twice" in refusal(UID + short(0x00080018, b"UI", b"1.3\0"))


def test_memory_stays_flat_over_a_long_value():
    walker = Walker(EXPLICIT)
    walker.feed(UID + long(0x7FE00010, b"OW", b"", 3 << 30))
    piece = bytes(1 << 20)
    for _ in range(3 << 10):
        walker.feed(piece)
    walker.finish()
    assert not walker._carry


# Structures


@pytest.mark.parametrize("undefined_item", [False, True])
@pytest.mark.parametrize("undefined_sequence", [False, True])
def test_sequences_of_both_kinds(undefined_sequence, undefined_item):
    one = item(UID + ITEM_END, UNDEFINED) if undefined_item else item(UID)
    items = one + item(b"") + one
    if undefined_sequence:
        sequence = long(0x00081140, b"SQ", items + SEQUENCE_END, UNDEFINED)
    else:
        sequence = long(0x00081140, b"SQ", items)
    assert walk(sequence + MODALITY) == {0x00080060: b"CT"}


def test_encapsulated_pixel_data():
    fragments = item(b"") + item(b"\xfe\xff\xdd\xe0\0\0\0\0") + SEQUENCE_END
    assert walk(MODALITY + long(0x7FE00010, b"OB", fragments, UNDEFINED)) == {0x00080060: b"CT"}


def nested(depth: int) -> bytes:
    data = b""
    for _ in range(depth):
        data = long(0x00081140, b"SQ", item(data + ITEM_END, UNDEFINED) + SEQUENCE_END, UNDEFINED)
    return data


def test_nesting_has_a_limit():
    assert walk(nested(MAX_DEPTH) + UID) == {0x00080018: b"1.2\0"}
    assert "deeper than 64" in refusal(nested(MAX_DEPTH + 1))
    assert "deeper than 64" in refusal(nested(1000))


# Faults that are let through


def test_odd_lengths():
    assert walk(short(0x00081030, b"LO", b"odd") + UID)[0x00081030] == b"odd"


def test_the_last_delimiter_may_be_missing():
    assert walk(UID + long(0x7FE00010, b"OB", item(b"") + item(b"ab"), UNDEFINED))
    assert walk(UID + long(0x00400275, b"SQ", item(MODALITY), UNDEFINED))
    assert "within a sequence" in refusal(UID + long(0x00400275, b"SQ", item(MODALITY, UNDEFINED), UNDEFINED))


@pytest.mark.parametrize("zeros", [1, 7, 8, 2048])
def test_zeros_behind_the_end(zeros):
    assert walk(UID + MODALITY + bytes(zeros)) == {0x00080018: b"1.2\0", 0x00080060: b"CT"}


def test_more_than_zeros_behind_the_end():
    assert "(0000,0000)" in refusal(UID + bytes(100) + b"x")


def test_padding_as_the_standard_has_it():
    assert walk(UID + long(0xFFFCFFFC, b"OB", bytes(64)))


IMPLICIT_CONTENT = implicit(0x00091001, b"ab") + implicit(0x00091002, b"")
EXPLICIT_CONTENT = short(0x00091001, b"LO", b"ab")


@pytest.mark.parametrize(
    "items",
    [
        item(IMPLICIT_CONTENT),
        item(IMPLICIT_CONTENT + ITEM_END, UNDEFINED),
        item(implicit(0x00091010, item(IMPLICIT_CONTENT) + SEQUENCE_END, UNDEFINED)),
        item(EXPLICIT_CONTENT),
        item(EXPLICIT_CONTENT + ITEM_END, UNDEFINED),
        item(long(0x00091010, b"SQ", item(EXPLICIT_CONTENT) + SEQUENCE_END, UNDEFINED)),
    ],
)
def test_a_sequence_as_un_in_either_encoding(items):
    assert walk(UID + long(0x00091000, b"UN", items + SEQUENCE_END, UNDEFINED) + MODALITY)


def test_an_implicit_item_within_an_explicit_dataset():
    both = item(short(0x00080100, b"SH", b"ab") + implicit(0x00080104, b"cd"))
    assert walk(UID + long(0x00081140, b"SQ", item(implicit(0x00080100, b"ab")) + both) + MODALITY)


def test_a_dataset_in_the_other_vr_encoding():
    assert walk(UID, IMPLICIT) == {0x00080018: b"1.2\0"}
    assert walk(implicit(0x00080018, b"1.2\0"), EXPLICIT) == {0x00080018: b"1.2\0"}


# What is refused


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (UID[:-1], "cut off after the beginning of (0008,0018)"),
        (UID + MODALITY[:5], "cut off after the beginning of (0008,0018)"),
        (UID + long(0x7FE00010, b"OW", b"ab", 3), "cut off within the value of (7FE0,0010)"),
        (UID + long(0x7FE00010, b"OB", item(b"ab", 4), UNDEFINED), "cut off"),
        (UID + long(0x00081140, b"SQ", item(UID), 100), "cut off"),
        (UID + long(0x00081140, b"SQ", item(UID, 40)), "longer than its sequence"),
        (UID + long(0x00081140, b"SQ", item(short(0x00080060, b"CS", b"CT")[:-1])), "longer than what"),
        (UID + long(0x00081140, b"SQ", item(UID + b"abc")), "ends within an element"),
        (UID + long(0x00081140, b"SQ", item(UID) + b"abc"), "ends within an item header"),
        (UID + long(0x00081140, b"SQ", UID), "(0008,0018) where an item was due"),
        (UID + long(0x00081150, b"UT", b"", UNDEFINED), "no sequence"),
        (UID + long(0x7FE00010, b"OB", item(b"", UNDEFINED), UNDEFINED), "without a length"),
        (UID + short(0x00080020, b"ZZ", b"ab"), "no valid VR"),
        (UID + short(0x00080020, b"\0\1", b"ab"), "no valid VR"),
        (UID + short(0x00020010, b"UI", b"1.2\0"), "(0002,0010) where an element"),
        (UID + short(0x00000002, b"UI", b"1.2\0"), "(0000,0002) where an element"),
        (UID + ITEM_END, "(FFFE,E00D) where an element"),
        (UID + SEQUENCE_END, "(FFFE,E0DD) where an element"),
        (UID + item(UID), "(FFFE,E000) where an element"),
    ],
)
def test_what_no_reader_could_follow(data, reason):
    assert reason in refusal(data)


def test_an_implicit_sequence_is_known_by_the_dictionary():
    assert walk(implicit(0x00081140, item(implicit(0x00080060, b"CT"))), IMPLICIT) == {}
    assert "where an item was due" in refusal(implicit(0x00081140, implicit(0x00080060, b"CT")), IMPLICIT)
    assert "longer" in refusal(
        implicit(0x00081140, item(implicit(0x00081140, b"", 99))) + bytes(99), IMPLICIT
    )


# Whatever comes


@given(st.data(), datasets(), st.sampled_from(ENCODINGS))
def test_random_datasets_pass_whole_and_in_pieces(data, dataset, encoding):
    raw = encoded(dataset, explicit=encoding.explicit, little=encoding.little)
    whole = answer([raw], encoding)
    assert isinstance(whole, dict)
    assert answer(data.draw(pieces(raw)), encoding) == whole
    assert answer([raw[i : i + 1] for i in range(len(raw))], encoding) == whole


ORIGINALS = [
    samples.encode(samples.ct(rows=4)),
    samples.encode(samples.ct(rows=4), samples.IMPLICIT),
    UID + long(0x00081140, b"SQ", item(UID) + item(UID + ITEM_END, UNDEFINED)) + MODALITY,
    UID + long(0x00091000, b"UN", item(implicit(0x00091001, b"ab")) + SEQUENCE_END, UNDEFINED),
    MODALITY + long(0x7FE00010, b"OB", item(b"") + item(b"abcd") + SEQUENCE_END, UNDEFINED),
    nested(10) + UID,
]


@given(st.data(), mutated(ORIGINALS), st.sampled_from(ENCODINGS))
def test_mutated_datasets_get_the_same_answer_in_any_pieces(data, raw, encoding):
    assert answer(data.draw(pieces(raw)), encoding) == answer([raw], encoding)


@given(st.binary(max_size=400), st.sampled_from(ENCODINGS))
def test_arbitrary_bytes_raise_nothing_else(raw, encoding):
    result = answer([raw], encoding)
    if isinstance(result, str):
        assert len(result) <= 64
        assert result.isascii()
