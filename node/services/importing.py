"""Import: files and folders from a disk, each file by the one way in.

What is no DICOM file is skipped and counted with the reason. A DICOMDIR (PS3.10 8) is skipped as well: it
is an index of the files beside it, and these are found by walking; its paths are never followed.
"""

import os
import stat
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from node.core.errors import UserError
from node.intake.errors import Malformed
from node.intake.files import MEDIA_DIRECTORY, read_head
from node.services.ingest import Ingest, Outcome, Refusal
from storage.records.arrival import Origin, Verdict

_AT_ONCE = 4  # files read at the same time; they share commits


@dataclass
class Imported:
    """What an import came to.

    Attributes
    ----------
    stored, duplicates, conflicts
        Files that are new, those that the archive had already, and those that disagree with what it had.
    refused
        Path to the reason, for DICOM files that were not taken and for what cannot be read.
    skipped
        Path to the reason, for what is no DICOM file.
    """

    stored: int = 0
    duplicates: int = 0
    conflicts: int = 0
    refused: dict[str, str] = field(default_factory=dict)
    skipped: dict[str, str] = field(default_factory=dict)


def import_paths(
    ingest: Ingest,
    paths: Iterable[Path],
    origin: Origin,
    advance: Callable[[int], None] = lambda more: None,
) -> Imported:
    """Take every DICOM file at or below `paths`.

    Parameters
    ----------
    advance
        Called with 1 after each file, from this thread.

    Raises
    ------
    UserError
        A path does not exist, or there is no space left; what was taken before stays.
    """
    done = Imported()
    running: deque[tuple[Path, Future[Outcome]]] = deque()
    with ThreadPoolExecutor(_AT_ONCE, "import") as pool:
        for path in _files(paths, done):
            running.append((path, pool.submit(ingest.take_file, path, origin)))
            if len(running) > 2 * _AT_ONCE:
                _finish(*running.popleft(), done)
                advance(1)
        while running:
            _finish(*running.popleft(), done)
            advance(1)
    return done


def _finish(path: Path, future: Future[Outcome], done: Imported) -> None:
    try:
        outcome = future.result()
    except OSError as error:
        done.refused[str(path)] = _unreadable(error)
        return
    if outcome.refusal is Refusal.OUT_OF_SPACE:
        taken = done.stored + done.duplicates + done.conflicts
        raise UserError(
            f"{path}: there is no space left ({taken} files were taken); make space and import again"
        )
    if outcome.refusal is not None:
        done.refused[str(path)] = outcome.reason or str(outcome.refusal)
        return
    done.stored += outcome.verdict is Verdict.STORED
    done.duplicates += outcome.verdict is Verdict.DUPLICATE
    done.conflicts += outcome.verdict is Verdict.CONFLICT


def _files(paths: Iterable[Path], done: Imported) -> Iterator[Path]:
    """Yield what looks like a DICOM file; note everything else in `done`."""
    for path in paths:
        if not path.exists():
            raise UserError(f"{path}: there is no such file or folder")
        for file in _walk(path, done):
            try:
                reason = _reason_to_skip(file)
            except OSError as error:
                done.refused[str(file)] = _unreadable(error)
                continue
            if reason is None:
                yield file
            else:
                done.skipped[str(file)] = reason


def _walk(path: Path, done: Imported) -> Iterator[Path]:
    if not path.is_dir():
        yield path
        return

    def unreadable(error: OSError) -> None:
        done.refused[str(error.filename)] = _unreadable(error)

    for folder, folders, names in os.walk(path, onerror=unreadable):
        folders.sort()
        for name in sorted(names):
            yield Path(folder, name)


def _reason_to_skip(path: Path) -> str | None:
    if not stat.S_ISREG(path.stat().st_mode):  # opening a pipe would wait for ever
        return "not a file"
    with path.open("rb", buffering=0) as file:
        try:
            head = read_head(file)
        except Malformed:
            return "not a DICOM file"
    return "a DICOMDIR, which is an index" if head.sop_class_uid == MEDIA_DIRECTORY else None


def _unreadable(error: OSError) -> str:
    return f"cannot be read: {error.strerror}"
