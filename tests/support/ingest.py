"""A way in on its own: an archive, a blob store and an Ingest, and a store that fails when it is told to."""

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from pydicom.dataset import Dataset

from node.services.ingest import Claim, Ingest, Outcome, Refusal
from storage.archive import Archive
from storage.blobs.filesystem import FilesystemStore
from storage.blobs.memory import MemoryStore
from storage.blobs.protocol import BlobStore, BlobWriter, Buffer
from storage.records.arrival import Origin, Way
from storage.records.history import Conflict, Quarantined
from storage.records.objects import StoredInstance
from tests.support.samples import EXPLICIT, encode

ORIGIN = Origin(Way.DIMSE, "CT1", "ISOCENTRE", "127.0.0.1")


@dataclass
class Trouble:
    """What goes wrong from now on: step (create, write, place, sync, open, delete, free) to exception."""

    errors: dict[str, Exception] = field(default_factory=dict)
    left: int | None = None  # bytes free, None for no limit
    asked: int = 0  # times that free space was asked for

    def check(self, step: str) -> None:
        if step in self.errors:
            raise self.errors[step]


class TroubledStore:
    """A real store, in front of which trouble can be put."""

    def __init__(self, store: BlobStore, trouble: Trouble) -> None:
        self.store = store
        self.trouble = trouble

    def create(self, area: str = "instances") -> "TroubledWriter":
        self.trouble.check("create")
        return TroubledWriter(self.store.create(area), self.trouble)

    def sync(self, keys: Iterable[str]) -> None:
        self.trouble.check("sync")
        self.store.sync(keys)

    def open(self, key: str):
        self.trouble.check("open")
        return self.store.open(key)

    def delete(self, key: str) -> None:
        self.trouble.check("delete")
        self.store.delete(key)

    def keys(self, area: str = "instances", after: str = "") -> Iterator[str]:
        return self.store.keys(area, after)

    def free(self) -> int | None:
        self.trouble.check("free")
        self.trouble.asked += 1
        return self.trouble.left

    def recover(self) -> Sequence[str]:
        return self.store.recover()

    def close(self) -> None:
        self.store.close()


class TroubledWriter:
    """A real writer, in front of which trouble can be put."""

    def __init__(self, writer: BlobWriter, trouble: Trouble) -> None:
        self.writer = writer
        self.trouble = trouble

    @property
    def key(self) -> str:
        return self.writer.key

    @property
    def size(self) -> int:
        return self.writer.size

    def write(self, buffers: Sequence[Buffer]) -> None:
        self.trouble.check("write")
        self.writer.write(buffers)

    def patch_head(self, data: Buffer) -> None:
        self.writer.patch_head(data)

    def place(self) -> str:
        self.trouble.check("place")
        return self.writer.place()

    def abandon(self) -> None:
        self.writer.abandon()


@dataclass
class Bench:
    """What a test of ingest works with."""

    archive: Archive
    blobs: TroubledStore
    trouble: Trouble
    root: Path | None  # of the files, None in memory

    def ingest(self, **settings: int) -> Ingest:
        limits = {"free_floor": 0, "max_dataset": 1 << 30, **settings}
        return Ingest(self.archive, self.blobs, **limits)

    def instance(self, uid: str) -> StoredInstance | None:
        with self.archive.read() as tx:
            return tx.instances.get(uid)

    def conflicts(self) -> list[Conflict]:
        with self.archive.read() as tx:
            return list(tx.conflicts.list())

    def quarantined(self) -> list[Quarantined]:
        with self.archive.read() as tx:
            return list(tx.quarantine.list())

    def bytes_of(self, key: str) -> bytes:
        with self.blobs.store.open(key) as reader:
            return b"".join(reader.chunks())

    def dataset_of(self, uid: str) -> bytes:
        stored = self.instance(uid)
        assert stored is not None
        whole = self.bytes_of(stored.blob.key)
        assert len(whole) == stored.blob.offset + stored.blob.size
        return whole[stored.blob.offset :]

    def keys(self) -> list[str]:
        """Every placed blob, of both areas."""
        return [*self.blobs.keys("instances"), *self.blobs.keys("quarantine")]

    def leftovers(self) -> list[Path]:
        """Files of the store that are neither placed blobs nor the store's own empty or lock files."""
        if self.root is None:
            return []
        placed = {self.root / key for key in self.keys()}
        files = (path for path in self.root.rglob("*") if path.is_file() and path not in placed)
        return [path for path in files if path.stat().st_size > 100]


@pytest.fixture(params=["files", "memory"])
def bench(request: pytest.FixtureRequest, archive: Archive, tmp_path: Path) -> Iterator[Bench]:
    """An ingest bench on each database and with each of two stores."""
    root = tmp_path / "blobs" if request.param == "files" else None
    store: BlobStore = MemoryStore() if root is None else FilesystemStore(root)
    trouble = Trouble()
    yield Bench(archive, TroubledStore(store, trouble), trouble, root)
    store.close()


def send(
    ingest: Ingest,
    dataset: Dataset | bytes,
    claim: Claim | None = None,
    *,
    syntax: str = EXPLICIT,
    step: int = 16372,
    origin: Origin = ORIGIN,
) -> Outcome:
    """Pass a dataset through a reception in fragments of `step` bytes; the claim fits unless given."""
    if isinstance(dataset, Dataset):
        claim = claim or Claim(dataset.SOPClassUID, dataset.SOPInstanceUID, syntax)
        data = encode(dataset, syntax)
    else:
        claim = claim or Claim("", "", syntax)
        data = dataset
    reception = ingest.begin(claim, origin)
    reused = bytearray(8 * step)
    view = memoryview(reused)
    for start in range(0, len(data), len(reused)):
        batch = data[start : start + len(reused)]
        view[: len(batch)] = batch
        reception.write([view[i : min(i + step, len(batch))] for i in range(0, len(batch), step)])
        reused[:] = bytes(len(reused))  # the buffers are ours again
    return reception.finish()


def refused(bench: Bench, outcome: Outcome, refusal: Refusal, reason: str) -> bytes:
    """Check a refusal that goes to quarantine; return the bytes kept there."""
    assert (outcome.verdict, outcome.refusal) == (None, refusal)
    assert reason in outcome.reason
    assert len(outcome.reason) <= 64
    kept = bench.quarantined()[-1]
    assert kept.reason == outcome.reason
    assert kept.blob_key.startswith("quarantine/")
    whole = bench.bytes_of(kept.blob_key)
    assert (kept.blob_size, kept.digest) == (len(whole), hashlib.sha256(whole).hexdigest())
    assert list(bench.blobs.keys("instances")) == []
    assert not bench.leftovers()
    return whole
