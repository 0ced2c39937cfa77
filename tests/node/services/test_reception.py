import tracemalloc

from node.intake.outcome import Claim, Refusal
from storage.errors import OutOfSpace
from storage.records.arrival import Verdict
from tests.support.ingest import ORIGIN
from tests.support.samples import BIG, CT_CLASS, EXPLICIT, ct, encode

CLAIM = Claim(CT_CLASS, "2.25.4711.1.1.1", EXPLICIT)


def test_a_small_instance_is_one_write(bench, monkeypatch):
    writes = []
    create = bench.blobs.create

    def counting(area="instances"):
        writer = create(area)
        write = writer.write
        writer.write = lambda buffers: (writes.append(sum(map(len, buffers))), write(buffers))
        return writer

    monkeypatch.setattr(bench.blobs, "create", counting)
    data = encode(ct(rows=138))
    for dataset, most in ((data, 1), (encode(ct(2, rows=BIG)), 3)):
        writes.clear()
        reception = bench.ingest().begin(Claim("", "", EXPLICIT), ORIGIN)
        for start in range(0, len(dataset), 16372):
            reception.write([dataset[start : start + 16372]])
        assert reception.finish().verdict is Verdict.STORED
        assert len(writes) == most


def test_memory_is_flat_over_a_large_instance(bench):
    if bench.root is None:
        return  # memory is where that store keeps it
    frames = 400 << 20
    whole = encode(ct(PixelData=b"\0" * 16))
    at = whole.index(b"OW\0\0") + 4
    head = whole[:at] + frames.to_bytes(4, "little")
    reception = bench.ingest().begin(CLAIM, ORIGIN)
    piece = memoryview(bytes(131066))
    tracemalloc.start()
    try:
        reception.write([head])
        left = frames
        while left:
            step = min(left, len(piece))
            reception.write([piece[:step]])
            left -= step
        assert reception.finish().verdict is Verdict.STORED
        assert tracemalloc.get_traced_memory()[1] < 4 << 20
    finally:
        tracemalloc.stop()
    assert bench.instance(CLAIM.sop_instance_uid).blob.size == len(head) + frames


def test_after_a_refusal_the_rest_is_let_pass(bench):
    bench.trouble.errors["write"] = OutOfSpace("full")
    reception = bench.ingest().begin(CLAIM, ORIGIN)
    data = encode(ct(rows=BIG))
    for start in range(0, len(data), 16372):
        reception.write([data[start : start + 16372]])
    assert reception.refused
    bench.trouble.errors.clear()
    reception.write([data])
    assert reception.finish().refusal is Refusal.OUT_OF_SPACE
    assert bench.keys() == []


def test_finish_and_abandon_can_be_repeated(bench):
    reception = bench.ingest().begin(CLAIM, ORIGIN)
    reception.write([encode(ct())])
    first = reception.finish()
    assert first.verdict is Verdict.STORED
    reception.abandon()
    reception.write([b"more"])
    assert reception.finish() is first
    assert len(bench.keys()) == 1


def test_a_reception_that_is_over_holds_no_space(bench):
    bench.trouble.left = 1 << 20
    ingest = bench.ingest(free_floor=1 << 19)
    for _ in range(10):
        ingest.begin(CLAIM, ORIGIN).abandon()
    reception = ingest.begin(CLAIM, ORIGIN)
    reception.write([encode(ct())])
    assert reception.finish().verdict is Verdict.STORED
