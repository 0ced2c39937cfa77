import contextlib
import json
import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.files import Commands, part10, write_files
from tests.support.node import write_config
from tests.support.rot import rot
from tests.support.samples import ct, encode, mr, pydicom_files

STUDY = ct(1).StudyInstanceUID


@pytest.fixture
def run(tmp_path: Path, archive_url: str) -> Commands:
    return Commands(write_config(tmp_path, archive_url))


def test_in_and_out_again(run: Commands, tmp_path: Path):
    folder = write_files(tmp_path / "in", ct(1), mr(1))
    (folder / "notes.txt").write_text("x")
    assert run.ok("import", folder).splitlines() == [
        "2 new, 0 that the archive had already, 0 in conflict with what it had",
        "1 skipped: not a DICOM file",
    ]
    done = run.json("import", folder)
    assert (done["stored"], done["duplicates"]) == (0, 2)
    out = tmp_path / "out"
    assert run.ok("export", STUDY, "--to", out) == f"2 files written to {out}, 0 were there already\n"
    assert run.json("export", STUDY, "--to", out)["unchanged"] == 2
    (path,) = out.rglob(f"{ct(1).SOPInstanceUID}.dcm")
    assert path.read_bytes() == part10(ct(1))


def test_what_was_not_taken_is_told_and_is_no_success(run: Commands, tmp_path: Path):
    folder = write_files(tmp_path / "in", ct(1))
    for number in range(12):
        (folder / f"cut{number:02}").write_bytes(part10(ct(2))[: -7 - 2 * number])
    result = run("import", folder)
    assert result.exit_code == 1
    assert result.stderr == "isocentre: 12 files were not taken\n"
    assert result.stdout.startswith("1 new,")
    assert f"{folder / 'cut00'}: cut off" in result.stdout
    assert result.stdout.endswith("… and 2 more\n")
    told = json.loads(run("import", folder, "--json").stdout)
    assert len(told["refused"]) == 12


def test_a_folder_without_dicom_is_no_success(run: Commands, tmp_path: Path):
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "notes.txt").write_text("x")
    result = run("import", tmp_path / "in")
    assert (result.exit_code, result.stderr) == (1, "isocentre: there was no DICOM file\n")
    assert "there is no such file or folder" in run.fails("import", tmp_path / "nowhere")
    assert run("import").exit_code == 2


def test_an_export_that_cannot_be_is_told(run: Commands, tmp_path: Path):
    assert run.fails("export", "1.2.3", "--to", tmp_path / "out") == "there is no study 1.2.3 in the archive"
    run.ok("import", write_files(tmp_path / "in", ct(1)))
    (tmp_path / "out").write_text("x")
    assert "Not a directory" in run.fails("export", STUDY, "--to", tmp_path / "out")


def test_bytes_that_rotted_are_told(run: Commands, tmp_path: Path):  # T25
    run.ok("import", write_files(tmp_path / "in", ct(1), ct(2)))
    rot(tmp_path / "data" / "blobs", encode(ct(1)), at=700)
    result = run("export", STUDY, "--to", tmp_path / "out")
    assert result.exit_code == 1
    assert result.stderr.splitlines()[-1] == "isocentre: 1 instances could not be exported"  # behind the log
    assert result.stdout.startswith("1 files written")


def test_progress_is_shown_on_a_terminal_alone(tmp_path: Path):
    config = write_config(tmp_path)
    folder = write_files(tmp_path / "in", ct(1), ct(2))
    terminal, end = pty.openpty()
    program = [
        str(Path(sys.executable).with_name("isocentre")),
        "import",
        str(folder),
        "--config",
        str(config),
    ]
    environ = {**os.environ, "TERM": "xterm", "COLUMNS": "80"}
    run = subprocess.Popen(program, stdout=subprocess.PIPE, stderr=end, env=environ)
    os.close(end)
    shown = b""
    with contextlib.suppress(OSError):  # that is how a terminal ends
        while more := os.read(terminal, 4096):
            shown += more
    os.close(terminal)
    out, _ = run.communicate(timeout=60)
    assert run.returncode == 0
    assert b"Importing" in shown
    assert out.decode() == "2 new, 0 that the archive had already, 0 in conflict with what it had\n"


def test_all_of_pydicoms_files_go_through_the_program(tmp_path: Path):
    config = write_config(tmp_path)
    environ = {key: value for key, value in os.environ.items() if not key.startswith("ISOCENTRE_")}
    program = [str(Path(sys.executable).with_name("isocentre"))]
    files = [str(path) for path in pydicom_files()]
    run = subprocess.run(
        [*program, "import", "--json", "--config", str(config), *files],
        capture_output=True,
        text=True,
        check=False,
        env=environ,
    )
    done = json.loads(run.stdout)
    taken = done["stored"] + done["duplicates"] + done["conflicts"]
    assert taken + len(done["refused"]) + len(done["skipped"]) == len(files)
    assert taken > 100
    assert run.stderr.splitlines() == [f"isocentre: {len(done['refused'])} files were not taken"]
