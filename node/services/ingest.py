"""The one way in: whatever becomes part of the archive passes here, whoever brings it.

Example
-------
>>> reception = node.ingest.begin(claim, origin)                    # doctest: +SKIP
>>> for fragments in channel.dataset():                             # doctest: +SKIP
...     reception.write(fragments)
>>> outcome = reception.finish()                                    # doctest: +SKIP
"""

import os
from collections.abc import Callable
from dataclasses import replace

import structlog

from node.intake.buffers import BUFFER, Buffers
from node.intake.errors import Malformed
from node.intake.files import MEDIA_DIRECTORY, ByteStream, read_head
from node.intake.outcome import Claim, Outcome, Refusal
from node.intake.wants import Wants, nothing
from node.services.quarantine import Quarantine
from node.services.reception import Reception, Tools
from node.services.recorder import Recorder
from node.services.space import Space
from storage.archive import Archive
from storage.blobs.log.journal import Journal
from storage.blobs.protocol import BlobStore
from storage.commit import Follower, GroupCommit
from storage.records.arrival import Origin

_SETTLE_SECONDS = 10.0
_log = structlog.get_logger()

__all__ = ["Claim", "Ingest", "Outcome", "Reception", "Refusal"]


class Ingest:
    """Takes instances in. Safe for use by many threads.

    Parameters
    ----------
    archive, blobs
        Where records and bytes are kept.
    free_floor
        Bytes that must stay free in the blob store.
    max_dataset
        Bytes of the longest dataset taken, also when it is inflated.
    commits
        Shares commits among receptions; by default one is made, with `follower`.
    wants
        Asked as each instance begins to come in: what rules want to know of it beside its indexed attributes.
    follower
        Called in the transaction of each group with what was recorded, before it commits.
    """

    def __init__(
        self,
        archive: Archive,
        blobs: BlobStore,
        *,
        free_floor: int,
        max_dataset: int,
        commits: GroupCommit | None = None,
        wants: Callable[[], Wants] = nothing,
        follower: Follower | None = None,
    ) -> None:
        if commits is None:
            commits = archive.commits(blobs, follower)
        self._floor = free_floor
        space = Space(blobs, floor=free_floor, held=BUFFER)
        self._tools = Tools(
            blobs=blobs,
            recorder=Recorder(archive, blobs, commits),
            quarantine=Quarantine(archive, blobs, space),
            space=space,
            buffers=Buffers(),
            max_dataset=max_dataset,
            wants=wants,
        )
        self._receiving = self._tools
        self._journal: Journal | None = None

    def keep_notes(self, journal: Journal, log: BlobStore) -> None:
        """Let what is `receive`d go to `journal`, which is that of `log`, instead of to the index."""
        self._journal = journal
        space = self._tools.space if log is self._tools.blobs else Space(log, floor=self._floor, held=BUFFER)
        self._receiving = replace(self._tools, journal=journal, space=space)

    def receive(self, claim: Claim, origin: Origin) -> Reception:
        """Begin to take in an instance that need not be in the index when its sender is told of it."""
        return Reception(self._receiving, claim, origin)

    def settle(self) -> bool:
        """Return once the index has all that was acknowledged so far, False when that takes too long."""
        settled = self._journal is None or self._journal.settle(_SETTLE_SECONDS)
        if not settled:
            _log.warning("index.not_settled", seconds=_SETTLE_SECONDS)
        return settled

    def begin(self, claim: Claim, origin: Origin) -> Reception:
        """Begin to take in one instance."""
        return Reception(self._tools, claim, origin)

    def take_file(self, source: str | os.PathLike[str] | ByteStream, origin: Origin) -> Outcome:
        """Take in the dataset of a Part 10 file, streamed.

        A file that is not DICOM, or a DICOMDIR, is refused without being kept in quarantine.

        Parameters
        ----------
        source
            Path, or what the file is read from; it is left open.
        """
        try:
            if isinstance(source, str | os.PathLike):
                with open(source, "rb", buffering=0) as file:
                    return self._take(file, origin)
            return self._take(source, origin)
        except OSError as error:
            return Outcome("", None, Refusal.FAILURE, f"cannot be read: {error.strerror or error}"[:64])

    def _take(self, stream: ByteStream, origin: Origin) -> Outcome:
        try:
            head = read_head(stream)
        except Malformed as error:
            return Outcome("", None, Refusal.CANNOT_UNDERSTAND, str(error))
        if head.sop_class_uid == MEDIA_DIRECTORY:
            return Outcome("", None, Refusal.CANNOT_UNDERSTAND, "a DICOMDIR is no instance")
        hint = Claim(head.sop_class_uid, head.sop_instance_uid, head.transfer_syntax_uid, binding=False)
        reception = self.begin(hint, origin)
        try:
            piece: bytes | None = head.rest
            while piece and not reception.refused:
                reception.write([piece])
                piece = stream.read(BUFFER)
        except BaseException:
            reception.abandon()
            raise
        return reception.finish()
