"""The composition root: the one place where archive, blobs and services are put together.

Example
-------
>>> with Node.open(load(Path("config.toml"))) as node:              # doctest: +SKIP
...     node.peers.list()
"""

import contextlib
from types import TracebackType
from typing import Self

import structlog

from node.config import Config
from node.indexing.indexer import index_rest
from node.rulings.book import Book
from node.rulings.decider import Decider
from node.run.opening import open_archive
from node.services.callers import Callers
from node.services.ingest import Ingest
from node.services.peers import Peers
from node.services.query import Query
from node.services.retrieve import Retrieve
from storage.archive import Archive
from storage.blobs.log.journal import Journal
from storage.blobs.log.store import ReceiveLog
from storage.blobs.open import open_blobs, open_front
from storage.blobs.protocol import BlobStore

MIB = 1 << 20

CRASH_LEAVES = 50
"""Blobs without a record that a crash may have left: one for each association that waited for its commit.

More of them, and somebody has put an older copy of the database back: then they were acknowledged.
"""

_log = structlog.get_logger()


class Node:
    """Everything that a front door needs, of one process.

    Attributes
    ----------
    config
        The configuration it was made from.
    archive, blobs
        Records and bytes.
    book
        The rule sets in force.
    ingest, query, retrieve, peers, callers
        The use cases, one a family.
    """

    def __init__(self, config: Config, archive: Archive, blobs: BlobStore) -> None:
        self.config = config
        self.archive = archive
        self.blobs = blobs
        self.book = Book(archive)
        self.ingest = Ingest(
            archive,
            blobs,
            free_floor=config.blobs.free_floor_mib * MIB,
            max_dataset=config.dicom.max_dataset_mib * MIB,
            wants=self.book.wants,
            follower=Decider(self.book, blobs, config.rules),
        )
        self.query = Query(archive)
        self.retrieve = Retrieve(archive, blobs)
        self.peers = Peers(archive)
        self.callers = Callers(archive)
        self._journal: Journal | None = None
        self._front: ReceiveLog | None = None

    @classmethod
    def open(cls, config: Config, *, recovering: bool = True) -> Self:
        """Open the archive, bring its schema up to this program's, and clear what dead processes left.

        Parameters
        ----------
        recovering
            False to leave all blobs where they are, whether they have a record or not.

        Raises
        ------
        UserError
            The data folder cannot be used.
        storage.errors.StorageError
            The database or the blob store cannot be used; the message says which and why.
        """
        with contextlib.ExitStack() as opened:
            archive, blobs = open_storage(config)
            opened.callback(archive.close)
            opened.callback(blobs.close)
            archive.upgrade()
            if recovering:
                index_rest(config, archive, blobs)
                recover(archive, blobs)
            node = cls(config, archive, blobs)
            opened.pop_all()
            return node

    def keep_notes(self) -> None:
        """Acknowledge small instances once they are in the receive log, and leave the index to the indexer.

        Some process must run one (`node.indexing.keeper`). Where small instances do not go to such a log,
        nothing changes.
        """
        if not self.config.blobs.receive_log:
            return
        log = open_front(self.config.blobs.url, self.config.data_dir, self.blobs)
        self._journal = log.journal() if log else None
        if log is not None and self._journal is not None:
            self.ingest.keep_notes(self._journal, log)
            self._front = None if log is self.blobs else log

    def close(self) -> None:
        """Write what waits, and let everything go. The node cannot be used afterwards."""
        if self._journal is not None:
            self._journal.close()
        if self._front is not None:
            self._front.close()
        self.callers.close()
        self.blobs.close()
        self.archive.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def open_storage(config: Config) -> tuple[Archive, BlobStore]:
    """Open records and bytes as they are, without upgrading or recovering anything."""
    archive = open_archive(config)
    try:
        return archive, open_blobs(config.blobs.url, config.data_dir, log=config.blobs.receive_log)
    except BaseException:
        archive.close()
        raise


def recover(archive: Archive, blobs: BlobStore) -> None:
    """Drop blobs that were placed by a process which died before their record was committed.

    Nobody was told that they are kept. But when there are more than a crash leaves, none is dropped: a person
    decides.
    """
    keys = blobs.recover()
    if not keys:
        return
    archive.settle()
    with archive.read() as tx:
        orphans = set(keys) - tx.instances.by_blob_keys(keys)
    if len(orphans) > CRASH_LEAVES:
        advice = "an older database? isocentre db adopt takes them in"
        _log.error("blobs.unrecorded", placed=len(keys), unrecorded=len(orphans), advice=advice)
        return
    for key in orphans:
        blobs.delete(key)
    _log.info("blobs.recovered", placed=len(keys), dropped=len(orphans))
