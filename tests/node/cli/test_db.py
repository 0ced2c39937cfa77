import contextlib
import json
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from storage.blobs.open import open_blobs
from storage.blobs.protocol import BlobStore
from tests.support.files import Commands, write_files
from tests.support.node import write_config
from tests.support.rot import rot
from tests.support.samples import ct, encode, mr


def test_the_schema_is_made_and_kept(tmp_path: Path, empty_url: str):
    run = Commands(write_config(tmp_path, empty_url))
    assert run.json("db", "upgrade")["upgraded"] is True
    assert "was up to date" in run.ok("db", "upgrade")


@pytest.fixture
def run(tmp_path: Path, archive_url: str) -> Commands:
    """The commands of an archive with three instances."""
    commands = Commands(write_config(tmp_path, archive_url))
    commands.ok("import", write_files(tmp_path / "in", ct(1), ct(2), mr(1)))
    return commands


def test_an_archive_as_it_should_be(run: Commands):
    assert run.ok("db", "verify").endswith("bytes compared, 0 findings\n")
    report = run.json("db", "verify")
    assert (report["clean"], report["blobs"], report["wrong"], report["findings"]) == (True, 3, 0, [])


def _holds(blobs: BlobStore, key: str, uid: str) -> bool:
    with blobs.open(key) as reader:
        return uid.encode() in b"".join(reader.chunks())


def test_what_is_wrong_is_told_and_is_no_success(run: Commands, tmp_path: Path):  # T25
    rot(tmp_path / "data" / "blobs", encode(ct(1)), at=700)
    with contextlib.closing(open_blobs("", tmp_path / "data")) as blobs:
        blobs.delete(next(key for key in list(blobs.keys()) if not _holds(blobs, key, ct(1).SOPInstanceUID)))
    result = run("db", "verify")
    assert result.exit_code == 1
    assert result.stderr.startswith("isocentre: 2 findings")
    assert "missing: " in result.stdout
    assert "damaged: " in result.stdout
    report = json.loads(run("db", "verify", "--json").stdout)
    assert {finding["kind"] for finding in report["findings"]} == {"missing", "damaged"}
    assert report["clean"] is False


def test_a_copy_is_made_and_brought_up_to_date(run: Commands, tmp_path: Path):
    target = tmp_path / "backup"
    done = run.json("db", "backup", "--to", target)
    assert done["copied"] + done["linked"] == 3
    run.ok("import", write_files(tmp_path / "more", ct(3)))
    done = run.json("db", "backup", "--to", target)
    assert (done["copied"] + done["linked"], done["kept"]) == (1, 3)
    assert "The database is in" in run.ok("db", "backup", "--to", target)
    (tmp_path / "file").touch()
    assert run("db", "backup", "--to", tmp_path / "file").exit_code == 2


def test_a_copy_of_files_is_an_archive(tmp_path: Path, sqlite_url: str):
    run = Commands(write_config(tmp_path, sqlite_url))
    run.ok("import", write_files(tmp_path / "in", ct(1), ct(2)))
    run.ok("db", "backup", "--to", tmp_path / "backup")
    (tmp_path / "new").mkdir()
    restored = Commands(write_config(tmp_path / "new"))
    shutil.copytree(tmp_path / "backup", tmp_path / "new" / "data")
    assert restored.json("db", "verify")["blobs"] == 2
    with sqlite3.connect(tmp_path / "new" / "data" / "index.db") as connection:
        assert connection.execute("SELECT count(*) FROM instance").fetchone() == (2,)
    connection.close()
    assert restored.json("export", ct(1).StudyInstanceUID, "--to", tmp_path / "out")["written"] == 2


def test_an_index_that_is_lost_is_made_anew(tmp_path: Path):
    run = Commands(write_config(tmp_path))
    run.ok("import", write_files(tmp_path / "in", ct(1), ct(2), mr(1)))
    for path in (tmp_path / "data").glob("index.db*"):
        path.unlink()
    assert run.json("db", "adopt") == {"stored": 3, "duplicates": 0, "conflicts": 0, "refused": {}}
    assert run.json("db", "verify")["clean"]
    assert run.ok("db", "adopt") == "0 instances taken in, 0 were there already, 0 conflicts\n"


DYING = """
import os, sys
from pathlib import Path
from node.config import load
from node.root import Node
from storage.records.arrival import Origin, Way
node = Node.open(load(Path(sys.argv[1]), {}))
for path in sorted(Path(sys.argv[2]).iterdir()):
    print(node.ingest.take_file(path, Origin(Way.IMPORT)).verdict, flush=True)
os._exit(9)
"""


def test_what_a_killed_process_kept_is_taken_in_though_its_index_is_lost(tmp_path: Path):
    run = Commands(write_config(tmp_path))
    folder = write_files(tmp_path / "in", ct(1), ct(2))
    done = subprocess.run(
        [sys.executable, "-c", DYING, run.config, folder], stdout=subprocess.PIPE, text=True, check=False
    )
    assert done.stdout.split() == ["stored", "stored"]
    for path in (tmp_path / "data").glob("index.db*"):
        path.unlink()
    assert run.json("db", "adopt")["stored"] == 2
