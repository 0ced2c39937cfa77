import hashlib

import pytest

from node.core.clock import now
from node.services.recorder import Recorder
from storage.errors import InDoubt, Unavailable
from storage.records.arrival import Arrival, BlobRef, Recorded, Verdict
from tests.support.ingest import ORIGIN, Bench
from tests.support.samples import CT_CLASS, EXPLICIT, IMPLICIT, ct, encode


def arrival(bench: Bench, dataset, syntax: str = EXPLICIT) -> Arrival:
    data = encode(dataset, syntax)
    writer = bench.blobs.create()
    writer.write([b"head", data])
    blob = BlobRef(writer.place(), 4, len(data), hashlib.sha256(data).hexdigest())
    uid, study, series = dataset.SOPInstanceUID, dataset.StudyInstanceUID, dataset.SeriesInstanceUID
    attributes = {"SOPInstanceUID": uid, "StudyInstanceUID": study, "SeriesInstanceUID": series}
    return Arrival(uid, CT_CLASS, study, series, syntax, attributes, blob, ORIGIN, now())


def recorder(bench: Bench, commits=None) -> Recorder:
    return Recorder(bench.archive, bench.blobs, commits or bench.archive.commits(bench.blobs))


def test_each_verdict_and_what_becomes_of_the_blob(bench):
    record = recorder(bench).record
    first = arrival(bench, ct())
    assert record(first) is Verdict.STORED
    assert record(arrival(bench, ct())) is Verdict.DUPLICATE
    assert record(arrival(bench, ct(), IMPLICIT)) is Verdict.DUPLICATE
    assert bench.keys() == [first.blob.key]
    other = arrival(bench, ct(PatientID="OTHER"))
    assert record(other) is Verdict.CONFLICT
    assert bench.keys() == sorted([first.blob.key, other.blob.key])


def test_the_same_arrival_again_keeps_its_blob(bench):
    first = arrival(bench, ct())
    for _ in range(2):
        assert recorder(bench).record(first) is Verdict.STORED
    assert bench.keys() == [first.blob.key]


class Commits:
    """Answers as it is told."""

    def __init__(self, answer: Exception | Recorded) -> None:
        self.answer = answer

    def record(self, arrival: Arrival) -> Recorded:
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


@pytest.mark.parametrize(("error", "stays"), [(Unavailable("gone"), False), (InDoubt("broke"), True)])
def test_a_blob_without_record_goes_unless_there_may_be_one(bench, error, stays):
    one = arrival(bench, ct())
    with pytest.raises(type(error)):
        recorder(bench, Commits(error)).record(one)
    assert bench.keys() == ([one.blob.key] if stays else [])


def test_a_blob_that_is_its_own_duplicate_stays(bench):
    one = arrival(bench, ct())
    commits = Commits(Recorded(Verdict.DUPLICATE, one.blob, EXPLICIT))
    assert recorder(bench, commits).record(one) is Verdict.DUPLICATE
    assert bench.keys() == [one.blob.key]


def test_what_was_lost_is_replaced_when_it_is_sent_again(bench):
    first, again = arrival(bench, ct()), arrival(bench, ct())
    assert recorder(bench).record(first) is Verdict.STORED
    bench.blobs.store.delete(first.blob.key)
    assert recorder(bench).record(again) is Verdict.DUPLICATE
    assert bench.instance(ct().SOPInstanceUID).blob == again.blob
    assert bench.keys() == [again.blob.key]
    assert recorder(bench).record(arrival(bench, ct())) is Verdict.DUPLICATE
    assert bench.keys() == [again.blob.key]


def test_what_cannot_be_replaced_is_not_called_kept(bench, monkeypatch):
    first, again = arrival(bench, ct()), arrival(bench, ct())
    recorder(bench).record(first)
    bench.blobs.store.delete(first.blob.key)

    def gone():
        raise Unavailable("database: gone")

    commits = Commits(Recorded(Verdict.DUPLICATE, first.blob, EXPLICIT))
    monkeypatch.setattr(bench.archive, "begin", gone)
    with pytest.raises(Unavailable):
        recorder(bench, commits).record(again)
    assert bench.keys() == []
