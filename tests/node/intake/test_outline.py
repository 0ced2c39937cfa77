import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from node.intake.errors import Malformed
from node.intake.outline import MAX_DEPTH, outline
from node.intake.syntax import EXPLICIT, IMPLICIT
from node.intake.walker import Walker
from tests.support.datasets import datasets, encoded, mutated
from tests.support.samples import ct, encode

UNDEFINED = 0xFFFFFFFF
SEQUENCE_END = struct.pack("<HHL", 0xFFFE, 0xE0DD, 0)
ITEM_END = struct.pack("<HHL", 0xFFFE, 0xE00D, 0)
MODALITY = struct.pack("<HH2sH", 0x0008, 0x0060, b"CS", 2) + b"CT"
PATIENT = struct.pack("<HH2sH", 0x0010, 0x0020, b"LO", 2) + b"P1"


def sequence(content: bytes, length: int | None = None) -> bytes:
    return (
        struct.pack("<HH2sxxL", 0x0008, 0x1140, b"SQ", len(content) if length is None else length) + content
    )


def item(content: bytes, length: int | None = None) -> bytes:
    return struct.pack("<HHL", 0xFFFE, 0xE000, len(content) if length is None else length) + content


def tags(data: bytes) -> list[int]:
    return [entry.tag for entry in outline(data, explicit=True)]


def test_headers_of_every_kind():
    entries = outline(MODALITY + sequence(item(MODALITY)) + PATIENT, explicit=True)
    assert [(e.begin, e.size, e.end, e.tag, e.top, e.plain) for e in entries] == [
        (0, 8, 10, 0x00080060, True, True),
        (10, 12, 22, 0x00081140, True, False),
        (22, 8, 30, 0xFFFEE000, False, False),
        (30, 8, 40, 0x00080060, False, False),
        (40, 8, 50, 0x00100020, True, True),
    ]


def test_the_last_value_may_go_beyond():
    assert outline(MODALITY + PATIENT[:-1], explicit=True)[-1].end == 20


@pytest.mark.parametrize(
    "odd",
    [
        bytes(8),
        ITEM_END,
        struct.pack("<HH2sH", 0x0010, 0x0020, b"ZZ", 2) + b"P1",
        struct.pack("<HH2sxxL", 0x7FE0, 0x0010, b"OB", UNDEFINED) + item(b"ab") + SEQUENCE_END,
        sequence(item(PATIENT), 100),
        sequence(item(PATIENT, 11)),
        sequence(item(PATIENT[:-1])),
        sequence(PATIENT),
        sequence(item(PATIENT) + bytes(3)),
        sequence(item(PATIENT), UNDEFINED),
        sequence(item(PATIENT, UNDEFINED)),
        sequence(item(PATIENT) + SEQUENCE_END),
    ],
)
def test_it_stops_before_what_is_odd(odd):
    assert tags(MODALITY + odd + PATIENT) == [0x00080060]


def test_it_stops_before_a_header_that_is_cut():
    assert tags(MODALITY + PATIENT[:7]) == [0x00080060]


def test_delimiters_are_headers_too():
    whole = sequence(item(PATIENT + ITEM_END, UNDEFINED) + SEQUENCE_END, UNDEFINED)
    assert tags(whole + PATIENT) == [0x00081140, 0xFFFEE000, 0x00100020, 0xFFFEE00D, 0xFFFEE0DD, 0x00100020]


def test_it_goes_only_so_deep():
    data = PATIENT
    for depth in range(1, MAX_DEPTH + 2):
        data = sequence(item(data))
        assert bool(tags(data)) is (depth <= MAX_DEPTH)


def test_a_dataset_in_another_encoding_than_is_said():
    assert outline(encode(ct()), explicit=False) == []
    assert outline(encode(ct(), "1.2.840.10008.1.2"), explicit=True) == []


@given(datasets(), st.booleans())
def test_of_what_the_standard_allows_nothing_is_unusual(dataset, explicit):
    raw = encoded(dataset, explicit=explicit)
    entries = outline(raw, explicit=explicit)
    assert (entries[-1].end if entries else 0) == len(raw)
    assert [entry.tag for entry in entries if entry.top] == sorted(dataset.keys())


ORIGINALS = [
    MODALITY
    + sequence(item(PATIENT) + item(PATIENT + ITEM_END, UNDEFINED) + SEQUENCE_END, UNDEFINED)
    + PATIENT,
    MODALITY + sequence(item(PATIENT) + item(sequence(item(MODALITY)))) + PATIENT,
]


@given(mutated([*ORIGINALS, encode(ct(rows=4)), encode(ct(rows=4), "1.2.840.10008.1.2")]), st.booleans())
def test_the_walker_finds_the_same(raw, explicit):
    entries = outline(raw, explicit=explicit)
    top = [entry for entry in entries if entry.top]
    if not top or len({entry.tag for entry in top}) < len(top):
        return
    walker = Walker(EXPLICIT if explicit else IMPLICIT)
    end = min(entries[-1].end, len(raw))
    walker.feed(raw[:end])
    assert walker.reached == top[-1].tag
    expected = {e.tag: raw[e.begin + e.size : e.end] for e in top if e.plain and e.end <= len(raw)}
    found = {tag: value for tag, (_, value) in walker.values.items()}
    assert found == {tag: value[:4096] for tag, value in expected.items() if tag in found}
    if entries[-1].end <= len(raw):
        walker.finish()
    else:
        with pytest.raises(Malformed):
            walker.finish()
