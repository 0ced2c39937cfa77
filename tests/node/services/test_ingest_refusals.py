import pytest

from node.intake.part10 import encode_meta
from node.services.ingest import Claim, Refusal
from storage.records.arrival import Verdict
from tests.support import samples
from tests.support.ingest import ORIGIN, refused, send
from tests.support.samples import BIG, EXPLICIT, ct, encode


@pytest.mark.parametrize("rows", [4, BIG])
def test_a_dataset_that_is_cut_off(bench, rows):
    dataset = ct(rows=rows)
    cut = encode(dataset)[:-10]
    claim = Claim(dataset.SOPClassUID, dataset.SOPInstanceUID, EXPLICIT)
    outcome = send(bench.ingest(), cut, claim)
    whole = refused(bench, outcome, Refusal.CANNOT_UNDERSTAND, "cut off within the value of (7FE0,0010)")
    assert whole == encode_meta(claim.sop_class_uid, claim.sop_instance_uid, EXPLICIT, "CT1") + cut
    kept = bench.quarantined()[0]
    assert (kept.sop_instance_uid, kept.origin) == (dataset.SOPInstanceUID, ORIGIN)


def test_a_scanner_that_tries_again_fills_no_quarantine(bench):
    ingest = bench.ingest()
    for rows in (4, BIG):
        for _ in range(3):
            outcome = send(ingest, encode(ct(rows=rows))[:-10])
            assert outcome.refusal is Refusal.CANNOT_UNDERSTAND
    assert len(bench.quarantined()) == len(bench.keys()) == 2
    assert not bench.leftovers()


def test_a_dataset_without_a_name(bench):
    for nothing in (None, ""):
        outcome = send(bench.ingest(), encode(ct(SOPInstanceUID=nothing)), Claim("", "", EXPLICIT))
        refused(bench, outcome, Refusal.CANNOT_UNDERSTAND, "no SOP Instance UID")


def test_another_dataset_than_was_announced(bench):
    dataset = ct()
    ingest = bench.ingest()
    other = send(ingest, dataset, Claim(dataset.SOPClassUID, "1.2.3", EXPLICIT))
    refused(bench, other, Refusal.MISMATCH, "SOP Instance UID")
    kind = send(ingest, dataset, Claim(samples.MR_CLASS, dataset.SOPInstanceUID, EXPLICIT))
    refused(bench, kind, Refusal.MISMATCH, "SOP Class UID")
    assert send(ingest, dataset).verdict is Verdict.STORED


def test_what_is_too_large_is_not_kept(bench):
    ingest = bench.ingest(max_dataset=300_000)
    outcome = send(ingest, ct(rows=BIG))
    assert (outcome.verdict, outcome.refusal) == (None, Refusal.TOO_LARGE)
    assert bench.keys() == []
    assert not bench.leftovers()
    assert send(ingest, ct(rows=16)).verdict is Verdict.STORED


def test_nothing_at_all_came(bench):
    refused(bench, send(bench.ingest(), b""), Refusal.CANNOT_UNDERSTAND, "no SOP Instance UID")


def test_an_association_that_dies_leaves_nothing(bench):
    for rows in (4, BIG):
        reception = bench.ingest().begin(Claim("", "", EXPLICIT), ORIGIN)
        reception.write([encode(ct(rows=rows))])
        reception.abandon()
        reception.write([b"more"])
        assert reception.finish().refusal is Refusal.FAILURE
    assert bench.keys() == []
    assert not bench.leftovers()
