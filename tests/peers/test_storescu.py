"""dcmtk's storescu with the options that people use, in every transfer syntax that it speaks."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pydicom
import pytest
from pydicom.data import get_testdata_file
from pydicom.dataset import Dataset

from node.intake.part10 import encode_meta
from tests.peers.programs import run
from tests.support.caller import call
from tests.support.node import Running
from tests.support.retrieving import STUDY_GET, ask, identifier, receiver
from tests.support.samples import EXPLICIT, ct, encode, mr

# Option of storescu, file, and whether what comes has the file's transfer syntax.
SYNTAXES = [
    ("-xe", "CT_small.dcm"),
    ("-xi", "MR_small_implicit.dcm"),
    ("-xb", "MR_small_bigendian.dcm"),
    ("-xd", "image_dfl.dcm"),
    ("-xs", "SC_rgb_jpeg_gdcm.dcm"),
    ("-xy", "SC_rgb_small_odd_jpeg.dcm"),
    ("-xx", "JPGExtended.dcm"),
    ("-xv", "MR_small_jp2klossless.dcm"),
    ("-xw", "JPEG2000.dcm"),
    ("-xt", "MR_small_jpeg_ls_lossless.dcm"),
    ("-xu", "JPEGLSNearLossless_16.dcm"),
    ("-xr", "MR_small_RLE.dcm"),
]


@pytest.fixture
def archive_url(sqlite_url: str) -> str:
    """One database will do: what comes over the wire is the same for both."""
    return sqlite_url


def _send(node: Running, *arguments: object, files: list[Path]) -> str:
    return run("storescu", node, *arguments, files=files)


def _file(folder: Path, dataset: Dataset) -> Path:
    folder.mkdir(exist_ok=True, parents=True)
    path = folder / f"{dataset.SOPInstanceUID}.dcm"
    meta = encode_meta(dataset.SOPClassUID, dataset.SOPInstanceUID, EXPLICIT)
    path.write_bytes(meta + encode(dataset))
    return path


def _stored(node: Running) -> dict[str, tuple[str, bytes]]:
    """UID to transfer syntax and data set of everything that is kept."""
    found = {}
    with node.node.archive.read() as tx:
        page = tx.instances.page(0, 10_000)
    for _, instance in page:
        with node.node.blobs.open(instance.blob.key) as reader:
            data = reader.read_at(instance.blob.offset, instance.blob.size)
        found[instance.sop_instance_uid] = (instance.transfer_syntax_uid, bytes(data))
    return found


@pytest.mark.parametrize(("option", "name"), SYNTAXES, ids=[option for option, _ in SYNTAXES])
def test_every_transfer_syntax(running_node: Running, option: str, name: str) -> None:
    path = Path(get_testdata_file(name))
    sent = pydicom.dcmread(path)
    _send(running_node, option, files=[path])
    ((uid, (syntax, data)),) = _stored(running_node).items()
    assert uid == sent.SOPInstanceUID
    assert syntax == sent.file_meta.TransferSyntaxUID
    with call(running_node.port, receiver([(sent.SOPClassUID, (syntax,))])) as channel:
        keys = identifier("IMAGE", SOPInstanceUID=uid)
        assert ask(channel, STUDY_GET, keys).instances == {uid: (syntax, data)}


@pytest.mark.parametrize(
    "options",
    [
        ["-R"],
        ["+C"],
        ["-R", "+C", "-xe"],
        ["-pdu", 4096, "--max-send-pdu", 4096],
        ["-pdu", 131072, "--max-send-pdu", 131072],
        ["-usr", "somebody", "-pwd", "secret"],
        ["-aet", "A B C"],
        ["-to", 20, "-ta", 20, "-td", 20],
        ["--abort"],
        ["-u"],
    ],
    ids=lambda options: " ".join(map(str, options)),
)
def test_options(running_node: Running, tmp_path: Path, options: list[object]) -> None:
    sent = [ct(1), ct(2), mr(1)]
    said = _send(running_node, *options, files=[_file(tmp_path, each) for each in sent])
    assert said.count("Received Store Response (Success)") == 3
    assert _stored(running_node) == {str(each.SOPInstanceUID): (EXPLICIT, encode(each)) for each in sent}


def test_a_folder_with_folders_and_what_is_no_image(running_node: Running, tmp_path: Path) -> None:
    sent = [ct(n, study=study) for study in (1, 2) for n in range(1, 6)]
    for each in sent:
        _file(tmp_path / "export" / str(each.StudyInstanceUID), each)
    (tmp_path / "export" / "README.txt").write_text("no image")
    shutil.copy(get_testdata_file("DICOMDIR"), tmp_path / "export" / "DICOMDIR")
    said = _send(running_node, "+sd", "+r", "-nh", files=[tmp_path / "export"])
    assert said.count("Received Store Response (Success)") == 10
    assert set(_stored(running_node)) == {str(each.SOPInstanceUID) for each in sent}


def test_the_same_again_and_again_is_kept_once(running_node: Running, tmp_path: Path) -> None:
    path = _file(tmp_path, ct(1))
    said = _send(running_node, "--repeat", 5, files=[path])
    assert said.count("Received Store Response (Success)") == 5
    assert len(_stored(running_node)) == 1


def test_invented_studies_are_all_kept(running_node: Running, tmp_path: Path) -> None:
    path = _file(tmp_path, ct(1))
    _send(running_node, "+IP", 2, "+IS", 2, "+IR", 2, "--repeat", 16, files=[path])
    with running_node.node.archive.read() as tx:
        assert (tx.instances.count(), tx.studies.count()) == (16, 4)


def test_what_is_refused_does_not_keep_the_rest_out(
    start_node: Callable[..., Running], tmp_path: Path
) -> None:
    node = start_node(dicom={"max_dataset_mib": 1})
    files = [_file(tmp_path, each) for each in (ct(1), ct(2, rows=1024), ct(3))]
    said = _send(node, "-nh", files=files)
    assert said.count("Received Store Response (Success)") == 2
    assert "Refused: OutOfResources" in said
    assert set(_stored(node)) == {str(ct(n).SOPInstanceUID) for n in (1, 3)}
