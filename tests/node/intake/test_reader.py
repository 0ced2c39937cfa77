from hypothesis import given
from hypothesis import strategies as st

from node.intake.reader import Reader
from tests.support import samples
from tests.support.datasets import mutated, pieces

DATASET = samples.ct(rows=4)
SYNTAXES = (samples.EXPLICIT, samples.IMPLICIT, samples.BIG_ENDIAN, samples.DEFLATED)


def read(parts: list[bytes], syntax: str) -> Reader:
    reader = Reader(syntax, 1 << 20)
    for part in parts:
        reader.feed(part)
    return reader


def test_every_encoding_reads_the_same():
    headers = [read([samples.encode(DATASET, syntax)], syntax).finish() for syntax in SYNTAXES]
    assert headers[0].get("StudyInstanceUID") == "2.25.4711.1"
    assert all(header == headers[0] for header in headers)


def test_a_deflated_dataset_that_is_cut_off():
    reader = read([samples.encode(DATASET, samples.DEFLATED)[:-20]], samples.DEFLATED)
    reader.finish()
    assert "cut off" in reader.problem


def test_what_was_read_before_the_fault_is_known():
    reader = read([samples.encode(DATASET)[:-20]], samples.EXPLICIT)
    assert reader.finish().get("SOPInstanceUID") == DATASET.SOPInstanceUID
    assert reader.problem == "cut off within the value of (7FE0,0010)"


def test_it_stops_at_the_first_fault():
    reader = read([b"\x02\0\x10\0UI\0\0", samples.encode(DATASET)], samples.EXPLICIT)
    assert reader.problem
    assert not reader.finish().attributes


@given(st.data(), st.sampled_from(SYNTAXES))
def test_mutations_never_raise_and_pieces_do_not_matter(data, syntax):
    raw = data.draw(mutated([samples.encode(DATASET, syntax)]))
    whole, cut = read([raw], syntax), read(data.draw(pieces(raw)), syntax)
    headers = whole.finish(), cut.finish()
    assert bool(whole.problem) == bool(cut.problem)
    assert len(whole.problem) <= 64
    if not whole.problem:
        assert headers[0] == headers[1]
