"""Export: a study as Part 10 files in a folder (PS3.10 7.1).

File names are made of UIDs alone, never of what a dataset says about the patient; the preamble is zero,
so that a file is nothing but DICOM. What is there already is never overwritten.
"""

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from node.core.errors import UserError
from node.intake.part10 import encode_meta
from node.intake.uids import is_uid
from node.services.retrieve import Retrieve
from storage.archive import Archive
from storage.blobs.protocol import Buffer
from storage.errors import StorageError
from storage.records.objects import StoredInstance


@dataclass
class Exported:
    """What an export came to.

    Attributes
    ----------
    written, unchanged
        Files that were written, and those that were there with the same content.
    size
        Bytes written.
    failed
        SOP Instance UID to the reason, for instances that could not be read.
    """

    study_instance_uid: str
    folder: str
    written: int = 0
    unchanged: int = 0
    size: int = 0
    failed: dict[str, str] = field(default_factory=dict)


def export(
    archive: Archive,
    retrieve: Retrieve,
    study_uid: str,
    folder: Path,
    advance: Callable[[int], None] = lambda more: None,
) -> Exported:
    """Write the instances of a study to ``folder/STUDY_UID/SERIES_UID/SOP_UID.dcm``.

    Parameters
    ----------
    advance
        Called with 1 after each instance.

    Raises
    ------
    UserError
        There is no such study, a file of other content is in the way, or the folder cannot be written.
    """
    with archive.read() as tx:
        instances = list(tx.instances.matching(study_uids=[study_uid]))
    if not instances:
        raise UserError(f"there is no study {study_uid} in the archive")
    done = Exported(study_uid, str(folder))
    for instance in instances:
        try:
            size = _export(retrieve, instance, folder)
        except StorageError as error:
            done.failed[instance.sop_instance_uid] = str(error)
        else:
            done.written += size is not None
            done.unchanged += size is None
            done.size += size or 0
        advance(1)
    return done


def path_of(instance: StoredInstance) -> Path:
    """Return the path of an instance's file, relative to the folder of the export.

    Raises
    ------
    UserError
        A UID is not made of numbers and dots (PS3.5 9.1), so that it is no safe name.
    """
    uids = (instance.study_instance_uid, instance.series_instance_uid, instance.sop_instance_uid)
    for uid in uids:
        if not is_uid(uid):
            raise UserError(f"{uid!r} is no UID, and makes no safe file name; nothing more was exported")
    study, series, sop = uids
    return Path(study, series, f"{sop}.dcm")


def _export(retrieve: Retrieve, instance: StoredInstance, folder: Path) -> int | None:
    """Write one file; return its size in bytes, None when it was there already."""
    path = folder / path_of(instance)
    try:
        if os.path.lexists(path):
            _check_same(path, _content(retrieve, instance))
            return None
        path.parent.mkdir(parents=True, exist_ok=True)
        return _write(path, _content(retrieve, instance))
    except OSError as error:
        raise UserError(f"{path}: {error.strerror}; the export is not complete") from None


def _content(retrieve: Retrieve, instance: StoredInstance) -> Iterator[Buffer]:
    yield encode_meta(instance.sop_class_uid, instance.sop_instance_uid, instance.transfer_syntax_uid)
    yield from retrieve.outgoing(instance).chunks()


def _write(path: Path, content: Iterator[Buffer]) -> int:
    part = path.with_suffix(f".{os.getpid()}.part")
    size = 0
    try:
        with part.open("xb") as file:
            for chunk in content:
                size += file.write(chunk)
            file.flush()
            os.fsync(file.fileno())
        part.rename(path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise
    return size


def _check_same(path: Path, content: Iterator[Buffer]) -> None:
    with path.open("rb") as file:
        same = all(file.read(len(chunk)) == chunk for chunk in content) and not file.read(1)
    if not same:
        raise UserError(
            f"{path} is there with other content, and is not overwritten; export to another folder"
        )
