"""Takes blobs that no record refers to in again: after an older database was restored, or none at all.

Each goes by the one way in, from the bytes that are kept, and the orphan goes once the archive has it. Where
it came from is not known any more: its origin says that it was adopted.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import islice

from node.services.ingest import Ingest
from storage.archive import Archive
from storage.blobs.protocol import BlobReader, BlobStore
from storage.errors import NotFound
from storage.records.arrival import Origin, Verdict, Way

ADOPTED = Origin(Way.IMPORT, user="db adopt")

_AT_ONCE = 1000  # keys looked up together


@dataclass
class Adopted:
    """What came of the orphans.

    Attributes
    ----------
    stored, duplicates, conflicts
        Those that are records now, those that the archive had already, those that disagree with what it had.
    refused
        Key to the reason, for what was not taken; it stays where it is.
    """

    stored: int = 0
    duplicates: int = 0
    conflicts: int = 0
    refused: dict[str, str] = field(default_factory=dict)


def adopt(
    archive: Archive, blobs: BlobStore, ingest: Ingest, advance: Callable[[int], None] = lambda more: None
) -> Adopted:
    """Take in every instance whose blob no record refers to. Nothing may be received meanwhile.

    Parameters
    ----------
    advance
        Called with the number of blobs looked at.
    """
    done = Adopted()
    keys = blobs.keys()  # it may come to those taken in anew: they have their record then
    while page := list(islice(keys, _AT_ONCE)):
        with archive.read() as tx:
            known = tx.instances.by_blob_keys(page)
        for key in page:
            if key not in known:
                _adopt_one(key, archive, blobs, ingest, done)
        advance(len(page))
    return done


def _adopt_one(key: str, archive: Archive, blobs: BlobStore, ingest: Ingest, done: Adopted) -> None:
    try:
        with blobs.open(key) as reader:
            outcome = ingest.take_file(_Stream(reader), ADOPTED)
    except NotFound:  # it went meanwhile
        return
    if outcome.verdict is None:
        done.refused[key] = outcome.reason
        return
    if outcome.verdict is Verdict.STORED:
        done.stored += 1
    elif outcome.verdict is Verdict.DUPLICATE:
        done.duplicates += 1
    else:
        done.conflicts += 1
    with archive.read() as tx:
        mine = tx.instances.by_blob_keys([key])
    if not mine:  # else whoever received it was not stopped, and has recorded it meanwhile
        blobs.delete(key)


class _Stream:
    """A blob as a file to read from."""

    def __init__(self, reader: BlobReader) -> None:
        self._chunks: Iterator[bytes] = reader.chunks()
        self._rest = b""

    def read(self, size: int, /) -> bytes:
        """Return up to `size` bytes, none at the end."""
        if not self._rest:
            self._rest = next(self._chunks, b"")
        data, self._rest = self._rest[:size], self._rest[size:]
        return data
