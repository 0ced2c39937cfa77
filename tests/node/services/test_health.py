import shutil
import socket

import pytest

from node.root import MIB, Node
from node.services import health
from storage.blobs.log.store import ReceiveLog
from storage.errors import Unavailable
from tests.support.deliveries import NOW, instances, lease, queue
from tests.support.node import Running


def faults(node: Node) -> dict[str, str]:
    return {check.name: check.fault for check in health.check(node) if not check.ok}


def test_a_node_that_works_is_well(running_node: Running):
    assert faults(running_node.node) == {}
    assert [check.name for check in health.check(running_node.node)] == [
        "database",
        "blobs",
        "space",
        "index",
        "dicom",
    ]


def test_looking_leaves_nothing_behind(running_node: Running):
    node = running_node.node
    for _ in range(3):
        health.check(node)
    assert list(node.blobs.keys()) == []
    assert list(node.callers.list()) == []


def test_no_receiver(node: Node):
    assert faults(node) == {"dicom": f"port {node.config.dicom.port}: Connection refused"}


def test_a_receiver_that_takes_connections_but_does_not_serve_them(
    node: Node, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(health, "_PATIENCE", 0.3)
    with socket.create_server(("127.0.0.1", node.config.dicom.port)):
        assert faults(node) == {"dicom": f"the receiver on port {node.config.dicom.port} does not answer"}


def test_another_schema(running_node: Running):
    with running_node.node.archive.begin() as tx:
        tx.connection.exec_driver_sql("UPDATE alembic_version SET version_num = '0000'")
        tx.commit()
    assert faults(running_node.node) == {"database": "the schema is another one; run isocentre db upgrade"}


def test_a_database_that_is_away(running_node: Running, monkeypatch: pytest.MonkeyPatch):
    def away() -> bool:
        raise Unavailable("database: away")

    monkeypatch.setattr(running_node.node.archive, "is_current", away)
    assert faults(running_node.node) == {"database": "database: away"}


def test_a_blob_store_that_is_gone(running_node: Running):
    shutil.rmtree(running_node.config.data_dir / "blobs")
    found = faults(running_node.node)
    assert found["blobs"].startswith("blob store: No such file or directory")
    assert "database" not in found


def test_too_little_space(running_node: Running, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(running_node.node.blobs, "free", lambda: 15 * MIB)
    assert faults(running_node.node) == {
        "space": "15 MiB are free, below the floor of 16: nothing more is stored"
    }


def test_a_destination_that_is_down_is_a_warning_and_no_fault(node: Node, monkeypatch: pytest.MonkeyPatch):
    queue(node.archive, instances(node.archive))
    held = lease(node.archive)
    assert health.warnings(node) == []
    with node.archive.begin() as tx:
        tx.destinations.trouble("north", held.worker, failures=3, error="off", opened_at=NOW, probe_at=None)
        tx.commit()
    (warning,) = health.warnings(node)
    assert (warning.name, warning.ok) == ("north", False)
    assert warning.fault.startswith("down since ")
    with node.archive.begin() as tx:
        tx.destinations.set("north", paused=True)
        tx.commit()
    assert health.warnings(node) == []

    def away() -> bool:
        raise Unavailable("database: away")

    monkeypatch.setattr(node.archive, "read", away)
    assert list(health.warnings(node)) == []


def test_an_index_that_is_not_written(node: Node):
    assert isinstance(node.blobs, ReceiveLog)
    page = node.blobs.pages.make("0123456789ab")
    page.enter(5000, 1 << 40)
    assert "5000 instances are kept but not in the index yet" in faults(node)["index"]
    page.take(5000, 1 << 40)
    assert "index" not in faults(node)
    page.close()
