from dataclasses import replace
from datetime import timedelta

from storage.archive import Archive
from storage.records.rulings import Held
from storage.records.schema import INDEXABLE
from tests.support.arrivals import NOW

LATER = NOW + timedelta(hours=1)


def held(study_row: int = 1, level: str = "study", row: int = 1, reason: str = "look first") -> Held:
    return Held(level, row, study_row, reason, "rule", NOW)


def test_a_hold_is_opened_once_for_each_reason_until_it_is_released(archive: Archive) -> None:
    with archive.begin() as tx:
        assert tx.holds.add(held())
        assert not tx.holds.add(held())
        assert tx.holds.add(held(reason="another"), held(level="instance", row=9), held()) == 2
        first, second, third = tx.holds.open_for(1)
        assert (first.reason, first.at, first.released_at) == ("look first", NOW, None)
        assert tx.holds.open_for(2) == []
        released = tx.holds.release(first.id, "mara", LATER)
        assert released == replace(first, released_at=LATER, released_by="mara")
        assert tx.holds.release(first.id, "ole", LATER) is None
        assert tx.holds.get(first.id) == released
        assert tx.holds.get(10**6) is None
        assert tx.holds.open_for(1) == [second, third]
        assert tx.holds.add(held())
        tx.commit()
    with archive.read() as tx:
        assert len(tx.holds.list()) == 3
        assert [each.id for each in tx.holds.list(open_only=False)][-1] == first.id
        assert len(tx.holds.list(limit=1)) == 1


def test_the_holds_of_many_studies_are_found_at_once(archive: Archive) -> None:
    with archive.begin() as tx:
        tx.holds.add(*(held(study_row=row, row=row) for row in range(1, 201)))
        found = tx.holds.open_for(*range(1, 201, 2))
        assert sorted(each.study_row for each in found) == list(range(1, 201, 2))
        assert tx.holds.open_for() == []


def test_a_reason_longer_than_an_index_takes_is_cut(archive: Archive) -> None:
    with archive.begin() as tx:
        assert tx.holds.add(held(reason="é" * 9000))
        assert not tx.holds.add(held(reason="é" * 9000))
        assert tx.holds.open_for(1)[0].reason == "é" * INDEXABLE
