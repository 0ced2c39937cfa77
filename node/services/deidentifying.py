"""De-identified copies of instances: read, cleaned by a profile, and taken in like anything else that comes.

A copy's UIDs are functions of those of its source and of this archive's key, so that making it again finds
it, and references between copies hold. Of what the profile cannot clean (`rules.deid.refusal`) there is none.

What is read is held in memory, several times over; what is larger than `LARGEST` is refused.
"""

import secrets
from io import BytesIO

from pydicom import dcmread, dcmwrite
from pydicom.dataset import FileDataset

from node.core import clock
from node.intake.outcome import Refusal
from node.intake.part10 import encode_meta
from node.root import Node
from rules.deid.engine import deidentify
from rules.deid.profiles import PROFILES
from rules.deid.refusal import refusal
from rules.deid.uids import KEY_BYTES, replaced
from storage.archive import Archive
from storage.errors import OutOfSpace, Unavailable
from storage.records.arrival import Origin, Verdict, Way
from storage.records.objects import StoredInstance
from storage.records.subjects import Subject

LARGEST = 1 << 30
"""Bytes of the largest dataset that is copied."""

BOOKMARK = "deidentification key"
_STEP = "deidentify:"  # begins what a copy has in its path


class Refused(Exception):
    """No copy of this instance can be made. The message has no patient data."""


def is_copy(origin: Origin) -> bool:
    """Tell whether an instance was de-identified here already; then it is not again."""
    return any(step.startswith(_STEP) for step in origin.path)


def key_of(archive: Archive) -> bytes:
    """Return this archive's key, which is made when it is first asked for, and kept in the database.

    Who has it and a list of UIDs can tell whose copies are whose. It goes into backups of the database, for
    without it late images would get other UIDs than those of their study that went before.
    """
    with archive.read() as tx:
        known = tx.bookmarks.get(BOOKMARK)
    if not known:
        with archive.begin() as tx:
            made = {"key": secrets.token_hex(KEY_BYTES)}
            known = tx.bookmarks.first(BOOKMARK, made, clock.now())
            tx.commit()
    return bytes.fromhex(known["key"])


def copy_uid(key: bytes, subject: Subject) -> str:
    """Return the SOP Instance UID of a copy."""
    return replaced(key, subject.sop_instance_uid)


def copy(node: Node, subject: Subject, profile: str, key: bytes) -> None:
    """Make a de-identified copy of an instance and take it in; when it is there already nothing changes.

    Raises
    ------
    Refused
        There is no copy, and trying again cannot help.
    storage.errors.StorageError
        The source is damaged, or the archive cannot take the copy at present.
    """
    if subject.blob.size > LARGEST:
        raise Refused(f"it is larger than {LARGEST >> 20} MiB")
    data = _read(node, subject)
    try:
        cleaned = _cleaned(data, subject, profile, key)
    except Refused:
        raise
    except Exception as error:  # of pydicom, and whatever it says may quote the dataset
        raise Refused(f"it cannot be read or written: {type(error).__name__}") from None
    origin = subject.origin
    before = (*origin.path, origin.calling_ae) if origin.calling_ae else origin.path
    came = Origin(Way.DERIVED, path=(*before, _STEP + profile))
    outcome = node.ingest.take_file(cleaned, came)
    if outcome.refusal is Refusal.OUT_OF_SPACE:
        raise OutOfSpace("blobs: no space for a de-identified copy")
    if outcome.refusal is Refusal.FAILURE:
        raise Unavailable(f"a de-identified copy was not taken: {outcome.reason}")
    if outcome.refusal is not None:
        raise Refused(f"its copy was not taken: {outcome.reason}")
    if outcome.verdict is Verdict.CONFLICT:
        raise Refused("another instance has the UID of its copy")


def _read(node: Node, subject: Subject) -> bytes:
    """Return an instance as a Part 10 file, proven to be what was stored."""
    stored = StoredInstance(
        sop_class_uid=subject.sop_class_uid,
        sop_instance_uid=subject.sop_instance_uid,
        transfer_syntax_uid=subject.transfer_syntax_uid,
        blob=subject.blob,
        study_instance_uid=subject.study_instance_uid,
        series_instance_uid=subject.series_instance_uid,
        received_at=subject.received_at,
    )
    head = encode_meta(subject.sop_class_uid, subject.sop_instance_uid, subject.transfer_syntax_uid)
    return b"".join((head, *node.retrieve.outgoing(stored).chunks()))


def _cleaned(data: bytes, subject: Subject, profile: str, key: bytes) -> BytesIO:
    dataset: FileDataset = dcmread(BytesIO(data))
    # As the archive knows it, should the dataset itself not say it.
    dataset.SOPClassUID = subject.sop_class_uid
    dataset.SOPInstanceUID = subject.sop_instance_uid
    dataset.StudyInstanceUID = subject.study_instance_uid
    dataset.SeriesInstanceUID = subject.series_instance_uid
    why = refusal(dataset)
    if why:
        raise Refused(why)
    deidentify(dataset, key, PROFILES[profile])
    written = BytesIO()
    dcmwrite(written, dataset, enforce_file_format=True)
    written.seek(0)
    return written
