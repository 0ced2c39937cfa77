import hashlib

import pytest

from node.services.ingest import Claim
from node.services.quarantine import Quarantine
from node.services.space import Space
from storage.errors import InDoubt, OutOfSpace, Unavailable
from tests.support.ingest import ORIGIN, Bench

CLAIM = Claim("1.2.840.10008.5.1.4.1.1.2", "1.2.3", "1.2.840.10008.1.2.1")


def quarantine(bench: Bench, floor: int = 0) -> Quarantine:
    return Quarantine(bench.archive, bench.blobs, Space(bench.blobs, floor=floor, held=0))


def test_the_bytes_are_kept_with_the_reason(bench):
    quarantine(bench).keep([b"abc", memoryview(b"def")], "cut off", CLAIM, ORIGIN)
    (kept,) = bench.quarantined()
    assert bench.bytes_of(kept.blob_key) == b"abcdef"
    assert (kept.blob_size, kept.digest) == (6, hashlib.sha256(b"abcdef").hexdigest())
    assert (kept.reason, kept.origin) == ("cut off", ORIGIN)
    assert (kept.sop_class_uid, kept.sop_instance_uid, kept.transfer_syntax_uid) == (
        CLAIM.sop_class_uid,
        CLAIM.sop_instance_uid,
        CLAIM.transfer_syntax_uid,
    )


def test_the_same_bytes_are_kept_once_for_each_name(bench):
    for _ in range(2):
        quarantine(bench).keep([b"abc"], "cut off", CLAIM, ORIGIN)
        quarantine(bench).keep([b"abc"], "cut off", Claim("", "1.2.4", ""), ORIGIN)
    assert len(bench.quarantined()) == len(bench.keys()) == 2
    assert not bench.leftovers()


def test_what_a_sender_claims_is_made_safe_to_show(bench):
    quarantine(bench).keep([b"abc"], "r", Claim("1.2\0\n\x1b[31m", "é" * 100, "../../x"), ORIGIN)
    (kept,) = bench.quarantined()
    assert kept.sop_class_uid == "1.2???[31m"
    assert kept.sop_instance_uid == "?" * 64
    assert kept.transfer_syntax_uid == "../../x"


@pytest.mark.parametrize("step", ["create", "write", "place", "sync"])
def test_what_cannot_be_kept_leaves_nothing(bench, step):
    bench.trouble.errors[step] = Unavailable("gone")
    with pytest.raises(Unavailable):
        quarantine(bench).keep([b"abc" * 100], "cut off", CLAIM, ORIGIN)
    bench.trouble.errors.clear()
    assert bench.quarantined() == []
    assert bench.keys() == []
    assert not bench.leftovers()


def test_it_leaves_the_floor_free(bench):
    bench.trouble.left = 100
    with pytest.raises(OutOfSpace):
        quarantine(bench, floor=50).keep([b"x" * 51], "cut off", CLAIM, ORIGIN)
    assert bench.keys() == []


def test_when_nobody_knows_whether_it_was_saved_the_blob_stays(bench, monkeypatch):
    begin = bench.archive.begin

    def breaking():
        tx = begin()

        def commit() -> None:
            type(tx).commit(tx)
            raise Unavailable("the connection broke")

        monkeypatch.setattr(tx, "commit", commit)
        return tx

    monkeypatch.setattr(bench.archive, "begin", breaking)
    monkeypatch.setattr(bench.archive, "read", lambda: begin(write=False))
    with pytest.raises(InDoubt):
        quarantine(bench).keep([b"abc"], "cut off", CLAIM, ORIGIN)
    (kept,) = bench.quarantined()
    assert bench.bytes_of(kept.blob_key) == b"abc"
