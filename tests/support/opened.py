"""A node without receiver, and what tests of jobs and of the console do with one."""

import hashlib
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from node.config import load
from node.root import Node
from storage.blobs.protocol import BlobStore
from storage.records.arrival import Origin, Way
from storage.records.history import Quarantined
from storage.records.jobs import Job, NewJob
from tests.support.arrivals import placed, put
from tests.support.node import write_config

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


@pytest.fixture
def node(tmp_path: Path, archive_url: str) -> Iterator[Node]:
    """An open node with files for blobs, on each database."""
    config = load(write_config(tmp_path, archive_url, scheduler={"scrub_days": 4}), environ={})
    with Node.open(config) as opened:
        yield opened


def keep(node: Node, count: int, **settings: int) -> list[str]:
    """Store `count` instances; return the keys of their blobs, in the order of their rows."""
    keys = []
    for n in range(count):
        stored = placed(node.blobs, f"dataset {settings} {n}".encode(), number=n, **settings)
        put(node.archive, stored)
        keys.append(stored.blob.key)
    return keys


def quarantine(node: Node, content: bytes = b"junk") -> str:
    """Keep a refused dataset; return the key of its blob."""
    writer = node.blobs.create("quarantine")
    writer.write([content])
    key = writer.place()
    node.blobs.sync([key])
    with node.archive.begin() as tx:
        digest = hashlib.sha256(content).hexdigest()
        tx.quarantine.add(Quarantined(key, len(content), digest, "cut off", Origin(Way.DIMSE, "CT1"), NOW))
        tx.commit()
    return key


def enqueue(node: Node, kind: str, **settings: object) -> int:
    """Put a job in the queue that is due now."""
    with node.archive.begin() as tx:
        number = tx.jobs.enqueue(NewJob(kind, **settings), NOW)  # type: ignore[arg-type]
        tx.commit()
    assert number is not None
    return number


def job_of(node: Node, number: int) -> Job:
    """The job as it stands."""
    with node.archive.read() as tx:
        job = tx.jobs.get(number)
    assert job is not None
    return job


def claim(node: Node, kind: str, until: datetime = NOW) -> Job:
    """Take the first job of this kind from the queue."""
    with node.archive.begin() as tx:
        job = tx.jobs.claim("test", [kind], datetime.now(UTC), until)
        tx.commit()
    assert job is not None
    return job


def path_of(node: Node, key: str) -> Path:
    """The file of a blob; one in the receive log becomes a file, as when it is put back from a backup."""
    path = node.config.data_dir / "blobs" / key
    if not path.exists():
        with node.blobs.open(key) as reader:
            content = b"".join(reader.chunks())
        node.blobs.delete(key)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return path


def has(blobs: BlobStore, key: str) -> bool:
    """Whether a blob is there."""
    return key in set(blobs.keys(key.partition("/")[0]))
