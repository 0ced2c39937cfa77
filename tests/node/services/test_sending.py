import dataclasses
from pathlib import Path

import pydicom
import pytest
from pydicom.uid import JPEG2000Lossless

from node.config import DicomSection
from node.core import clock
from node.core.errors import UserError
from node.root import Node
from node.services.importing import import_paths
from node.services.sending import send_study
from scu.errors import CannotConnect, PeerFault
from storage.records.arrival import Origin, Way
from storage.records.network import Peer
from tests.support.faulty import Act, Fault, faulty
from tests.support.files import write_files
from tests.support.node import Running, free_port
from tests.support.opened import path_of
from tests.support.samples import IMPLICIT, ct, encode, mr, pydicom_files
from tests.support.strangers import storescp

STUDY = ct(1).StudyInstanceUID
DATASETS = [ct(1), ct(2), ct(3), mr(1)]


@pytest.fixture
def archive_url(sqlite_url: str) -> str:
    """One database is enough: what is tested here is the conversation."""
    return sqlite_url


def peer(port: int, ae_title: str = "ANY") -> Peer:
    return Peer("it", ae_title, "127.0.0.1", port, clock.now())


@pytest.fixture
def kept(node: Node, tmp_path: Path) -> Node:
    import_paths(node.ingest, [write_files(tmp_path / "in", *DATASETS)], Origin(Way.IMPORT))
    return node


@pytest.fixture
def inbox(tmp_path: Path) -> Path:
    folder = tmp_path / "inbox"
    folder.mkdir()
    return folder


def test_a_stranger_gets_a_study_as_it_is_kept(kept: Node, inbox: Path):
    advanced = []
    with storescp(inbox, "+xa") as stranger:
        done = send_study(
            kept.retrieve, STUDY, peer(stranger.port, stranger.ae_title), DicomSection(), advanced.append
        )
        assert dataclasses.asdict(done) == {
            "peer": "it",
            "study_instance_uid": STUDY,
            "instances": 4,
            "sent": 4,
            "warnings": 0,
            "transcoded": 0,
            "failed": {},
        }
        assert sum(advanced) == 4
        assert len(stranger.files) == 4
        for dataset in DATASETS:
            (path,) = (path for path in stranger.files if path.name.endswith(dataset.SOPInstanceUID))
            assert path.read_bytes().endswith(encode(dataset))


def test_a_stranger_gets_another_transfer_syntax_when_it_takes_no_other(kept: Node, inbox: Path):
    with storescp(inbox, "+xi") as stranger:
        done = send_study(kept.retrieve, STUDY, peer(stranger.port), DicomSection())
        assert (done.sent, done.transcoded, done.failed) == (4, 4, {})
        got = pydicom.dcmread(stranger.files[0])
    assert got.file_meta.TransferSyntaxUID == IMPLICIT
    assert got.SOPInstanceUID == DATASETS[0].SOPInstanceUID
    assert got.pixel_array.tobytes() == DATASETS[0].PixelData


def test_compressed_images_are_decoded_for_those_who_take_none(node: Node, inbox: Path):
    path = next(path for path in pydicom_files() if path.name == "MR_small_jp2klossless.dcm")
    import_paths(node.ingest, [path], Origin(Way.IMPORT))
    original = pydicom.dcmread(path)
    assert original.file_meta.TransferSyntaxUID == JPEG2000Lossless
    with storescp(inbox, "+xe") as stranger:
        done = send_study(node.retrieve, original.StudyInstanceUID, peer(stranger.port), DicomSection())
        assert (done.sent, done.transcoded, done.failed) == (1, 1, {})
        assert (pydicom.dcmread(stranger.files[0]).pixel_array == original.pixel_array).all()


def test_what_the_peer_refuses_is_told_and_the_rest_goes(kept: Node):
    with faulty(Fault(2, Act.STATUS, 0xA700)) as other:
        done = send_study(kept.retrieve, STUDY, peer(other.port), DicomSection())
    assert (done.sent, list(done.failed)) == (3, [DATASETS[1].SOPInstanceUID])
    assert "out of resources (0xA700)" in done.failed[DATASETS[1].SOPInstanceUID]


def test_a_warning_is_counted(kept: Node):
    with faulty(Fault(2, Act.STATUS, 0xB000)) as other:
        done = send_study(kept.retrieve, STUDY, peer(other.port), DicomSection())
    assert (done.sent, done.warnings, done.failed) == (4, 1, {})


def test_an_association_that_breaks_halfway_leaves_the_rest_unsent(kept: Node):
    with faulty(Fault(3, Act.ABORT)) as other:
        done = send_study(kept.retrieve, STUDY, peer(other.port), DicomSection())
    assert done.sent == 2
    assert list(done.failed) == [each.SOPInstanceUID for each in DATASETS[2:]]
    assert "aborted" in done.failed[DATASETS[3].SOPInstanceUID]


def test_an_association_that_breaks_at_once_is_an_error(kept: Node):
    with faulty(Fault(1, Act.CLOSE)) as other, pytest.raises(PeerFault):
        send_study(kept.retrieve, STUDY, peer(other.port), DicomSection())
    with pytest.raises(CannotConnect):
        send_study(kept.retrieve, STUDY, peer(free_port()), DicomSection())


def test_damaged_bytes_do_not_leave_and_stop_nobody(kept: Node, inbox: Path):  # T25
    with kept.archive.read() as tx:
        instance = tx.instances.get(DATASETS[1].SOPInstanceUID)
    assert instance is not None
    blob = path_of(kept, instance.blob.key)
    content = bytearray(blob.read_bytes())
    content[-1] ^= 1
    blob.chmod(0o600)
    blob.write_bytes(content)
    with storescp(inbox, "+xa") as stranger:
        done = send_study(kept.retrieve, STUDY, peer(stranger.port), DicomSection())
        assert len(stranger.files) == 3
    assert (done.sent, list(done.failed)) == (3, [instance.sop_instance_uid])


def test_a_study_that_is_not_there(kept: Node):
    with pytest.raises(UserError, match=r"there is no study 1\.2\.3"):
        send_study(kept.retrieve, "1.2.3", peer(9), DicomSection())


def test_from_node_to_node(kept: Node, start_node):
    running_node: Running = start_node(database={"url": ""})
    receiver = peer(running_node.port, "ISOCENTRE")
    assert send_study(kept.retrieve, STUDY, receiver, DicomSection()).sent == 4
    assert send_study(kept.retrieve, STUDY, receiver, DicomSection()).sent == 4
    with running_node.node.archive.read() as tx:
        assert tx.instances.count() == 4
