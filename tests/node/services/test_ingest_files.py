import io
import os

import pydicom

from node.intake.files import read_head
from node.intake.part10 import encode_meta
from node.services.ingest import Refusal
from storage.records.arrival import Origin, Verdict, Way
from tests.support import samples
from tests.support.samples import BIG, EXPLICIT, IMPLICIT, ct, encode, pydicom_files

IMPORT = Origin(Way.IMPORT)


def expected(path) -> str | None:
    """The reason for which one of pydicom's files cannot be stored, None where it can."""
    if path.name.startswith("DICOMDIR"):
        return "a DICOMDIR is no instance"
    nameless = "no SOP Instance UID"
    return {
        "empty_charset_LEI.dcm": nameless,
        "nested_priv_SQ.dcm": nameless,
        "meta_missing_tsyntax.dcm": "no DICOM file",  # begins with group 0010
        "no_meta.dcm": "no DICOM file",  # begins with a stray byte
        "MR_truncated.dcm": "cut off within the value of (7FE0,0010)",
        "rtplan_truncated.dcm": "cut off within the value of (300A,012C)",
    }.get(path.name)


def test_every_file_of_pydicom_comes_back_as_it_was(bench):
    ingest = bench.ingest()
    stored = 0
    for path in pydicom_files():
        outcome, reason = ingest.take_file(path, IMPORT), expected(path)
        assert outcome.reason == (reason or ""), path
        if reason in ("a DICOMDIR is no instance", "no DICOM file"):
            continue
        with path.open("rb") as file:
            dataset = read_head(file).rest + file.read()
        if reason:
            kept = bench.bytes_of(bench.quarantined()[-1].blob_key)
            assert kept.endswith(dataset), path
            continue
        stored += 1
        if outcome.verdict is Verdict.CONFLICT:
            blobs = [conflict.blob for conflict in bench.conflicts()]
            assert dataset in {bench.bytes_of(blob.key)[blob.offset :] for blob in blobs}, path
        elif outcome.verdict is Verdict.STORED:
            assert bench.dataset_of(outcome.sop_instance_uid) == dataset, path
        else:
            assert outcome.verdict is Verdict.DUPLICATE, path
    assert stored > 150


def test_a_file_from_a_stream_without_meta_information(bench):
    dataset = ct()
    outcome = bench.ingest().take_file(io.BytesIO(encode(dataset, IMPLICIT)), IMPORT)
    assert outcome.verdict is Verdict.STORED
    stored = bench.instance(dataset.SOPInstanceUID)
    assert stored.transfer_syntax_uid == IMPLICIT
    meta = pydicom.dcmread(io.BytesIO(bench.bytes_of(stored.blob.key))).file_meta
    assert meta.MediaStorageSOPInstanceUID == dataset.SOPInstanceUID
    assert meta.MediaStorageSOPClassUID == dataset.SOPClassUID


def test_meta_information_that_names_another_instance_does_not_count(bench):
    dataset = ct()
    file = io.BytesIO(encode_meta(samples.MR_CLASS, "1.2.3", EXPLICIT) + encode(dataset))
    assert bench.ingest().take_file(file, IMPORT).verdict is Verdict.STORED
    stored = bench.instance(dataset.SOPInstanceUID)
    meta = pydicom.dcmread(io.BytesIO(bench.bytes_of(stored.blob.key))).file_meta
    assert meta.MediaStorageSOPInstanceUID == dataset.SOPInstanceUID


def test_what_is_no_dicom_file_is_not_kept_at_all(bench, tmp_path):
    path = tmp_path / "README.txt"
    path.write_text("hello " * 100)
    outcome = bench.ingest().take_file(path, IMPORT)
    assert (outcome.refusal, outcome.reason) == (Refusal.CANNOT_UNDERSTAND, "no DICOM file")
    assert bench.quarantined() == []


def test_a_file_that_cannot_be_read(bench, tmp_path):
    ingest = bench.ingest()
    for path in (tmp_path / "missing.dcm", tmp_path):
        outcome = ingest.take_file(path, IMPORT)
        assert outcome.refusal is Refusal.FAILURE
        assert outcome.reason.startswith("cannot be read: ")


def test_reading_stops_when_it_is_refused(bench):
    class Endless(io.RawIOBase):
        def __init__(self) -> None:
            self.given = 0

        def read(self, size: int = -1) -> bytes:
            self.given += size
            assert self.given < 100 << 20
            return encode(ct())[:200] if self.given == size else bytes(size)

    assert bench.ingest(max_dataset=1 << 20).take_file(Endless(), IMPORT).refusal is Refusal.TOO_LARGE


def test_a_stream_that_breaks_leaves_nothing(bench):
    class Breaking(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            data = super().read(size)
            if not data:
                raise OSError(5, os.strerror(5))
            return data

    outcome = bench.ingest().take_file(Breaking(encode(ct(rows=BIG))), IMPORT)
    assert (outcome.refusal, outcome.reason) == (Refusal.FAILURE, "cannot be read: Input/output error")
    assert bench.keys() == []
    assert not bench.leftovers()
