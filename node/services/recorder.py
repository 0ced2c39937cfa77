"""From placed bytes to a verdict: what an arrival is to what the archive has already."""

from dataclasses import replace
from threading import Lock

from node.core.trouble import report
from node.intake.compare import COMPARE_MAX, same_content
from node.services.mending import mend
from storage.archive import Archive
from storage.blobs.protocol import BlobStore
from storage.commit import GroupCommit
from storage.errors import InDoubt, StorageError
from storage.records.arrival import Arrival, BlobRef, Recorded, Verdict


class Recorder:
    """Records arrivals, and deletes the blobs of those that need none. Safe for use by many threads."""

    def __init__(self, archive: Archive, blobs: BlobStore, commits: GroupCommit) -> None:
        self._archive = archive
        self._blobs = blobs
        self._commits = commits
        self._comparing = Lock()  # one comparison at a time: each holds two datasets

    def record(self, arrival: Arrival) -> Verdict:
        """Return once `arrival` is durable, or known to be what the archive has.

        Other bytes under a known SOP Instance UID are a duplicate when they say the same, as in another
        transfer syntax; else they are kept beside the first as a conflict. A duplicate of what was lost or
        changed in the store takes its place.

        Raises
        ------
        storage.errors.StorageError
            It was not recorded, and its blob is deleted; but after InDoubt, which may mean either, it stays.
        """
        key = arrival.blob.key
        try:
            recorded = self._commits.record(arrival)
            if recorded.verdict is Verdict.DIFFERS:
                if self.says_the_same(arrival, recorded):
                    recorded = replace(recorded, verdict=Verdict.DUPLICATE)
                else:
                    recorded = self._commits.record(replace(arrival, as_conflict=True))
            is_kept = self._is_kept(arrival, recorded)
        except InDoubt:
            raise
        except Exception:
            self.delete(key)
            raise
        if not is_kept:
            self.delete(key)
        return recorded.verdict

    def _is_kept(self, arrival: Arrival, recorded: Recorded) -> bool:
        """Tell whether a record refers to the blob of `arrival`."""
        known = recorded.existing
        if recorded.verdict is not Verdict.DUPLICATE or known is None or known.key == arrival.blob.key:
            return True
        return mend(self._archive, self._blobs, known, arrival)

    def clear(self, arrival: Arrival, recorded: Recorded) -> None:
        """Delete the blob of a duplicate, unless it has to take the place of the one that is known.

        Raises
        ------
        storage.errors.StorageError
            It may be tried again.
        """
        if not self._is_kept(arrival, recorded):
            self.delete(arrival.blob.key)

    def delete(self, key: str) -> None:
        """Delete a blob that no record refers to. If that fails, `isocentre db verify` will find it."""
        try:
            self._blobs.delete(key)
        except StorageError as error:
            report("ingest.blob_left", error, blob=key)

    def says_the_same(self, arrival: Arrival, recorded: Recorded) -> bool:
        """Tell whether an arrival that DIFFERS in bytes says what is known, as in another transfer syntax."""
        known = recorded.existing
        if known is None or max(known.size, arrival.blob.size) > COMPARE_MAX:
            return False
        with self._comparing:
            try:
                first, second = self._read(known), self._read(arrival.blob)
            except StorageError:  # what cannot be read cannot be said to be the same
                return False
            syntax = recorded.existing_transfer_syntax_uid
            return same_content(first, syntax, second, arrival.transfer_syntax_uid)

    def _read(self, blob: BlobRef) -> bytes:
        with self._blobs.open(blob.key) as reader:
            return reader.read_at(blob.offset, blob.size)
