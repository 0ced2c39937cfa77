"""What an administrator should look at: conflicts between arrivals, and the quarantine. Read only."""

from collections.abc import Iterator

from storage.archive import Archive
from storage.records.history import Conflict, Quarantined

_PAGE = 1000


def conflicts(
    archive: Archive, study_uid: str | None = None, *, resolved: bool = False
) -> Iterator[Conflict]:
    """Yield conflicts in the order they were found.

    Parameters
    ----------
    study_uid
        Of this study only.
    resolved
        Also those that a person has decided.
    """
    after = 0
    while True:
        with archive.read() as tx:
            page = tx.conflicts.list(study_uid, not resolved, after=after, limit=_PAGE)
        yield from page
        if len(page) < _PAGE:
            return
        after = page[-1].id


def quarantined(archive: Archive) -> Iterator[Quarantined]:
    """Yield refused datasets in the order they came."""
    after = 0
    while True:
        with archive.read() as tx:
            page = tx.quarantine.list(after=after, limit=_PAGE)
        yield from page
        if len(page) < _PAGE:
            return
        after = page[-1].id
