"""Giving back: which instances a retrieval means, and their bytes, proven to be those that were stored.

Every data set is proven before its last byte leaves (threat T25): what rotted in the store
fails loudly, one instance at a time. Small data sets are read once, whole; large ones once to prove them and
again to send them, so that memory stays flat.

Example
-------
>>> for instance in retrieve.matching(Level.STUDY, {"StudyInstanceUID": uid}):         # doctest: +SKIP
...     outgoing = retrieve.outgoing(instance)
"""

from collections.abc import Callable, Iterator, Mapping
from functools import partial

import structlog

from node.core import clock
from node.core.proof import Proof, proves
from node.services.query import BadQuery
from scu.store import Outgoing
from storage.archive import Archive
from storage.blobs.protocol import BlobReader, BlobStore, Buffer
from storage.errors import Damaged, NotFound, StorageError
from storage.records.attributes import BY_KEYWORD, Level
from storage.records.objects import StoredInstance
from storage.records.trail import Event

WHOLE_MAX = 64 << 20
"""Bytes of the largest data set that is read whole."""

AHEAD_MAX = 16 << 20
"""Bytes of the largest data set that is read before anybody is ready to take it."""

_CHUNK = 1 << 20
_AT_ONCE = 500  # UIDs in one query
_KEYS = {
    Level.PATIENT: "PatientID",
    Level.STUDY: "StudyInstanceUID",
    Level.SERIES: "SeriesInstanceUID",
    Level.IMAGE: "SOPInstanceUID",
}
_ARGUMENTS = {Level.STUDY: "study_uids", Level.SERIES: "series_uids", Level.IMAGE: "sop_uids"}

_log = structlog.get_logger()


class Retrieve:
    """Finds and reads instances. Safe for use by many threads at once."""

    def __init__(self, archive: Archive, blobs: BlobStore) -> None:
        self._archive = archive
        self._blobs = blobs

    def matching(self, level: Level, keys: Mapping[str, str]) -> list[StoredInstance]:
        """Return the instances that a retrieval means, in order (PS3.4 C.4.2.2.1, C.4.3.2.1).

        Parameters
        ----------
        level
            Where the retrieval stands.
        keys
            Keyword to value. The unique key of `level` must be there, one UID or a list; those above it
            narrow down where they are given. Nothing is a wildcard.

        Raises
        ------
        BadQuery
            The unique key of `level` is missing.
        Unavailable
        """
        levels = list(_KEYS)[: list(_KEYS).index(level) + 1]  # keys below the level mean nothing
        patient = keys.get("PatientID", "").strip(" \0") or None
        uids = {_ARGUMENTS[each]: _values(keys.get(_KEYS[each], "")) for each in levels[1:]}
        if level is Level.PATIENT:
            if patient is None:
                raise _missing(level)
            return self._read(patient, uids)
        own = _ARGUMENTS[level]
        if not uids[own]:
            raise _missing(level)
        found: list[StoredInstance] = []
        for begin in range(0, len(uids[own]), _AT_ONCE):
            found += self._read(patient, {**uids, own: uids[own][begin : begin + _AT_ONCE]})
        return found

    def _read(self, patient: str | None, uids: Mapping[str, list[str]]) -> list[StoredInstance]:
        with self._archive.read() as tx:
            return list(tx.instances.matching(patient_id=patient, **uids))

    def outgoing(self, instance: StoredInstance) -> Outgoing:
        """Return an instance ready to be sent; it is read when its chunks are asked for.

        Iterating them raises `Damaged` when the bytes are not those that were stored, before the last of
        them is given out, and records the event ``instance.damaged``; `Unavailable` when the store does
        not answer.
        """
        return _outgoing(instance, partial(self._chunks, instance))

    def ahead(self, instance: StoredInstance) -> Outgoing:
        """Return an instance ready to be sent, read and proven already unless it is large.

        Raises
        ------
        Damaged, Unavailable
        """
        if instance.blob.size > AHEAD_MAX:
            return self.outgoing(instance)
        pieces = list(self._chunks(instance))
        return _outgoing(instance, lambda: iter(pieces))

    def _chunks(self, instance: StoredInstance) -> Iterator[Buffer]:
        blob = instance.blob
        try:
            reader = self._blobs.open(blob.key)
        except NotFound as error:
            raise self._damaged(instance, "it is not there") from error
        with reader:
            if reader.size != blob.offset + blob.size:
                raise self._damaged(instance, f"its blob has {reader.size} bytes")
            if blob.size <= WHOLE_MAX:
                data = reader.read_at(blob.offset, blob.size)
                if not proves(blob, data):
                    raise self._damaged(instance, "its bytes differ")
                yield data
                return
            for _ in self._proven(instance, reader):
                pass
            yield from self._proven(instance, reader)

    def _proven(self, instance: StoredInstance, reader: BlobReader) -> Iterator[Buffer]:
        """Yield the data set; the last piece only once all is proven."""
        proof = Proof(instance.blob)
        held: Buffer = b""
        for piece in reader.chunks(instance.blob.offset, _CHUNK):
            if held:
                yield held
            proof.update(piece)
            held = piece
        if not proof.holds:
            raise self._damaged(instance, "its bytes differ")
        yield held

    def _damaged(self, instance: StoredInstance, what: str) -> Damaged:
        """Record that an instance is not what was stored; return the error to raise."""
        uid, key = instance.sop_instance_uid, instance.blob.key
        _log.error("instance.damaged", sop_instance_uid=uid, blob_key=key, what=what)
        event = Event(
            at=clock.now(),
            kind="instance.damaged",
            study_instance_uid=instance.study_instance_uid,
            series_instance_uid=instance.series_instance_uid,
            sop_instance_uid=uid,
            detail={"what": what, "blob_key": key},
        )
        try:
            with self._archive.begin() as tx:
                tx.events.add(event)
                tx.commit()
        except StorageError as error:
            _log.error("instance.damaged.unrecorded", sop_instance_uid=uid, error=type(error).__name__)
        return Damaged(f"instance {uid} is damaged: {what}")


def _outgoing(instance: StoredInstance, chunks: Callable[[], Iterator[Buffer]]) -> Outgoing:
    return Outgoing(
        sop_class_uid=instance.sop_class_uid,
        sop_instance_uid=instance.sop_instance_uid,
        transfer_syntax_uid=instance.transfer_syntax_uid,
        size=instance.blob.size,
        chunks=chunks,
    )


def _missing(level: Level) -> BadQuery:
    keyword = _KEYS[level]
    return BadQuery(BY_KEYWORD[keyword].tag, f"{keyword} is missing")


def _values(value: str) -> list[str]:
    """Return the UIDs of a list, each once (PS3.4 C.2.2.2.2)."""
    return list(dict.fromkeys(part for each in value.split("\\") if (part := each.strip(" \0"))))
