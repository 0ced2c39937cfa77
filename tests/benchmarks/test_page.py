"""Some parts of the benchmark are measured anew; what the page says of the others stays."""

from pathlib import Path

import pytest

from benchmarks import page
from benchmarks.__main__ import PARTS
from benchmarks.receivers import FAST, ORTHANC
from benchmarks.report import OURS, Table
from tests.house.sources import ROOT


def ingest(ours: float) -> Table:
    return Table(
        f"Ingest, {FAST.title}", "instances/s", {OURS: {"39 KB x1": ours}, ORTHANC: {"39 KB x1": 100.0}}
    )


def retrieve(ours: float) -> Table:
    title = "Retrieve a study of 250 instances of 525 KB"
    return Table(title, "instances/s", {OURS: {"C-GET": ours}, ORTHANC: {"C-GET": 100.0}})


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "page.md"
    pairs = ["\n".join(page.marks(part)) for part in (page.MUST_HOLD, "ingest", "retrieve")]
    path.write_text("before\n" + "\nbetween\n".join(pairs) + "\nafter\n")
    return path


def test_a_part_measured_alone_leaves_the_others(file: Path):
    page.write(file, {"ingest": [ingest(410)], "retrieve": [retrieve(150)]}, 1)
    page.write(file, {"ingest": [ingest(290)]}, 10)
    text = file.read_text()
    assert "| Orthanc | 100 (2.9x) |" in text
    assert "1/10 of the load" in text
    assert "| Orthanc | 100 (1.5x) |" in text
    assert "(4.1x)" not in text
    assert text.startswith("before\n")
    assert text.count("between") == 2
    assert text.endswith("\nafter\n")


def test_what_must_hold_is_told_of_each_part_when_it_was_measured(file: Path):
    page.write(file, {"ingest": [ingest(410)], "retrieve": [retrieve(150)]}, 1)
    page.write(file, {"ingest": [ingest(290)]}, 1)
    text = file.read_text()
    assert (
        f"| ingest 39 KB x1, {FAST.title} | Orthanc with TCP_NODELAY=1 | at least 3 x | 2.90 x, missed |"
        in text
    )
    assert "| C-GET of 250 instances | Orthanc | at least 2 x | 1.50 x, missed |" in text
    assert "4.10 x" not in text


def test_a_ratio_that_could_not_be_measured_again_is_gone(file: Path):
    page.write(file, {"ingest": [ingest(410)]}, 1)
    page.write(
        file, {"ingest": [Table(f"Ingest, {FAST.title}", "instances/s", {OURS: {"39 KB x1": 400.0}})]}, 1
    )
    assert "Must hold" not in file.read_text()


def test_a_page_without_the_marks_is_left_as_it_is(file: Path):
    before = file.read_text()
    with pytest.raises(SystemExit, match="no marks"):
        page.write(file, {"ingest": [ingest(410)], "syncs": [retrieve(1)]}, 1)
    assert file.read_text() == before


def test_our_page_has_marks_for_every_part():
    text = (ROOT / "docs" / "performance.md").read_text()
    assert [
        part for part in (page.MUST_HOLD, *PARTS) for mark in page.marks(part) if text.count(mark) != 1
    ] == []
