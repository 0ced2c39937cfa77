from pathlib import Path

import pytest

from node.config import load
from node.root import Node
from tests.support.files import Commands, part10, write_files
from tests.support.node import write_config
from tests.support.samples import ct


@pytest.fixture
def run(tmp_path: Path, archive_url: str) -> Commands:
    return Commands(write_config(tmp_path, archive_url))


def test_nothing_is_there(run: Commands):
    assert run.ok("callers") == "Nobody has called who is not a peer.\n"
    assert run.ok("conflicts") == "There are no conflicts.\n"
    assert run.ok("quarantine", "list") == "Nothing is in quarantine.\n"
    assert run.json("callers") == run.json("conflicts") == run.json("quarantine", "list") == []


def test_callers_are_listed(run: Commands):
    with Node.open(load(run.config, {})) as node:
        node.callers.note("CT1\x1b[2J", "10.0.0.7", ["C-STORE", "C-ECHO"], refused=True)
    head, row = run.ok("callers").splitlines()
    assert head.split("  ")[0].startswith("AE TITLE")
    assert row.split()[:5] == ["CT1?[2J", "10.0.0.7", "1", "1", "C-ECHO,"]
    (caller,) = run.json("callers")
    assert (caller["ae_title"], caller["asked"]) == ("CT1\x1b[2J", ["C-ECHO", "C-STORE"])


def test_conflicts_are_listed(run: Commands, tmp_path: Path):
    run.ok("import", write_files(tmp_path / "a", ct(1)))
    run.ok("import", write_files(tmp_path / "b", ct(1, StudyDescription="other")))
    said = run.ok("conflicts")
    assert "content" in said
    assert ct(1).SOPInstanceUID in said
    study = ct(1).StudyInstanceUID
    (conflict,) = run.json("conflicts", "--study", study, "--all")
    assert conflict["study_instance_uid"] == study
    assert conflict["origin"]["way"] == "import"
    assert run.json("conflicts", "--study", "1.2.3") == []


def test_the_quarantine_is_listed(run: Commands, tmp_path: Path):
    (tmp_path / "cut").write_bytes(part10(ct(1))[:-7])
    run("import", tmp_path / "cut")
    (refused,) = run.json("quarantine", "list")
    assert "cut off" in refused["reason"]
    assert refused["blob_size"] > 0
    assert "cut off" in run.ok("quarantine", "list")
