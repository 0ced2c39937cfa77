from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

from storage.archive import Archive

NOW = datetime(2026, 3, 1, tzinfo=UTC)


def test_a_bookmark_is_kept_and_moved(archive: Archive) -> None:
    with archive.begin() as tx:
        assert tx.bookmarks.get("scrub") == {}
        tx.bookmarks.put("scrub", {"row": 7}, NOW)
        tx.bookmarks.put("scrub", {"row": 9, "part": "x"}, NOW)
        tx.bookmarks.put("sweep", {"row": 1}, NOW)
        tx.commit()
    with archive.read() as tx:
        assert tx.bookmarks.get("scrub") == {"row": 9, "part": "x"}
        assert tx.bookmarks.get("sweep") == {"row": 1}


def test_a_bookmark_that_was_not_committed_has_not_moved(archive: Archive) -> None:
    with archive.begin() as tx:
        tx.bookmarks.put("scrub", {"row": 7}, NOW)
    with archive.read() as tx:
        assert tx.bookmarks.get("scrub") == {}


def test_of_several_first_ones_one_stays(archive: Archive) -> None:
    def first(number: int) -> object:
        with archive.begin() as tx:
            place = tx.bookmarks.first("key", {"number": number}, NOW)
            tx.commit()
        return place["number"]

    with ThreadPoolExecutor(4) as pool:
        seen = set(pool.map(first, range(16)))
    assert len(seen) == 1
    with archive.read() as tx:
        assert tx.bookmarks.get("key")["number"] in seen


def test_bookmarks_of_one_kind_are_listed_and_removed(archive: Archive) -> None:
    with archive.begin() as tx:
        for name in ("log a", "log b", "logs", "scrub"):
            tx.bookmarks.put(name, {"position": len(name)}, NOW)
        tx.bookmarks.remove("log b")
        tx.bookmarks.remove("never was")
        tx.commit()
    with archive.read() as tx:
        assert dict(tx.bookmarks.below("log ")) == {"log a": {"position": 5}}
        assert tx.bookmarks.get("scrub") == {"position": 5}
