import pytest
from pydicom.dataset import Dataset

from node.intake.header import decode_header
from node.intake.shapes import KNOWN_MAX, SINGLE_MAX, Shapes
from node.intake.syntax import EXPLICIT, IMPLICIT
from node.intake.walker import CAPTURE_MAX, Walker
from tests.support import samples
from tests.support.samples import encode, insert

SYNTAXES = {samples.EXPLICIT: EXPLICIT, samples.IMPLICIT: IMPLICIT}
SLICE_THICKNESS = 0x00180050


def ct(number: int = 1, **values: object) -> Dataset:
    """A CT with a sequence."""
    item = Dataset()
    item.ReferencedSOPInstanceUID = "1.2.3"
    return samples.ct(number, **{"rows": 4, "ReferencedImageSequence": [item], **values})


def learn(shapes: Shapes, data: bytes, syntax: str = samples.EXPLICIT) -> None:
    walker = Walker(SYNTAXES[syntax])
    walker.feed(data)
    shapes.learn(data, walker.values)


def is_known(shapes: Shapes, data: bytes) -> bool:
    return shapes.match(data, len(data)) is not None


@pytest.fixture
def shapes() -> Shapes:
    return Shapes(explicit=True)


@pytest.mark.parametrize("syntax", SYNTAXES)
def test_the_next_of_a_series_is_known(syntax):
    encoding = SYNTAXES[syntax]
    shapes = Shapes(explicit=encoding.explicit)
    first, second = encode(ct(1), syntax), encode(ct(2), syntax)
    assert not is_known(shapes, first)
    learn(shapes, first, syntax)
    shape, raws, position = shapes.match(memoryview(second), len(second))
    walker = Walker(encoding)
    walker.feed(second)
    assert position == len(second)
    assert shape.values(raws) == walker.values
    assert list(shape.values(raws)) == list(walker.values)
    assert shape.header(raws) == decode_header(walker.values)
    assert shape.last == walker.reached == 0x7FE00010


def test_values_whose_length_changed_may_have_any(shapes):
    learn(shapes, encode(ct()))
    long = encode(ct(PatientName="Much^Longer", SliceThickness="1.2567"))
    assert not is_known(shapes, long)
    learn(shapes, long)
    other = encode(ct(PatientName="", SliceThickness="0.123456"))
    shape, raws, _ = shapes.match(other, len(other))
    assert shape.header(raws).get("PatientName") == ""
    assert is_known(shapes, encode(ct()))
    assert not is_known(shapes, encode(ct(BodyPartExamined="ABDOMEN")))


def test_pixels_and_other_large_values_may_have_any_length(shapes):
    learn(shapes, encode(ct(rows=4, AdditionalPatientHistory="x" * 300)))
    other = encode(ct(rows=9, AdditionalPatientHistory="x" * 2))
    assert is_known(shapes, other)
    found = shapes.match(other, len(other) - 20)
    assert found is not None
    assert found[2] == len(other)


def test_a_value_that_is_not_there_whole_or_too_long_is_the_walkers(shapes):
    for name in ("A", "Longer"):
        learn(shapes, insert(encode(ct(PatientName=None)), {0x00100010: (b"PN", name.encode())}))
    for size, known in ((CAPTURE_MAX, True), (CAPTURE_MAX + 2, False)):
        data = insert(encode(ct(PatientName=None)), {0x00100010: (b"PN", b"x" * size)})
        assert is_known(shapes, data) is known
        at = data.index(b"x" * 100)
        assert shapes.match(data, at + 100) is None


def test_another_sequence_is_another_shape(shapes):
    learn(shapes, encode(ct()))
    item = Dataset()
    item.ReferencedSOPInstanceUID = "1.2.345"
    other = encode(ct(ReferencedImageSequence=[item]))
    assert not is_known(shapes, other)
    learn(shapes, other)
    assert is_known(shapes, other)
    assert is_known(shapes, encode(ct()))


def test_the_oldest_is_forgotten(shapes):
    def with_items(number: int) -> bytes:
        return encode(ct(ReferencedImageSequence=[Dataset()] * number))

    for number in range(KNOWN_MAX + 1):
        learn(shapes, with_items(number))
        assert is_known(shapes, with_items(number))
    assert not is_known(shapes, with_items(0))
    assert is_known(shapes, with_items(1))
    learn(shapes, with_items(0))
    assert is_known(shapes, with_items(1))
    assert not is_known(shapes, with_items(2))


def test_with_too_many_lengths_that_change_it_is_learnt_anew(shapes):
    many = {0x00191000 | n: (b"LO", b"ab") for n in range(SINGLE_MAX + 1)}
    before = encode(ct())
    learn(shapes, insert(before, many))
    others = dict.fromkeys(many, (b"LO", b"abcd"))
    learn(shapes, insert(before, others))
    assert is_known(shapes, insert(before, others))
    assert not is_known(shapes, insert(before, many))


def test_where_nothing_comes_again_little_is_learnt(shapes):
    for number in range(20):
        learn(shapes, insert(encode(ct()), {0x00191000 | number: (b"LO", b"ab")}))
    tries = 0
    while not is_known(shapes, encode(ct())):
        learn(shapes, encode(ct()))
        tries += 1
    assert 1 < tries <= 16
    other = encode(ct(Laterality="L"))
    learn(shapes, other)
    assert is_known(shapes, other)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x08\0",
        encode(ct())[:100],
        encode(ct(), samples.IMPLICIT),
    ],
)
def test_there_is_nothing_to_learn(shapes, data):
    shapes.learn(data, {})
    assert not is_known(shapes, encode(ct()))


def test_what_the_walker_did_not_find_is_not_learnt(shapes):
    shapes.learn(encode(ct()), {})
    assert not is_known(shapes, encode(ct()))


def test_elements_that_rules_want():
    shapes = Shapes(explicit=True, wanted={SLICE_THICKNESS, 0x00081140}.__contains__)
    data = encode(ct(SliceThickness="1.5 "))
    learn(shapes, data)
    shape, raws, _ = shapes.match(data, len(data))
    (sequence, thickness) = shape.events
    assert sequence == (0x00081140, b"SQ", -1)
    assert thickness[:2] == (SLICE_THICKNESS, b"DS")
    assert raws[thickness[2]] == b"1.5 "
    walker = Walker()
    walker.feed(data)
    assert shape.values(raws) == walker.values
    assert shape.header(raws) == decode_header(walker.values)
