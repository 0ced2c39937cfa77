"""What was lost or changed in the store, and is sent again: then the new bytes take the place of the old.

Without it a duplicate would be thrown away for the sake of bytes that nobody can give back.
"""

from collections.abc import Callable

import structlog

from node.core import clock
from storage.archive import Archive
from storage.blobs.protocol import BlobStore
from storage.errors import InDoubt, StorageError, Unavailable
from storage.records.arrival import Arrival, BlobRef
from storage.records.trail import Event
from storage.repos.totals import MENDED
from storage.verify import Kind, fault_of

_log = structlog.get_logger()


def mend(archive: Archive, blobs: BlobStore, kept: BlobRef, again: Arrival) -> bool:
    """Put the blob of `again` in the place of `kept` if that is not what it was, and is the same content.

    The blob of `again` must be durable. Returns whether records refer to it now.

    Raises
    ------
    InDoubt
        They may refer to it or not: both blobs must stay.
    StorageError
        They do not.
    """
    if kept.digest != again.blob.digest:
        return False
    fault = _fault(blobs, kept)
    if fault is None:
        return False
    event = Event(
        at=clock.now(),
        kind=MENDED,
        study_instance_uid=again.study_instance_uid,
        series_instance_uid=again.series_instance_uid,
        sop_instance_uid=again.sop_instance_uid,
        detail={"fault": fault.value, "blob_key": kept.key},
    )
    with archive.begin() as tx:
        if not tx.instances.replace_blob(kept, again.blob):
            return False  # another was quicker
        tx.events.add(event)
        _commit(tx.commit)
    _log.warning(MENDED, sop_instance_uid=again.sop_instance_uid, fault=fault.value, blob_key=kept.key)
    _delete(blobs, kept.key)
    return True


def _fault(blobs: BlobStore, kept: BlobRef) -> Kind | None:
    try:
        fault = fault_of(blobs, kept)
    except Unavailable:
        return Kind.DAMAGED  # it cannot be read
    return fault and fault[0]


def _commit(commit: Callable[[], None]) -> None:
    try:
        commit()
    except Unavailable as error:
        raise InDoubt(str(error)) from error


def _delete(blobs: BlobStore, key: str) -> None:
    try:
        blobs.delete(key)
    except StorageError as error:  # the sweep comes again
        _log.warning("mending.blob_left", blob_key=key, error=type(error).__name__)
