"""Refused datasets are kept with the reason: nothing that a scanner sent disappears without trace."""

import contextlib
import hashlib
from collections.abc import Iterable

from node.core.clock import now
from node.intake.outcome import Claim
from node.services.space import Space
from storage.archive import Archive
from storage.blobs.protocol import BlobStore, BlobWriter, Buffer
from storage.errors import InDoubt, StorageError, Unavailable
from storage.records.arrival import Origin
from storage.records.history import Quarantined


class Quarantine:
    """The way into the quarantine.

    Parameters
    ----------
    space
        The free space that it must leave as well.
    """

    def __init__(self, archive: Archive, blobs: BlobStore, space: Space) -> None:
        self._archive = archive
        self._blobs = blobs
        self._space = space

    def keep(self, pieces: Iterable[Buffer], reason: str, claim: Claim, origin: Origin) -> None:
        """Keep the bytes of `pieces` durably, unless the same are kept already: scanners try again.

        Raises
        ------
        storage.errors.StorageError
            They could not be kept; nothing of them stays.
        """
        writer = self._blobs.create("quarantine")
        try:
            digest = self._write(writer, pieces)
            if self._holds(claim, digest):
                writer.abandon()
                return
            self._blobs.sync([writer.place()])
            self._record(writer, digest, reason, claim, origin)
        except InDoubt:
            raise
        except BaseException:
            writer.abandon()
            with contextlib.suppress(StorageError):
                self._blobs.delete(writer.key)
            raise

    def _write(self, writer: BlobWriter, pieces: Iterable[Buffer]) -> str:
        digest = hashlib.sha256()
        for piece in pieces:
            self._space.take(len(piece))
            digest.update(piece)
            writer.write([piece])
        return digest.hexdigest()

    def _holds(self, claim: Claim, digest: str) -> bool:
        with self._archive.read() as tx:
            return tx.quarantine.holds(_words(claim.sop_instance_uid), digest)

    def _record(self, writer: BlobWriter, digest: str, reason: str, claim: Claim, origin: Origin) -> None:
        refused = Quarantined(
            blob_key=writer.key,
            blob_size=writer.size,
            digest=digest,
            reason=reason,
            origin=origin,
            received_at=now(),
            sop_class_uid=_words(claim.sop_class_uid),
            sop_instance_uid=_words(claim.sop_instance_uid),
            transfer_syntax_uid=_words(claim.transfer_syntax_uid),
        )
        with self._archive.begin() as tx:
            tx.quarantine.add(refused)
            try:
                tx.commit()
            except Unavailable as error:  # perhaps saved: then its blob must stay
                raise InDoubt(str(error)) from error


def _words(claimed: str) -> str:
    """Return what a sender claims as text that is safe to keep and show, whatever it is."""
    return "".join(c if c.isprintable() and c.isascii() else "?" for c in claimed[:64])
