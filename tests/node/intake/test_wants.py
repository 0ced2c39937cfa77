from node.intake.reader import Reader
from node.intake.wants import NOTHING, nothing
from tests.support.samples import EXPLICIT, ct, encode


def test_nothing_is_wanted():
    assert nothing() is NOTHING
    assert NOTHING.digest == ""
    assert list(NOTHING.needs) == []


def test_a_reader_that_wants_nothing_finds_nothing():
    reader = Reader(EXPLICIT, 1 << 20, NOTHING.needs)
    reader.feed(encode(ct()))
    assert reader.finish().get("Modality") == "CT"
    assert reader.further == {}
