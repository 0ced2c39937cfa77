import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from scp.statuses import Status
from storage.records.arrival import Way
from tests.support.caller import CT, DEFLATED, EXPLICIT, IMPLICIT, call, context_of, request, store
from tests.support.dcmtk import tool
from tests.support.files import part10
from tests.support.node import Running
from tests.support.samples import ct, encode


def _stored(running: Running, uid: str):  # type: ignore[no-untyped-def]
    with running.node.archive.read() as tx:
        return tx.instances.get(uid)


def _bytes(running: Running, uid: str) -> bytes:
    blob = _stored(running, uid).blob
    with running.node.blobs.open(blob.key) as reader:
        return b"".join(reader.chunks(blob.offset))


@pytest.mark.parametrize("syntax", [EXPLICIT, IMPLICIT, DEFLATED])
def test_an_instance_is_kept_as_it_came(running_node: Running, syntax: str) -> None:
    dataset = ct(1)
    encoded, uid = encode(dataset, syntax), str(dataset.SOPInstanceUID)
    with call(running_node.port, request(((CT, (syntax,)),))) as channel:
        assert store(channel, encoded, uid) == (Status.SUCCESS, "")
    assert _bytes(running_node, uid) == encoded
    assert _stored(running_node, uid).transfer_syntax_uid == syntax


def test_the_origin_is_kept_with_it(running_node: Running) -> None:
    dataset = ct(1)
    with call(running_node.port, request(calling="CT1")) as channel:
        store(channel, encode(dataset), str(dataset.SOPInstanceUID))
    with running_node.node.archive.read() as tx:
        found = tx.connection.exec_driver_sql("SELECT way, calling_ae, called_ae, address FROM arrival").all()
    assert [tuple(row) for row in found] == [(Way.DIMSE, "CT1", "ISOCENTRE", "127.0.0.1")]


def test_the_same_again_is_success_and_another_content_is_kept_beside(running_node: Running) -> None:
    first, other = ct(1), ct(1, PatientName="Another^One")
    uid = str(first.SOPInstanceUID)
    with call(running_node.port) as channel:
        for encoded in (encode(first), encode(first), encode(other), encode(other)):
            assert store(channel, encoded, uid) == (Status.SUCCESS, "")
    assert _bytes(running_node, uid) == encode(first)
    with running_node.node.archive.read() as tx:
        kinds = [str(conflict.kind) for conflict in tx.conflicts.list()]
    assert kinds.count("content") == 1


@pytest.mark.parametrize(
    ("encoded", "uid", "status"),
    [
        (encode(ct(1)), "1.2.3", Status.DATA_SET_MISMATCH),
        (encode(ct(1))[:-7], str(ct(1).SOPInstanceUID), Status.CANNOT_UNDERSTAND),
        (b"no data set at all, by no means", "1.2.3", Status.CANNOT_UNDERSTAND),
    ],
)
def test_what_is_refused_says_why_and_the_next_is_taken(
    running_node: Running, encoded: bytes, uid: str, status: Status
) -> None:
    good = ct(2)
    with call(running_node.port) as channel:
        answer, comment = store(channel, encoded, uid)
        assert answer == status
        assert comment
        assert store(channel, encode(good), str(good.SOPInstanceUID)) == (Status.SUCCESS, "")
    with running_node.node.archive.read() as tx:
        assert len(list(tx.quarantine.list())) == 1


def test_an_association_that_breaks_off_leaves_nothing(running_node: Running) -> None:
    from tests.support.caller import pdata, pdv, store_command

    dataset = ct(1)
    with call(running_node.port) as channel:
        number = context_of(channel, CT).context_id
        command = store_command(CT, str(dataset.SOPInstanceUID)).with_data().encode()
        channel.link.send([pdata(pdv(number, 3, command)), pdata(pdv(number, 0, encode(dataset)[:5000]))])
    running_node.server.stop()
    assert _stored(running_node, str(dataset.SOPInstanceUID)) is None
    assert list(running_node.node.blobs.keys()) == []


def test_dcmtk_sends_and_is_satisfied(start_node: Callable[..., Running], tmp_path: Path) -> None:
    node = start_node()
    path = tmp_path / "ct.dcm"
    path.write_bytes(part10(ct(1)))
    command = [tool("storescu"), "-v", "-aec", "ISOCENTRE", "127.0.0.1", str(node.port), path]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    assert "Received Store Response (Success)" in done.stdout + done.stderr
