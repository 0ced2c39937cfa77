"""Whether bytes are still those that were stored.

Whoever reads a blob to give it away proves it by its checksum, or by its digest when it was stored without
one. The nightly scrub compares digests: a checksum finds what rotted, not what somebody forged.
"""

import hashlib
from typing import Protocol

from xxhash import xxh3_128

from storage.blobs.protocol import Buffer
from storage.records.arrival import BlobRef


class Hash(Protocol):
    """What takes bytes piece by piece, as `hashlib` has it."""

    def update(self, data: Buffer, /) -> None:
        """Take the next bytes."""

    def hexdigest(self) -> str:
        """Return what they come to."""


def checksum() -> Hash:
    """Return what makes a `BlobRef.checksum`."""
    return xxh3_128()


class Proof:
    """Takes the dataset of `blob` piece by piece; `holds` says whether it was all of it, unchanged."""

    def __init__(self, blob: BlobRef) -> None:
        self._expected = blob.checksum or blob.digest
        self._hash: Hash = checksum() if blob.checksum else hashlib.sha256()

    def update(self, piece: Buffer) -> None:
        """Take the next bytes."""
        self._hash.update(piece)

    @property
    def holds(self) -> bool:
        """Whether what was taken is the dataset."""
        return self._hash.hexdigest() == self._expected


def proves(blob: BlobRef, data: Buffer) -> bool:
    """Tell whether `data` is the dataset of `blob`."""
    proof = Proof(blob)
    proof.update(data)
    return proof.holds
