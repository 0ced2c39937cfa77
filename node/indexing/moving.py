"""From the log of this machine to the store that is elsewhere, where there is one: an object store.

There the log is only the front: what is acknowledged is durable here, and travels before the index says where
it is. Where blobs are files of this machine they stay in the log, and nothing is moved: that would write each
twice.
"""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial

from node.core.trouble import report
from storage.blobs.log.store import ReceiveLog
from storage.blobs.protocol import BlobStore
from storage.errors import StorageError
from storage.records.arrival import Arrival

_AT_ONCE = 8  # uploads


class Moving:
    """Moves blobs from the log to where they belong.

    Parameters
    ----------
    log
        Where they are.
    blobs
        Where they belong; the same when they stay.
    """

    def __init__(self, log: ReceiveLog, blobs: BlobStore) -> None:
        self._log = log
        self._blobs = blobs
        self._pool = ThreadPoolExecutor(_AT_ONCE, "moving") if log is not blobs else None

    @property
    def moves(self) -> bool:
        """Whether blobs do not stay in the log."""
        return self._pool is not None

    def move(self, arrivals: Sequence[Arrival]) -> Sequence[Arrival]:
        """Copy the blob of each; return the arrivals with the keys that they have there.

        Raises
        ------
        StorageError
            Some may have been copied: they are nobody's there.
        """
        if self._pool is None:
            return arrivals
        moved = [self._pool.submit(self._copy, each) for each in arrivals]
        found: list[Arrival] = []
        trouble: Exception | None = None
        for each in moved:
            try:
                found.append(each.result())
            except Exception as error:
                trouble = error
        if trouble is not None:
            self._forget(self._blobs, found)
            raise trouble
        return found

    def forget(self, arrivals: Sequence[Arrival]) -> None:
        """Delete from the log what has been moved and is in the index."""
        if self._pool is not None:
            self._forget(self._log, arrivals)

    def _copy(self, arrival: Arrival) -> Arrival:
        writer = self._blobs.create()
        try:
            with self._log.open(arrival.blob.key) as reader:
                for piece in reader.chunks():
                    writer.write([piece])
            key = writer.place()
        except BaseException:
            writer.abandon()
            raise
        self._blobs.sync([key])
        return replace(arrival, blob=replace(arrival.blob, key=key))

    def _forget(self, store: BlobStore, arrivals: Sequence[Arrival]) -> None:
        assert self._pool is not None  # noqa: S101 - for mypy
        list(self._pool.map(partial(_delete, store), [each.blob.key for each in arrivals]))

    def close(self) -> None:
        """End the threads."""
        if self._pool is not None:
            self._pool.shutdown()


def _delete(store: BlobStore, key: str) -> None:
    try:
        store.delete(key)
    except StorageError as error:  # `isocentre db verify` finds it
        report("index.blob_left", error, blob=key)
