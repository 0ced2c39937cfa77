"""A receiver's log with notes, and the indexer behind it, in one process and step by step."""

import contextlib
import hashlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from node.config import Config, load
from node.indexing.indexer import Indexer
from node.intake.notes import encode
from node.root import Node
from storage.archive import Archive
from storage.blobs.log.journal import Journal
from storage.blobs.log.store import ReceiveLog
from storage.records.arrival import Arrival, BlobRef
from storage.verify import verify
from tests.support.arrivals import arrival
from tests.support.node import write_config

HEAD = b"DICM"


class Noted:
    """What a test works with: `acknowledge` as a receiver does, `look` as the indexer does."""

    def __init__(self, config: Config) -> None:
        self.config = config
        self.archive = Archive.open(config.database_url)
        self.lazy = Archive.open(config.database_url, durable=False)
        self.log = ReceiveLog(config.data_dir / "blobs")
        self.journals: list[Journal] = []
        self.indexer = self.another()
        self._token = ""

    def another(self) -> Indexer:
        """An indexer that begins anew."""
        return Indexer(self.config, self.archive, self.lazy, self.log, self.log)

    @property
    def journal(self) -> Journal:
        """The journal of this process."""
        if not self.journals:
            journal = self.log.journal()
            assert journal is not None
            self.journals.append(journal)
        return self.journals[0]

    def acknowledge(self, number: int = 1, content: bytes = b"", **settings: object) -> Arrival:
        """Make an instance durable with its note; return it as the index is to have it."""
        data = content or b"dataset %d" % number
        made = arrival(number=number, content=data.decode("latin-1"), **settings)  # type: ignore[arg-type]
        made = replace(made, blob=BlobRef("", len(HEAD), len(data), _digest(data)))
        key = self.journal.enter("instances", [HEAD, data], len(HEAD) + len(data), encode(made))
        return replace(made, blob=replace(made.blob, key=key))

    def look(self) -> None:
        """Index all that there is."""
        while self.indexer.look():
            pass

    def die(self) -> None:
        """Leave the log as a process does that is no more."""
        for journal in self.journals:
            journal.close()
        self.journals.clear()
        self.log.close()

    def blob_of(self, uid: str) -> BlobRef | None:
        """Where the index says that an instance is."""
        with self.archive.read() as tx:
            found = tx.instances.get(uid)
        return found.blob if found else None

    def restart(self) -> None:
        """Start a node, and stop it."""
        with Node.open(self.config):
            pass

    def assert_clean(self) -> None:
        """See that records and blobs fit."""
        report = verify(self.archive, self.log)
        assert report.clean, report

    def close(self) -> None:
        """End."""
        self.indexer.close()
        self.die()
        self.lazy.close()
        self.archive.close()


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


@contextlib.contextmanager
def opened(folder: Path, url: str) -> Iterator[Noted]:
    """Open one for the block."""
    made = Noted(load(write_config(folder, url), environ={}))
    try:
        yield made
    finally:
        made.close()


@pytest.fixture
def noted(tmp_path: Path, archive_url: str) -> Iterator[Noted]:
    """One on each database."""
    with opened(tmp_path, archive_url) as made:
        yield made
