"""Instances that are acknowledged from the receive log: the index comes to what came over the wire."""

import hashlib

import pytest
from pydicom.dataset import Dataset

from node.intake.buffers import BUFFER
from node.services.ingest import Claim, Ingest, Refusal
from storage.blobs.log.journal import Journal
from storage.blobs.log.writer import SMALL
from storage.errors import OutOfSpace
from storage.records.arrival import Verdict
from tests.support.arrivals import rows
from tests.support.ingest import ORIGIN
from tests.support.noted import Noted
from tests.support.samples import DEFLATED, EXPLICIT, IMPLICIT, ct, encode


@pytest.fixture
def ingest(noted: Noted) -> Ingest:
    made = Ingest(noted.archive, noted.log, free_floor=0, max_dataset=1 << 30)
    made.keep_notes(noted.journal, noted.log)
    return made


def receive(ingest: Ingest, dataset: Dataset, syntax: str = EXPLICIT, step: int = 16372):
    whole = encode(dataset, syntax)
    claim = Claim(str(dataset.SOPClassUID), str(dataset.SOPInstanceUID), syntax)
    reception = ingest.receive(claim, ORIGIN)
    for begin in range(0, len(whole), step):
        reception.write([whole[begin : begin + step]])
    return reception.finish(), whole


def kept(noted: Noted, uid: str) -> bytes:
    blob = noted.blob_of(uid)
    assert blob is not None
    with noted.log.open(blob.key) as reader:
        data = reader.read_at(blob.offset, blob.size)
    assert hashlib.sha256(data).hexdigest() == blob.digest
    return data


def padded(number: int, size: int) -> Dataset:
    base = len(encode(ct(number, PixelData=b"")))
    return ct(number, PixelData=bytes(size - base & ~1))


@pytest.mark.parametrize("syntax", [EXPLICIT, IMPLICIT, DEFLATED])
def test_the_bytes_as_they_came(noted: Noted, ingest: Ingest, syntax: str):
    dataset = ct(1)
    outcome, sent = receive(ingest, dataset, syntax)
    assert (outcome.verdict, outcome.refusal) == (None, None)
    assert noted.blob_of(dataset.SOPInstanceUID) is None
    assert not noted.journal.settle(0)
    noted.look()
    assert ingest.settle()
    assert kept(noted, dataset.SOPInstanceUID) == sent
    assert rows(noted.archive, "SELECT patient_name FROM study") == [(str(dataset.PatientName),)]
    noted.assert_clean()


@pytest.mark.parametrize("buffers", [1, 2, 6])
@pytest.mark.parametrize("around", [-2, 0, 2])
def test_several_buffers(noted: Noted, ingest: Ingest, buffers: int, around: int):
    dataset = padded(1, buffers * BUFFER + around)
    outcome, sent = receive(ingest, dataset)
    assert (outcome.verdict, outcome.refusal) == (None, None)
    noted.look()
    assert kept(noted, dataset.SOPInstanceUID) == sent


def test_what_is_large_goes_the_longer_way(noted: Noted, ingest: Ingest):
    dataset = padded(1, SMALL + BUFFER)
    outcome, sent = receive(ingest, dataset)
    assert outcome.verdict is Verdict.STORED
    assert kept(noted, dataset.SOPInstanceUID) == sent
    assert noted.log.pages.behind() == 0


def test_when_memory_is_used_up_it_goes_the_longer_way(noted: Noted, ingest: Ingest):
    assert ingest._receiving.budget.take(64 << 20)
    dataset = padded(1, 3 * BUFFER)
    outcome, sent = receive(ingest, dataset)
    assert outcome.verdict is Verdict.STORED
    assert kept(noted, dataset.SOPInstanceUID) == sent


def test_memory_is_given_back_whatever_comes_of_it(noted: Noted, ingest: Ingest):
    dataset = padded(1, 3 * BUFFER)
    receive(ingest, dataset)
    broken_off = ingest.receive(Claim("", "", EXPLICIT), ORIGIN)
    broken_off.write([encode(dataset)])
    broken_off.abandon()
    refused = ingest.receive(Claim(str(dataset.SOPClassUID), "1.2.3", EXPLICIT), ORIGIN)
    refused.write([encode(dataset)])
    assert refused.finish().refusal is Refusal.MISMATCH
    assert ingest._receiving.budget.take(64 << 20)


def test_what_is_refused_is_in_quarantine_whole(noted: Noted, ingest: Ingest):
    dataset = padded(1, 3 * BUFFER)
    reception = ingest.receive(Claim(str(dataset.SOPClassUID), "1.2.3", EXPLICIT), ORIGIN)
    reception.write([encode(dataset)])
    assert reception.finish().refusal is Refusal.MISMATCH
    with noted.archive.read() as tx:
        (found,) = tx.quarantine.list(limit=10)
    with noted.log.open(found.blob_key) as reader:
        assert reader.read_at(0, 1 << 22).endswith(encode(dataset))
    assert noted.log.pages.behind() == 0


def test_without_room_in_the_log_it_becomes_a_file(
    noted: Noted, ingest: Ingest, monkeypatch: pytest.MonkeyPatch
):
    def full(*_: object) -> str:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Journal, "enter", full)
    dataset = padded(1, 3 * BUFFER)
    outcome, sent = receive(ingest, dataset)
    assert outcome.verdict is Verdict.STORED
    assert kept(noted, dataset.SOPInstanceUID) == sent


def test_an_index_too_far_behind_is_told_as_no_room(
    noted: Noted, ingest: Ingest, monkeypatch: pytest.MonkeyPatch
):
    def behind(*_: object) -> str:
        raise OutOfSpace("4096 instances wait for the index")

    monkeypatch.setattr(Journal, "enter", behind)
    outcome, _ = receive(ingest, ct(1))
    assert outcome.refusal is Refusal.OUT_OF_SPACE
    assert list(noted.log.keys()) == []


def test_other_doors_are_in_the_index_at_once(noted: Noted, ingest: Ingest):
    dataset = ct(1)
    reception = ingest.begin(Claim("", "", EXPLICIT), ORIGIN)
    reception.write([encode(dataset)])
    assert reception.finish().verdict is Verdict.STORED
    assert noted.blob_of(dataset.SOPInstanceUID) is not None
