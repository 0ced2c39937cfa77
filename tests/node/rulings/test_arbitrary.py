"""Whatever a data set holds: it is stored, decided on, and what was kept of that explains the decision."""

import itertools
import time
from collections.abc import Mapping
from datetime import timedelta, timezone
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from structlog.testing import capture_logs

from rules.facts import Facts
from rules.trace import explain
from storage.records.arrival import Verdict
from storage.records.rulings import Ruling
from tests.support.ingest import send
from tests.support.ruled import Ruled
from tests.support.samples import CT_CLASS, ROOT, insert

RULES = """
[[rule]]
name = "indexed, of several types"
when = 'Modality == "CT" and Rows > 100 and ImageType[0] == "ORIGINAL"'
then = [{ action = "route", to = ["PACS", "BACK"] }]

[[rule]]
name = "not indexed"
when = 'DeviceSerialNumber =~ "[0-9]+" or AcquisitionDateTime > d"2001-01-01"'
then = [{ action = "route", to = "PACS", alternate = "OTHER" }]

[[rule]]
name = "by tag"
when = 'tag["0018,0050"] <= 1.5 and tag["0018,FFF0"] != 3'
then = [{ action = "route", to = "THIN" }]
unknown = "fire"

[[rule]]
name = "private"
when = 'private["0019,SIEMENS MR HEADER,0C"] > 500'
then = [{ action = "infer", model = "lung" }]

[[rule]]
name = "origin"
when = 'origin.calling_ae == "CT1" and "CT1" in origin.path and origin.way == "dimse"'
then = [{ action = "route", to = "BACK" }, { action = "tag", label = "of ours" }]

[[rule]]
name = "class, syntax and clock"
when = 'sop_class.name =~~ "CT" and transfer_syntax.uid != "" and time.hour >= 0 and time.weekday != "Sunday"'
then = [{ action = "deidentify", profile = "basic", keep = true }]
window = { hours = "03:00-03:01" }

[[rule]]
name = "moments and ages"
when = 'PatientAge >= 18 and StudyDate.year > 2000 and StudyTime < t"PT12H"'
then = [{ action = "assign", centre = "North" }]
unknown = "skip"

[[rule]]
name = "names"
when = 'PatientName.as_lower =~~ "[ü-ÿ]" or PatientName.length > 20'
then = [{ action = "hold", reason = "look" }]

[[rule]]
name = "lists"
when = '$any([x =~ "AX" for x in ImageType]) and PixelSpacing[0] / PixelSpacing[1] > 0.5'
then = [{ action = "discard", reason = "of no use" }]
unknown = "skip"

[[rule]]
name = "on series"
on = "series"
when = 'series.instances > 0 and (SeriesDescription ?? "x") != "" and InstanceNumber >= 0'
then = [{ action = "route", to = "PACS" }]

[[rule]]
name = "on a study"
on = "study"
when = '"CT" in study.modalities and study.instances >= 1 and study.complete'
requires = ['SeriesNumber > 0']
then = [{ action = "tag", label = "whole" }]

[[rule]]
name = "labels"
when = '"of ours" in labels or StationName.starts_with("CT")'
then = [{ action = "route", to = "PACS" }]
stop = true

[[rule]]
name = "the rest"
when = 'SeriesDescription != null'
then = [{ action = "route", to = "OTHER" }]
"""

# Tag to the VR it should have, and what it may well hold.
ELEMENTS: Mapping[int, tuple[bytes, tuple[bytes, ...]]] = {
    0x00080005: (b"CS", (b"ISO_IR 192", b"ISO_IR 100", rb"\ISO 2022 IR 87", b"KLINGON ")),
    0x00080008: (b"CS", (rb"ORIGINAL\PRIMARY\AXIAL", b"DERIVED ", rb"\\AX", b"\\")),
    0x00080020: (b"DA", (b"20240131", b"20240230", b"2024.01.31", b"00000000")),
    0x0008002A: (b"DT", (b"20240131101112.5+0200 ", b"2024", b"99999999999999")),
    0x00080030: (b"TM", (b"101112", b"10:11", b"246060", b"1011.5")),
    0x00080060: (b"CS", (b"CT", b"MR", b"CT ", rb"CT\MR ")),
    0x00081010: (b"SH", (b"CT1 ", b"R\xf6ntgen ")),
    0x0008103E: (b"LO", (b"Thorax", "Schädel ".encode(), b"  ")),
    0x00100010: (b"PN", (b"M\xfcller^J", "山田^太郎".encode(), b"=\x1b$B;3ED\x1b(B", b"^" * 40)),
    0x00101010: (b"AS", (b"045Y", b"45Y ", b"006M", b"-01Y")),
    0x00180050: (b"DS", (b"1.25", b"1e3 ", b"NaN ", b"inf ", b"1,25", b"9" * 16)),
    0x00181000: (b"LO", (b"4711", b"x" * 64)),
    0x0018FFF0: (b"IS", (b"3 ", b"12")),
    0x00190010: (b"LO", (b"SIEMENS MR HEADER ", b"ACME")),
    0x0019100C: (b"IS", (b"1000", b"50")),
    0x00200011: (b"IS", (b"1 ", b"-2", b"2147483648", b"1.5 ")),
    0x00200013: (b"IS", (b"7 ", b"99999999999999999999", b"+1")),
    0x00280010: (b"US", (b"\x00\x02", b"\xff\xff", b"\x00\x02\x00\x02", b"\x00")),
    0x00280030: (b"DS", (rb"0.5\0.5 ", rb"0\0 ", b"0.5 ")),
}
_VRS = (b"CS", b"LO", b"US", b"DS", b"IS", b"PN", b"DA", b"FD", b"UI", b"AT")
_numbers = itertools.count(1)


@st.composite
def _element(draw: st.DrawFn, tag: int) -> tuple[int, tuple[bytes, bytes]] | None:
    """An element as it should be, empty, with other content, of another VR, or not at all."""
    vr, usual = ELEMENTS[tag]
    how = draw(st.sampled_from(("usual", "usual", "usual", "missing", "empty", "odd", "other VR")))
    if how == "missing":
        return None
    value = draw(st.binary(max_size=24)) if how in ("odd", "other VR") else draw(st.sampled_from(usual))
    if how == "other VR":
        vr = draw(st.sampled_from(_VRS))
    return tag, (vr, b"" if how == "empty" else value)


_datasets = st.tuples(*(_element(tag) for tag in ELEMENTS)).map(
    lambda found: dict(each for each in found if each is not None)
)


def _encoded(elements: Mapping[int, tuple[bytes, bytes]], number: int, *, filed: bool) -> tuple[str, bytes]:
    uid = f"{ROOT}.9.{number}"
    named = {0x00080016: CT_CLASS, 0x00080018: uid}
    if filed:
        named |= {0x0020000D: f"{ROOT}.9", 0x0020000E: f"{ROOT}.9.{number % 3}.1"}
    uids = {tag: (b"UI", value.encode() + b"\0" * (len(value) % 2)) for tag, value in named.items()}
    return uid, insert(b"", {**elements, **uids})


def _explained(ruled: Ruled, ruling: Ruling) -> list[dict[str, Any]]:
    """What the rules come to on what was kept, at the moment that was kept."""
    with ruled.archive.read() as tx:
        ruleset = ruled.book.ruleset(tx, ruling.revision)
        titles = ruled.book.titles(tx)
    now = ruling.at.astimezone(timezone(timedelta(minutes=ruling.local)))
    data = explain(ruleset, Facts.from_plain(ruling.seen), now, ruling.level, titles)
    plain = [{k: v for k, v in each.items() if k not in ("when", "trace")} for each in data["decisions"]]
    for each in data["decisions"]:
        if each["outcome"] in ("fired", "not fired", "unknown"):
            assert each["trace"]["result"] is {"fired": True, "not fired": False}.get(each["outcome"])
    return [each for each in plain if each["outcome"] != "not fired"]


def _assert_explained(ruled: Ruled, level: str, row: int) -> None:
    (ruling,) = [each for each in ruled.rulings(level, row) if each.stale_at is None]
    assert list(ruling.outcomes) == _explained(ruled, ruling)


def test_it_is_stored_and_what_was_kept_explains_the_decision(ruled: Ruled):
    ruled.peer("BACK", "CT1")
    ruled.apply(RULES)

    @settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(elements=_datasets, filed=st.booleans())
    def _holds(elements: Mapping[int, tuple[bytes, bytes]], filed: bool) -> None:
        uid, data = _encoded(elements, next(_numbers), filed=filed)
        with capture_logs() as logs:
            outcome = send(ruled.ingest, data)
            assert outcome.verdict is Verdict.STORED, outcome
            _assert_explained(ruled, "instance", ruled.row(uid))
            time.sleep(0.06)  # its study is quiet then
            ruled.settler.look()
        assert [each for each in logs if each["log_level"] in ("error", "critical")] == []
        with ruled.archive.read() as tx:
            subject = tx.subjects.by_uid(uid)
            assert subject is not None
            assert tx.settling.get(subject.place.study_row) is None
        _assert_explained(ruled, "series", subject.place.series_row)
        _assert_explained(ruled, "study", subject.place.study_row)

    _holds()
