import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import pytest

from node.services.mending import mend
from storage.errors import InDoubt, Unavailable
from storage.records.arrival import BlobRef
from storage.repos.totals import MENDED
from storage.transaction import Transaction
from storage.verify import verify
from tests.support.arrivals import arrival, place, put
from tests.support.ingest import Bench

RIGHT, ROTTEN = b"as it was", b"as it is!"


def rot(bench: Bench) -> BlobRef:
    """A blob of which a byte has changed since: what its record says of it."""
    return replace(place(bench.blobs, ROTTEN), digest=hashlib.sha256(RIGHT).hexdigest())


def events(bench: Bench) -> list[tuple[str, object]]:
    with bench.archive.read() as tx:
        return [(event.sop_instance_uid, event.detail["fault"]) for event in tx.events.list(kind=MENDED)]


def test_a_whole_blob_is_left_alone(bench: Bench):
    kept, again = (arrival(blob=place(bench.blobs, RIGHT)) for _ in range(2))
    put(bench.archive, kept)
    assert not mend(bench.archive, bench.blobs, kept.blob, again)
    assert bench.instance(kept.sop_instance_uid).blob == kept.blob
    assert events(bench) == []


def test_rotten_bytes_are_replaced_wherever_they_are_referred_to(bench: Bench):
    kept = arrival(blob=rot(bench))
    put(
        bench.archive,
        arrival(number=2, blob=place(bench.blobs)),
        replace(kept, attributes={"PatientID": "P2"}),
    )
    again = arrival(blob=place(bench.blobs, RIGHT))
    assert mend(bench.archive, bench.blobs, kept.blob, again)
    assert bench.instance(kept.sop_instance_uid).blob == again.blob
    assert [conflict.blob for conflict in bench.conflicts()] == [again.blob]
    assert events(bench) == [(kept.sop_instance_uid, "damaged")]
    assert verify(bench.archive, bench.blobs, grace=0).clean


def test_other_bytes_replace_nothing(bench: Bench):
    kept = arrival(blob=rot(bench))
    put(bench.archive, kept)
    assert not mend(bench.archive, bench.blobs, kept.blob, arrival(blob=place(bench.blobs, b"others")))


def test_what_cannot_be_read_is_replaced(bench: Bench):
    kept, again = (arrival(blob=place(bench.blobs, RIGHT)) for _ in range(2))
    put(bench.archive, kept)
    bench.trouble.errors["open"] = Unavailable("blob store: Input/output error while opening a file")
    assert mend(bench.archive, bench.blobs, kept.blob, again)
    assert events(bench) == [(kept.sop_instance_uid, "damaged")]


def test_of_two_at_once_one_replaces_it(bench: Bench):
    kept = arrival(blob=rot(bench))
    put(bench.archive, kept)
    first, second = (arrival(blob=place(bench.blobs, RIGHT)) for _ in range(2))
    assert mend(bench.archive, bench.blobs, kept.blob, first)
    assert not mend(bench.archive, bench.blobs, kept.blob, second)
    assert bench.instance(kept.sop_instance_uid).blob == first.blob


def test_after_a_commit_that_broke_both_blobs_stay(bench: Bench, monkeypatch: pytest.MonkeyPatch):
    kept = arrival(blob=rot(bench))
    put(bench.archive, kept)
    again = arrival(blob=place(bench.blobs, RIGHT))
    begin = bench.archive.begin

    def broken() -> None:
        raise Unavailable("database: the connection is gone")

    @contextmanager
    def breaking() -> Iterator[Transaction]:
        with begin() as tx:
            tx.commit = broken
            yield tx

    monkeypatch.setattr(bench.archive, "begin", breaking)
    with pytest.raises(InDoubt):
        mend(bench.archive, bench.blobs, kept.blob, again)
    assert bench.keys() == sorted([kept.blob.key, again.blob.key])
