import os
from pathlib import Path

import pytest

from node.core.errors import UserError
from node.root import Node
from node.services.importing import import_paths
from node.services.ingest import Ingest
from storage.records.arrival import Origin, Way
from tests.support.files import part10, write_files
from tests.support.samples import DEFLATED, IMPLICIT, ct, encode, mr, pydicom_files

ORIGIN = Origin(Way.IMPORT, user="admin")


def test_files_and_folders_are_taken(node: Node, tmp_path: Path):
    folder = write_files(tmp_path / "cd" / "IMAGES", ct(1), ct(2), mr(1))
    single = tmp_path / "one.dcm"
    single.write_bytes(part10(ct(3), DEFLATED))
    advanced = []
    done = import_paths(node.ingest, [tmp_path / "cd", single], ORIGIN, advanced.append)
    assert (done.stored, done.duplicates, done.conflicts) == (4, 0, 0)
    assert done.refused == done.skipped == {}
    assert sum(advanced) == 4
    with node.archive.read() as tx:
        stored = {instance.sop_instance_uid for instance in tx.instances.matching()}
    assert stored == {dataset.SOPInstanceUID for dataset in (ct(1), ct(2), ct(3), mr(1))}
    assert len(list(folder.iterdir())) == 3


def test_what_comes_again_is_counted_apart(node: Node, tmp_path: Path):
    write_files(tmp_path / "cd", ct(1), ct(2))
    import_paths(node.ingest, [tmp_path / "cd"], ORIGIN)
    write_files(tmp_path / "cd", ct(1), ct(2, StudyDescription="other"))
    done = import_paths(node.ingest, [tmp_path / "cd"], ORIGIN)
    assert (done.stored, done.duplicates, done.conflicts) == (0, 1, 1)


def test_what_is_no_dicom_is_skipped_with_the_reason(node: Node, tmp_path: Path):
    folder = write_files(tmp_path / "cd", ct(1))
    (folder / "README.TXT").write_text("Insert into drive A.")
    (folder / "empty").touch()
    os.mkfifo(folder / "pipe")
    done = import_paths(node.ingest, [folder], ORIGIN)
    assert done.stored == 1
    assert done.skipped == {
        str(folder / "README.TXT"): "not a DICOM file",
        str(folder / "empty"): "not a DICOM file",
        str(folder / "pipe"): "not a file",
    }
    assert done.refused == {}


def test_a_dicomdir_is_skipped_whatever_its_name(node: Node, tmp_path: Path):
    dicomdir = next(path for path in pydicom_files() if path.name == "DICOMDIR")
    folder = write_files(tmp_path / "cd", ct(1))
    (folder / "DICOMDIR").write_bytes(dicomdir.read_bytes())
    (folder / "index.dcm").write_bytes(dicomdir.read_bytes())
    done = import_paths(node.ingest, [folder], ORIGIN)
    assert done.stored == 1
    assert list(done.skipped.values()) == ["a DICOMDIR, which is an index"] * 2


def test_a_file_without_preamble_is_taken(node: Node, tmp_path: Path):
    (tmp_path / "bare").write_bytes(encode(ct(1), IMPLICIT))
    assert import_paths(node.ingest, [tmp_path / "bare"], ORIGIN).stored == 1


def test_what_cannot_be_understood_is_refused_with_the_reason(node: Node, tmp_path: Path):
    folder = write_files(tmp_path / "cd", ct(1))
    cut = folder / "cut.dcm"
    cut.write_bytes(part10(ct(2))[:-7])
    gone = folder / "gone"
    gone.symlink_to(tmp_path / "nowhere")
    done = import_paths(node.ingest, [folder], ORIGIN)
    assert done.stored == 1
    assert set(done.refused) == {str(cut), str(gone)}
    assert "cut off" in done.refused[str(cut)]
    assert done.refused[str(gone)] == "cannot be read: No such file or directory"


def test_folders_are_not_walked_in_circles(node: Node, tmp_path: Path):
    folder = write_files(tmp_path / "cd", ct(1))
    (folder / "again").symlink_to(folder, target_is_directory=True)
    assert import_paths(node.ingest, [folder], ORIGIN).stored == 1


def test_a_path_that_is_not_there(node: Node, tmp_path: Path):
    with pytest.raises(UserError, match="there is no such file or folder"):
        import_paths(node.ingest, [tmp_path / "cd"], ORIGIN)


def test_without_space_it_stops_and_says_so(node: Node, tmp_path: Path):
    folder = write_files(tmp_path / "cd", ct(1), ct(2))
    full = Ingest(node.archive, node.blobs, free_floor=1 << 62, max_dataset=1 << 30)
    with pytest.raises(UserError, match=r"no space left \(0 files were taken\)"):
        import_paths(full, [folder], ORIGIN)
