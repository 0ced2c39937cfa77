import json
import subprocess
from pathlib import Path

import pytest

from tests.support.dcmtk import tool
from tests.support.faulty import Act, Fault, faulty
from tests.support.files import Commands, write_files
from tests.support.node import Running, write_config
from tests.support.samples import ct, mr
from tests.support.strangers import dcmqrscp

STUDY = ct(1).StudyInstanceUID


@pytest.fixture
def run(tmp_path: Path, archive_url: str) -> Commands:
    return Commands(write_config(tmp_path, archive_url))


def know(run: Commands, port: int, ae_title: str = "ISOCENTRE") -> None:
    run.ok("peer", "add", "it", "--ae-title", ae_title, "--host", "127.0.0.1", "--port", port)


def test_a_study_goes_to_a_stranger_is_found_and_comes_back(run: Commands, tmp_path: Path):
    (tmp_path / "archive").mkdir()
    run.ok("import", write_files(tmp_path / "in", ct(1), mr(1)))
    with dcmqrscp(tmp_path / "archive") as stranger:
        know(run, stranger.port, "ARCHIVE")
        assert run.ok("send", STUDY, "--to", "it") == "2 of 2 instances sent to it\n"
        found = run.ok("find", "it", "PatientID=P00001")
        assert STUDY in found
        assert found.startswith("StudyDate")
        (series,) = run.json(
            "find", "it", "--level", "series", f"StudyInstanceUID={STUDY}", "Modality=MR", "--limit", 5
        )
        assert series["SeriesInstanceUID"] == mr(1).SeriesInstanceUID
        assert run.ok("find", "it", "PatientID=nobody") == "Nothing matches.\n"
        assert run.ok("get", "it", STUDY).startswith("0 new, 2 that the archive had already")
        (tmp_path / "other").mkdir()
        other = Commands(write_config(tmp_path / "other"))
        know(other, stranger.port, "ARCHIVE")
        assert other.json("get", "it", STUDY)["stored"] == 2
        assert "it has no study 1.2.3" in other.fails("get", "it", "1.2.3")


def test_a_stranger_finds_what_was_sent_to_a_node(run: Commands, tmp_path: Path, start_node):
    running: Running = start_node(database={"url": ""})
    run.ok("import", write_files(tmp_path / "in", ct(1), mr(1)))
    know(run, running.port)
    assert run.json("send", STUDY, "--to", "it")["sent"] == 2
    keys = ["-k", "QueryRetrieveLevel=STUDY", "-k", f"StudyInstanceUID={STUDY}"]
    found = subprocess.run(
        [tool("findscu"), "-S", "-aec", "ISOCENTRE", *keys, "127.0.0.1", str(running.port)],
        capture_output=True,
        check=True,
    )
    assert STUDY.encode() in found.stdout + found.stderr


def test_what_was_not_sent_is_told_and_is_no_success(run: Commands, tmp_path: Path):
    run.ok("import", write_files(tmp_path / "in", ct(1), ct(2), ct(3)))
    with faulty(Fault(1, Act.STATUS, 0xB000), Fault(2, Act.STATUS, 0xC000)) as other:
        know(run, other.port)
        result = run("send", STUDY, "--to", "it")
    assert (result.exit_code, result.stderr) == (1, "isocentre: 1 instances were not sent\n")
    assert result.stdout.startswith("2 of 3 instances sent to it\n1 of them taken with a warning\n")
    assert f"{ct(2).SOPInstanceUID}: cannot understand the data set (0xC000)" in result.stdout


def test_without_anybody_there(run: Commands, tmp_path: Path):
    run.ok("import", write_files(tmp_path / "in", ct(1)))
    with faulty() as other:
        know(run, other.port)
    for command in (["send", STUDY, "--to", "it"], ["find", "it"], ["get", "it", STUDY]):
        assert "refused the connection" in run.fails(*command)


def test_mistakes_are_told(run: Commands):
    know(run, 9)
    assert "is not known; known are it" in run.fails("send", STUDY, "--to", "ti")
    assert "there is no study" in run.fails("send", "1.2.3", "--to", "it")
    assert "write a key as KEYWORD=VALUE" in run.fails("find", "it", "PatientID")
    assert "write a key as KEYWORD=VALUE" in run.fails("find", "it", "=x")
    assert "is no keyword of DICOM" in run.fails("find", "it", "PatientNam=x")
    assert run("find", "it", "--level", "ROOM").exit_code == 2


def test_what_this_node_cannot_take_is_told(tmp_path: Path, start_node, sqlite_url: str):
    running: Running = start_node(database={"url": ""})
    full = Commands(write_config(tmp_path, sqlite_url, blobs={"free_floor_mib": 1 << 40}))
    know(full, running.port)
    (tmp_path / "source").mkdir()
    source = Commands(write_config(tmp_path / "source"))
    source.ok("import", write_files(tmp_path / "in", ct(1)))
    know(source, running.port)
    source.ok("send", STUDY, "--to", "it")
    result = full("get", "it", STUDY, "--json")
    assert result.exit_code == 1
    assert "1 instances were not taken" in result.stderr
    assert list(json.loads(result.stdout)["refused"]) == [ct(1).SOPInstanceUID]
