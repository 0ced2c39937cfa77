from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pydicom
import pytest

from node.core.errors import UserError
from node.root import Node
from node.services.exporting import export, path_of
from node.services.importing import import_paths
from storage.records.arrival import BlobRef, Origin, Way
from storage.records.objects import StoredInstance
from tests.support.files import part10, write_files
from tests.support.opened import path_of as path_of_blob
from tests.support.samples import DEFLATED, ct, encode, mr

STUDY = ct(1).StudyInstanceUID


def take(node: Node, *paths: Path) -> None:
    done = import_paths(node.ingest, paths, Origin(Way.IMPORT))
    assert not done.refused


@pytest.fixture
def kept(node: Node, tmp_path: Path) -> Node:
    take(node, write_files(tmp_path / "in", ct(1), ct(2), mr(1), ct(1, study=2)))
    return node


def instances(node: Node) -> list[StoredInstance]:
    with node.archive.read() as tx:
        return list(tx.instances.matching(study_uids=[STUDY]))


def test_a_study_comes_out_as_it_came_in(kept: Node, tmp_path: Path):
    advanced = []
    done = export(kept.archive, kept.retrieve, STUDY, tmp_path / "out", advanced.append)
    assert (done.written, done.unchanged, done.failed) == (3, 0, {})
    assert sum(advanced) == 3
    files = {path.relative_to(tmp_path / "out") for path in (tmp_path / "out").rglob("*") if path.is_file()}
    assert files == {
        Path(STUDY, dataset.SeriesInstanceUID, f"{dataset.SOPInstanceUID}.dcm")
        for dataset in (ct(1), ct(2), mr(1))
    }
    for dataset in (ct(1), mr(1)):
        path = tmp_path / "out" / STUDY / dataset.SeriesInstanceUID / f"{dataset.SOPInstanceUID}.dcm"
        assert path.read_bytes() == part10(dataset)
        assert pydicom.dcmread(path).PatientName == dataset.PatientName
    assert done.size == sum((tmp_path / "out" / path).stat().st_size for path in files)


def test_other_transfer_syntaxes_stay(node: Node, tmp_path: Path):
    (tmp_path / "in").write_bytes(part10(ct(1), DEFLATED))
    take(node, tmp_path / "in")
    export(node.archive, node.retrieve, STUDY, tmp_path / "out")
    (path,) = (tmp_path / "out").rglob("*.dcm")
    assert path.read_bytes().endswith(encode(ct(1), DEFLATED))
    assert pydicom.dcmread(path).file_meta.TransferSyntaxUID == DEFLATED


@pytest.mark.parametrize("preamble", [b"MZ", b"\x7fELF", b"#!/bin/sh\n"])
def test_a_preamble_that_is_a_program_does_not_leave(node: Node, tmp_path: Path, preamble: bytes):  # T11
    (tmp_path / "in").write_bytes(part10(ct(1), preamble=preamble.ljust(128, b"x")))
    take(node, tmp_path / "in")
    export(node.archive, node.retrieve, STUDY, tmp_path / "out")
    (path,) = (tmp_path / "out").rglob("*.dcm")
    assert path.read_bytes().startswith(bytes(128) + b"DICM")


def test_again_into_the_same_folder_changes_nothing(kept: Node, tmp_path: Path):
    export(kept.archive, kept.retrieve, STUDY, tmp_path / "out")
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "out").rglob("*")}
    done = export(kept.archive, kept.retrieve, STUDY, tmp_path / "out")
    assert (done.written, done.unchanged, done.size) == (0, 3, 0)
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "out").rglob("*")} == before


@pytest.mark.parametrize("change", [b"", b"x", None])
def test_what_is_there_is_not_overwritten(kept: Node, tmp_path: Path, change: bytes | None):
    path = tmp_path / "out" / path_of(instances(kept)[0])
    path.parent.mkdir(parents=True)
    content = part10(ct(1))[:-1] if change is None else part10(ct(1)) + change if change else b""
    path.write_bytes(content)
    with pytest.raises(UserError, match="is not overwritten"):
        export(kept.archive, kept.retrieve, STUDY, tmp_path / "out")
    assert path.read_bytes() == content


def test_a_link_is_not_written_through(kept: Node, tmp_path: Path):
    path = tmp_path / "out" / path_of(instances(kept)[0])
    path.parent.mkdir(parents=True)
    path.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(UserError):
        export(kept.archive, kept.retrieve, STUDY, tmp_path / "out")
    assert not (tmp_path / "elsewhere").exists()


NO_UIDS = ["../../x", "/etc/passwd", "", ".", "..", "1.2.", "1\0.2", "1" * 65, "1.2/3", "a.b", "1.2\n"]


@pytest.mark.parametrize("uid", NO_UIDS)
@pytest.mark.parametrize("which", ["study_instance_uid", "series_instance_uid", "sop_instance_uid"])
def test_a_uid_that_is_none_makes_no_file_name(uid: str, which: str):  # T8
    blob = BlobRef("instances/x", 0, 1, "")
    good = StoredInstance("1.2", "1.2.3.4", "1.2", blob, "1.2", "1.2.3", datetime.now(UTC))
    assert path_of(good) == Path("1.2", "1.2.3", "1.2.3.4.dcm")
    with pytest.raises(UserError, match="no safe file name"):
        path_of(replace(good, **{which: uid}))


def test_a_study_that_is_not_there(kept: Node, tmp_path: Path):
    with pytest.raises(UserError, match="there is no study"):
        export(kept.archive, kept.retrieve, "../../x", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_damaged_bytes_do_not_leave_and_stop_nobody(kept: Node, tmp_path: Path):  # T25
    first = instances(kept)[0]
    blob = path_of_blob(kept, first.blob.key)
    content = bytearray(blob.read_bytes())
    content[-1] ^= 1
    blob.chmod(0o600)
    blob.write_bytes(content)
    done = export(kept.archive, kept.retrieve, STUDY, tmp_path / "out")
    assert list(done.failed) == [first.sop_instance_uid]
    assert done.written == 2
    assert len([path for path in (tmp_path / "out").rglob("*") if path.is_file()]) == 2


def test_a_folder_that_cannot_be_written(kept: Node, tmp_path: Path):
    (tmp_path / "out").write_text("a file")
    with pytest.raises(UserError, match="Not a directory; the export is not complete"):
        export(kept.archive, kept.retrieve, STUDY, tmp_path / "out")
