from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

from storage.archive import Archive
from storage.records.network import Caller

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
LATER = NOW + timedelta(hours=1)


def test_calls_are_counted_by_title_and_address(archive: Archive) -> None:
    with archive.begin() as tx:
        tx.callers.note("CT1", "10.0.0.7", ["C-STORE", "C-ECHO"], refused=False, at=NOW)
        tx.callers.note("CT1", "10.0.0.7", ["C-FIND"], refused=True, at=LATER, count=3)
        tx.callers.note("CT1", "10.0.0.7", [], refused=False, at=NOW)
        tx.callers.note("CT1", "10.0.0.8", [], refused=True, at=NOW)
        tx.commit()
    with archive.read() as tx:
        assert tx.callers.list() == [
            Caller("CT1", "10.0.0.7", NOW, LATER, 5, 3, ("C-ECHO", "C-FIND", "C-STORE")),
            Caller("CT1", "10.0.0.8", NOW, NOW, 1, 1, ()),
        ]


def test_many_note_the_same_caller(archive: Archive) -> None:
    def work(which: int) -> None:
        with archive.begin() as tx:
            tx.callers.note("CT1", "10.0.0.7", [f"C-{which}"], refused=False, at=NOW)
            tx.commit()

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(work, range(8)))
    with archive.read() as tx:
        (caller,) = tx.callers.list()
    assert caller.count == 8
    assert caller.asked == tuple(f"C-{which}" for which in range(8))
