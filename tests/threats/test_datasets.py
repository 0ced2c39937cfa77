"""Datasets that mean harm: bombs (T4), deep nesting (T7), UIDs as paths (T8), polyglots (T11)."""

import io
import struct

from node.intake.part10 import PREAMBLE, encode_meta
from node.services.ingest import Claim, Refusal
from storage.records.arrival import Origin, Verdict, Way
from tests.support import samples
from tests.support.ingest import refused, send
from tests.support.samples import DEFLATED, EXPLICIT, ct, encode

IMPORT = Origin(Way.IMPORT)


HOSTILE = [b"../../x", b"/etc/passwd ", b"1.2\0.3\0", b"1." + b"2" * 64, b"1.2\\1.3", b"$(id)"]


IDENTITY = {0x00080018: "SOPInstanceUID", 0x0020000D: "StudyInstanceUID", 0x0020000E: "SeriesInstanceUID"}


def test_a_uid_that_is_a_path_or_worse(bench, tmp_path):
    ingest = bench.ingest()
    for tag, keyword in IDENTITY.items():
        for value in HOSTILE:
            dataset = samples.insert(encode(ct(**{keyword: None})), {tag: (b"UI", value)})
            claim = Claim(samples.CT_CLASS, value.decode(), EXPLICIT) if tag == 0x00080018 else None
            outcome = send(ingest, dataset, claim)
            refused(bench, outcome, Refusal.CANNOT_UNDERSTAND, "is not a UID")
            assert outcome.sop_instance_uid in ("", "2.25.4711.1.1.1")
    outside = {path.name for path in tmp_path.rglob("*") if path.is_file()}
    if bench.root is not None:
        outside -= {path.name for path in bench.root.rglob("*")}
    assert outside <= {"index.db", "index.db-wal", "index.db-shm"}


def test_hostile_values_elsewhere_are_just_text(bench):
    dataset = ct(PatientID="../../x", PatientName="/etc/passwd", AccessionNumber="$(id)")
    assert send(bench.ingest(), dataset).verdict is Verdict.STORED


def test_sequences_without_end_are_refused_and_the_next_is_taken(bench):
    header = struct.pack("<HH2sxxL", 0x0008, 0x1140, b"SQ", 0xFFFFFFFF)
    item = struct.pack("<HHL", 0xFFFE, 0xE000, 0xFFFFFFFF)
    ingest = bench.ingest()
    outcome = send(ingest, encode(ct()) + (header + item) * 30_000)
    refused(bench, outcome, Refusal.CANNOT_UNDERSTAND, "deeper than 64")
    assert send(ingest, ct()).verdict is Verdict.STORED


def test_a_bomb_is_refused(bench):
    dataset = ct(PixelData=bytes(100 << 20))
    outcome = send(bench.ingest(), dataset, syntax=DEFLATED)
    refused(bench, outcome, Refusal.CANNOT_UNDERSTAND, "inflates to more than 256 times")


def test_a_preamble_that_is_a_program_is_not_kept(bench):
    dataset = ct()
    meta = encode_meta(samples.CT_CLASS, dataset.SOPInstanceUID, EXPLICIT)
    polyglot = b"MZ\x90\0#!/bin/sh".ljust(128, b"x") + meta[128:] + encode(dataset)
    assert bench.ingest().take_file(io.BytesIO(polyglot), IMPORT).verdict is Verdict.STORED
    whole = bench.bytes_of(bench.instance(dataset.SOPInstanceUID).blob.key)
    assert whole[:132] == PREAMBLE
