import subprocess
from pathlib import Path

import pydicom
import pytest

from node.config import DicomSection
from node.core import clock
from node.core.errors import UserError
from node.root import Node
from node.services.fetching import fetch_study
from node.services.importing import import_paths
from node.services.ingest import Ingest
from scu.errors import CannotConnect, ScuError
from storage.records.arrival import Origin, Way
from storage.records.network import Peer
from tests.support.dcmtk import tool
from tests.support.files import write_files
from tests.support.node import Running, free_port
from tests.support.samples import ct, mr, pydicom_files
from tests.support.strangers import dcmqrscp

STUDY = ct(1).StudyInstanceUID
DATASETS = [ct(1), ct(2), mr(1)]


def peer(port: int, ae_title: str = "ISOCENTRE") -> Peer:
    return Peer("it", ae_title, "127.0.0.1", port, clock.now())


@pytest.fixture
def other_node(start_node) -> Running:
    """A node with an archive of its own."""
    return start_node(database={"url": ""})


def uids(node: Node) -> set[str]:
    with node.archive.read() as tx:
        return {instance.sop_instance_uid for instance in tx.instances.matching()}


def test_a_study_comes_from_a_stranger(node: Node, tmp_path: Path):
    folder = write_files(tmp_path / "in", *DATASETS)
    (tmp_path / "archive").mkdir()
    with dcmqrscp(tmp_path / "archive") as stranger:
        store = [tool("storescu"), "-aec", "ARCHIVE", "+sd", "127.0.0.1", str(stranger.port), str(folder)]
        subprocess.run(store, check=True, capture_output=True)
        advanced = []
        other = peer(stranger.port, "ARCHIVE")
        done = fetch_study(node.ingest, STUDY, other, DicomSection(), advanced.append)
        assert (done.stored, done.duplicates, done.refused, done.failed) == (3, 0, {}, 0)
        assert sum(advanced) == 3
        assert uids(node) == {dataset.SOPInstanceUID for dataset in DATASETS}
        again = fetch_study(node.ingest, STUDY, other, DicomSection())
        assert (again.stored, again.duplicates) == (0, 3)
        with pytest.raises(UserError, match=r"it has no study 1\.2\.3"):
            fetch_study(node.ingest, "1.2.3", other, DicomSection())


def test_where_it_came_from_is_kept(node: Node, other_node: Running, tmp_path: Path):
    folder = write_files(tmp_path / "other", ct(1))
    import_paths(other_node.node.ingest, [folder], Origin(Way.IMPORT))
    fetch_study(node.ingest, STUDY, peer(other_node.port), DicomSection(ae_title="ME"))
    with node.archive.read() as tx:
        row = tx.connection.exec_driver_sql("SELECT way, calling_ae, called_ae, address FROM arrival").one()
    assert tuple(row) == ("dimse", "ISOCENTRE", "ME", "127.0.0.1")


def test_compressed_images_come_as_they_are(node: Node, other_node: Running):
    path = next(path for path in pydicom_files() if path.name == "MR_small_jp2klossless.dcm")
    import_paths(other_node.node.ingest, [path], Origin(Way.IMPORT))
    original = pydicom.dcmread(path)
    done = fetch_study(node.ingest, original.StudyInstanceUID, peer(other_node.port), DicomSection())
    assert done.stored == 1
    with node.archive.read() as tx:
        instance = tx.instances.get(original.SOPInstanceUID)
    assert instance is not None
    assert instance.transfer_syntax_uid == original.file_meta.TransferSyntaxUID


def test_what_is_not_taken_is_told(node: Node, other_node: Running, tmp_path: Path):
    import_paths(other_node.node.ingest, [write_files(tmp_path / "other", *DATASETS)], Origin(Way.IMPORT))
    full = Ingest(node.archive, node.blobs, free_floor=1 << 62, max_dataset=1 << 30)
    done = fetch_study(full, STUDY, peer(other_node.port), DicomSection())
    assert done.stored == 0
    assert set(done.refused) == {dataset.SOPInstanceUID for dataset in DATASETS}
    assert done.failed == 0
    assert list(done.failed_uids) == []
    assert uids(node) == set()


def test_a_peer_that_is_not_there(node: Node):
    with pytest.raises(CannotConnect):
        fetch_study(node.ingest, STUDY, peer(free_port()), DicomSection())


def test_a_peer_that_allows_no_retrieval(node: Node, start_node):
    running = start_node(database={"url": ""}, dicom={"query_from": "known"})
    with pytest.raises(ScuError):
        fetch_study(node.ingest, STUDY, peer(running.port), DicomSection())
