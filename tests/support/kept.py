"""What an archive holds, compared with what senders were told."""

import contextlib
import hashlib
from collections import defaultdict
from collections.abc import Iterator, Mapping

from node.config import Config
from storage.archive import Archive
from storage.blobs.open import open_blobs
from storage.blobs.protocol import BlobStore
from storage.records.arrival import BlobRef


@contextlib.contextmanager
def opened(config: Config) -> Iterator[tuple[Archive, BlobStore]]:
    """Open records and bytes of a node beside it, for the block."""
    with contextlib.ExitStack() as stack:
        archive = Archive.open(config.database_url)
        stack.callback(archive.close)
        blobs = open_blobs(config.blobs.url, config.data_dir)
        stack.callback(blobs.close)
        yield archive, blobs


def assert_kept(config: Config, acknowledged: Mapping[str, str]) -> None:
    """See that each SOP Instance UID is there and that its data set has the SHA-256 given."""
    with opened(config) as (archive, blobs):
        for uid, expected in acknowledged.items():
            with archive.read() as tx:
                instance = tx.instances.get(uid)
            assert instance is not None, f"{uid} was acknowledged and is gone"
            assert _digest(blobs, instance.blob) == expected, f"{uid} came back with other bytes"


def versions(config: Config) -> Mapping[str, set[str]]:
    """SOP Instance UID to the SHA-256 of each content that it has: its own, and those in conflict with it."""
    found: dict[str, set[str]] = defaultdict(set)
    with opened(config) as (archive, blobs):
        with archive.read() as tx:
            kept = [each for _, each in tx.instances.page(0, 100_000)]
            kept += tx.conflicts.list(limit=100_000)
        for each in kept:
            found[each.sop_instance_uid].add(_digest(blobs, each.blob))
    return found


def _digest(blobs: BlobStore, blob: BlobRef) -> str:
    with blobs.open(blob.key) as reader:
        digest = hashlib.sha256()
        for chunk in reader.chunks(blob.offset):
            digest.update(chunk)
    return digest.hexdigest()
