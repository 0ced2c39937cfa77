import hashlib
import os
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import pytest

from node.root import Node
from node.services import retrieve
from node.services.query import BadQuery
from node.services.retrieve import AHEAD_MAX
from scu.wire.link import Buffer
from storage.errors import Damaged, StorageError, Unavailable
from storage.records.attributes import Level
from storage.records.objects import StoredInstance
from tests.support.arrivals import arrival, placed, put
from tests.support.opened import path_of


@pytest.fixture
def filled(node: Node) -> Node:
    """Two patients; study 1.2.1 with series of 3 and 2, 1.2.2 with one of 2, 1.2.3 of the other patient."""
    put(
        node.archive,
        *(arrival(1, 1, n) for n in (3, 1, 2)),
        *(arrival(1, 2, n, SeriesNumber="2") for n in (1, 2)),
        *(arrival(2, 1, n) for n in (1, 2)),
        arrival(3, 1, 1, PatientID="P2"),
    )
    return node


@pytest.mark.parametrize(
    ("level", "keys", "found"),
    [
        ("PATIENT", {"PatientID": "P1"}, ["1.1.1", "1.1.2", "1.1.3", "1.2.1", "1.2.2", "2.1.1", "2.1.2"]),
        ("PATIENT", {"PatientID": "P2 ", "StudyInstanceUID": "1.2.9"}, ["3.1.1"]),
        ("STUDY", {"StudyInstanceUID": "1.2.2"}, ["2.1.1", "2.1.2"]),
        ("STUDY", {"StudyInstanceUID": "1.2.3\\1.2.2\\1.2.2"}, ["2.1.1", "2.1.2", "3.1.1"]),
        ("STUDY", {"StudyInstanceUID": "1.2.2\\1.2.3", "PatientID": "P2"}, ["3.1.1"]),
        ("STUDY", {"StudyInstanceUID": "1.2.2", "SeriesInstanceUID": "1.2.9"}, ["2.1.1", "2.1.2"]),
        ("SERIES", {"StudyInstanceUID": "1.2.1", "SeriesInstanceUID": "1.2.1.2"}, ["1.2.1", "1.2.2"]),
        ("SERIES", {"SeriesInstanceUID": "1.2.1.2\0"}, ["1.2.1", "1.2.2"]),
        ("SERIES", {"StudyInstanceUID": "1.2.2", "SeriesInstanceUID": "1.2.1.2"}, []),
        ("IMAGE", {"SeriesInstanceUID": "1.2.1.1", "SOPInstanceUID": "1.2.1.1.2\\1.2.2.1.1"}, ["1.1.2"]),
        ("IMAGE", {"SOPInstanceUID": "1.2.1.1.2\\1.2.2.1.1"}, ["1.1.2", "2.1.1"]),
        ("STUDY", {"StudyInstanceUID": "*"}, []),
        ("PATIENT", {"PatientID": "P*"}, []),
        ("PATIENT", {"PatientID": "P_"}, []),
    ],
)
def test_matching(filled: Node, level: str, keys: dict[str, str], found: list[str]) -> None:
    matches = filled.retrieve.matching(Level(level), keys)
    assert [match.sop_instance_uid for match in matches] == [f"1.2.{uid}" for uid in found]


@pytest.mark.parametrize(
    ("level", "tag"),
    [("PATIENT", 0x00100020), ("STUDY", 0x0020000D), ("SERIES", 0x0020000E), ("IMAGE", 0x00080018)],
)
def test_the_unique_key_of_the_level_must_be_there(filled: Node, level: str, tag: int) -> None:
    for keys in (
        {},
        {"PatientID": " ", "StudyInstanceUID": "", "SeriesInstanceUID": "\\", "SOPInstanceUID": "\0"},
    ):
        with pytest.raises(BadQuery, match="is missing") as told:
            filled.retrieve.matching(Level(level), keys)
        assert told.value.tag == tag


def test_a_long_list_of_uids_is_asked_in_parts(filled: Node) -> None:
    asked = [f"1.2.99.1.{n}" for n in range(1200)] + ["1.2.1.1.3"]
    (match,) = filled.retrieve.matching(Level.IMAGE, {"SOPInstanceUID": "\\".join(asked)})
    assert match.sop_instance_uid == "1.2.1.1.3"


def stored(node: Node, content: bytes, number: int = 1) -> StoredInstance:
    put(node.archive, placed(node.blobs, content, number=number))
    with node.archive.read() as tx:
        found = tx.instances.get(f"1.2.1.1.{number}")
    assert found is not None
    return found


@pytest.fixture(params=["whole", "streamed"])
def content(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> bytes:
    """A data set of 3.5 MiB, which counts as small or as large."""
    if request.param == "streamed":
        monkeypatch.setattr(retrieve, "WHOLE_MAX", 1000)
        monkeypatch.setattr(retrieve, "AHEAD_MAX", 1000)
    return os.urandom(7 << 19)


def test_an_instance_goes_out_as_it_came(node: Node, content: bytes) -> None:
    instance = stored(node, content)
    for outgoing in (node.retrieve.outgoing(instance), node.retrieve.ahead(instance)):
        assert (outgoing.sop_instance_uid, outgoing.size) == ("1.2.1.1.1", len(content))
        for _ in range(2):
            assert b"".join(outgoing.chunks()) == content


def test_an_empty_data_set_goes_out(node: Node) -> None:
    assert b"".join(node.retrieve.outgoing(stored(node, b"")).chunks()) == b""


def test_what_is_read_ahead_is_read_once(node: Node) -> None:
    instance = stored(node, b"data set")
    outgoing = node.retrieve.ahead(instance)
    path_of(node, instance.blob.key).unlink()
    assert b"".join(outgoing.chunks()) == b"data set"


def test_a_large_instance_is_not_read_ahead(node: Node) -> None:
    instance = stored(node, bytes(AHEAD_MAX + 1))
    outgoing = node.retrieve.ahead(instance)
    path_of(node, instance.blob.key).unlink()
    with pytest.raises(Damaged):
        next(outgoing.chunks())


def flip(path: Path, at: int) -> None:
    data = bytearray(path.read_bytes())
    data[at] ^= 0x01
    path.chmod(0o600)
    path.write_bytes(data)


def drained(chunks: Iterator[Buffer]) -> tuple[int, str]:
    """Bytes that came before the damage, and what was said about it."""
    taken = 0
    try:
        for piece in chunks:
            taken += len(piece)
    except Damaged as error:
        return taken, str(error)
    raise AssertionError("nothing was said")


def events(node: Node) -> list[tuple[str, str]]:
    with node.archive.read() as tx:
        return [
            (event.sop_instance_uid, event.detail["what"])
            for event in tx.events.list(kind="instance.damaged")
        ]


@pytest.mark.parametrize("at", [4, 2 << 20, -1])
def test_a_flipped_bit_never_leaves_with_its_data_set(node: Node, content: bytes, at: int) -> None:
    instance = stored(node, content)
    flip(path_of(node, instance.blob.key), at)
    assert drained(node.retrieve.outgoing(instance).chunks()) == (
        0,
        "instance 1.2.1.1.1 is damaged: its bytes differ",
    )
    assert events(node) == [("1.2.1.1.1", "its bytes differ")]


def test_what_changes_between_proof_and_sending_is_noticed(
    node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retrieve, "WHOLE_MAX", 1000)
    content = os.urandom(7 << 19)
    instance = stored(node, content)
    chunks = node.retrieve.outgoing(instance).chunks()
    taken = len(next(chunks))
    flip(path_of(node, instance.blob.key), -1)
    more, problem = drained(chunks)
    assert "bytes differ" in problem
    assert taken + more < len(content)


def test_a_blob_that_is_shorter_or_gone_is_damage(node: Node) -> None:
    instance = stored(node, b"data set")
    path = path_of(node, instance.blob.key)
    path.chmod(0o600)
    path.write_bytes(b"DICMdata se")
    with pytest.raises(Damaged, match="has 11 bytes"):
        node.retrieve.ahead(instance)
    path.unlink()
    with pytest.raises(Damaged, match="not there"):
        node.retrieve.ahead(instance)
    assert [what for _, what in events(node)] == ["its blob has 11 bytes", "it is not there"]


def test_damage_is_told_even_when_it_cannot_be_recorded(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    instance = stored(node, b"data set")
    path_of(node, instance.blob.key).unlink()

    def unavailable() -> None:
        raise Unavailable("database")

    monkeypatch.setattr(node.archive, "begin", unavailable)
    with pytest.raises(Damaged):
        node.retrieve.ahead(instance)


def test_a_store_that_does_not_answer_is_no_damage(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    instance = stored(node, b"data set")

    def unavailable(key: str) -> None:
        raise Unavailable("object store")

    monkeypatch.setattr(node.blobs, "open", unavailable)
    with pytest.raises(StorageError) as told:
        node.retrieve.ahead(instance)
    assert not isinstance(told.value, Damaged)
    assert events(node) == []


def test_memory_stays_flat_while_a_large_instance_goes_out(node: Node) -> None:
    writer, digest, piece = node.blobs.create(), hashlib.sha256(), os.urandom(1 << 20)
    writer.write([b"DICM"])
    for _ in range(96):
        writer.write([piece])
        digest.update(piece)
    key = writer.place()
    node.blobs.sync([key])
    instance = stored(node, b"another")
    large = StoredInstance(
        instance.sop_class_uid,
        "1.2.9",
        instance.transfer_syntax_uid,
        type(instance.blob)(key, 4, 96 << 20, digest.hexdigest()),
        "1.2",
        "1.2.1",
        instance.received_at,
    )
    tracemalloc.start()
    size = sum(len(piece) for piece in node.retrieve.outgoing(large).chunks())
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert size == 96 << 20
    assert peak < 8 << 20
