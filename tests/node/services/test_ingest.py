import hashlib
import io
import threading

import pydicom
import pytest

from node.intake.buffers import BUFFER
from node.intake.part10 import encode_meta
from node.services.ingest import Claim
from storage.records.arrival import Origin, Verdict, Way
from storage.records.history import ConflictKind
from tests.support import samples
from tests.support.ingest import ORIGIN, send
from tests.support.samples import BIG, DEFLATED, EXPLICIT, IMPLICIT, NAMES, ct, encode, named


@pytest.mark.parametrize("syntax", [EXPLICIT, IMPLICIT, samples.BIG_ENDIAN, DEFLATED])
def test_the_bytes_as_they_came_with_our_own_header_before_them(bench, syntax):
    dataset = ct(rows=BIG)
    sent = encode(dataset, syntax)
    outcome = send(bench.ingest(), dataset, syntax=syntax)
    assert (outcome.verdict, outcome.refusal, outcome.reason) == (Verdict.STORED, None, "")
    stored = bench.instance(dataset.SOPInstanceUID)
    assert stored.transfer_syntax_uid == syntax
    assert stored.study_instance_uid == dataset.StudyInstanceUID
    assert stored.blob.digest == hashlib.sha256(sent).hexdigest()
    assert bench.dataset_of(dataset.SOPInstanceUID) == sent
    whole = bench.bytes_of(stored.blob.key)
    head = encode_meta(samples.CT_CLASS, dataset.SOPInstanceUID, syntax, "CT1")
    assert whole[: stored.blob.offset] == head
    read = pydicom.dcmread(io.BytesIO(whole))
    assert read.PatientID == dataset.PatientID
    assert read.PixelData == dataset.PixelData or syntax == samples.BIG_ENDIAN
    assert len(bench.keys()) == 1
    assert not bench.leftovers()


def test_fragments_of_any_size(bench):
    for number, step in enumerate((1, 7, 1024, 131066, 1 << 20)):
        dataset = ct(number, rows=4 if step == 1 else BIG)
        assert send(bench.ingest(), dataset, step=step).verdict is Verdict.STORED
        assert bench.dataset_of(dataset.SOPInstanceUID) == encode(dataset)


def test_a_dataset_that_just_fills_the_buffer(bench):
    base = len(encode(ct(PixelData=b"")))
    for number, around in enumerate((-2, 0, 2)):
        for buffers in (1, 2):
            dataset = ct(number, series=buffers, PixelData=bytes(buffers * BUFFER - base + around))
            whole = encode(dataset)
            assert abs(len(whole) - buffers * BUFFER) <= 4
            reception = bench.ingest().begin(Claim("", "", EXPLICIT), ORIGIN)
            reception.write([whole])
            assert reception.finish().verdict is Verdict.STORED
            assert bench.dataset_of(dataset.SOPInstanceUID) == whole


def test_names_are_indexed_in_unicode(bench):
    ingest = bench.ingest()
    for study, name in enumerate(NAMES, start=1):
        assert send(ingest, named(name, study=study)).verdict is Verdict.STORED
    with bench.archive.read() as tx:
        for study, name in enumerate(NAMES, start=1):
            assert tx.studies.get(f"2.25.4711.{study}").attributes["PatientName"] == name.text


def test_missing_patient_attributes_are_no_reason_to_refuse(bench):
    dataset = ct(PatientID=None, PatientName=None, StudyDate=None, AccessionNumber=None, Modality=None)
    assert send(bench.ingest(), dataset).verdict is Verdict.STORED


def test_a_class_that_only_the_command_names(bench):
    dataset = ct()
    claim = Claim(dataset.SOPClassUID, dataset.SOPInstanceUID, EXPLICIT)
    del dataset.SOPClassUID
    assert send(bench.ingest(), encode(dataset), claim).verdict is Verdict.STORED
    assert bench.instance(dataset.SOPInstanceUID).sop_class_uid == samples.CT_CLASS


def test_who_brought_it_is_kept(bench):
    dataset = ct()
    send(bench.ingest(), dataset, origin=Origin(Way.STOW, user="anna"))
    stored = bench.instance(dataset.SOPInstanceUID)
    meta = pydicom.dcmread(io.BytesIO(bench.bytes_of(stored.blob.key))).file_meta
    assert "SourceApplicationEntityTitle" not in meta


def test_the_same_bytes_again_change_nothing(bench):
    ingest, dataset = bench.ingest(), ct()
    send(ingest, dataset)
    first = bench.instance(dataset.SOPInstanceUID)
    for _ in range(3):
        outcome = send(ingest, dataset)
        assert (outcome.verdict, outcome.refusal) == (Verdict.DUPLICATE, None)
    assert bench.instance(dataset.SOPInstanceUID) == first
    assert bench.keys() == [first.blob.key]
    assert not bench.leftovers()


def test_the_same_content_in_another_encoding_is_a_duplicate(bench):
    ingest, dataset = bench.ingest(), ct()
    send(ingest, dataset)
    first = bench.instance(dataset.SOPInstanceUID)
    for syntax in (IMPLICIT, samples.BIG_ENDIAN, DEFLATED):
        assert send(ingest, dataset, syntax=syntax).verdict is Verdict.DUPLICATE
    assert bench.instance(dataset.SOPInstanceUID) == first
    assert bench.keys() == [first.blob.key]
    assert bench.conflicts() == []


def test_other_content_is_kept_beside_the_first(bench):
    ingest, dataset = bench.ingest(), ct()
    send(ingest, dataset)
    first = bench.instance(dataset.SOPInstanceUID)
    other = ct(PatientID="OTHER")
    outcome = send(ingest, other)
    assert (outcome.verdict, outcome.refusal) == (Verdict.CONFLICT, None)
    assert bench.instance(dataset.SOPInstanceUID) == first
    (conflict,) = bench.conflicts()
    assert conflict.kind is ConflictKind.CONTENT
    assert bench.bytes_of(conflict.blob.key)[conflict.blob.offset :] == encode(other)
    assert send(ingest, other).verdict is Verdict.DUPLICATE
    assert send(ingest, dataset).verdict is Verdict.DUPLICATE
    assert len(bench.keys()) == 2


def test_what_cannot_be_compared_is_a_conflict(bench):
    ingest, dataset = bench.ingest(), ct()
    send(ingest, dataset)
    bench.blobs.store.delete(bench.instance(dataset.SOPInstanceUID).blob.key)
    assert send(ingest, dataset, syntax=IMPLICIT).verdict is Verdict.CONFLICT


def test_many_at_once(bench):
    ingest = bench.ingest()
    outcomes = []

    def receive(series: int) -> None:
        for number in range(10):
            outcomes.append(send(ingest, ct(number, series=series)))
            outcomes.append(send(ingest, ct(number, series=99, rows=20)))

    threads = [threading.Thread(target=receive, args=(series,)) for series in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    verdicts = [outcome.verdict for outcome in outcomes]
    assert verdicts.count(Verdict.STORED) == 50
    assert verdicts.count(Verdict.DUPLICATE) == 30
    assert len(bench.keys()) == 50
    assert not bench.leftovers()
