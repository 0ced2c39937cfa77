from datetime import UTC, datetime, timedelta

from storage.archive import Archive
from storage.records.rulings import Role, Ruling
from storage.transaction import Transaction

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


def revision(tx: Transaction) -> int:
    return tx.rulesets.add(
        digest="d", source="", plain={}, author="", note="", based_on=None, difference="", at=NOW
    ).id


def ruling(number: int, row: int = 1, level: str = "instance", role: Role = Role.ACTIVE) -> Ruling:
    seen = {"Modality": "CT", "hour": 14, "missing": None}
    return Ruling(level, row, role, number, NOW, 60, seen, [{"rule": "all", "outcome": "fired"}])


def test_what_was_decided_is_read_as_it_was_seen(archive: Archive) -> None:
    with archive.begin() as tx:
        number = revision(tx)
        tx.rulings.add([ruling(number), ruling(number, role=Role.SHADOW), ruling(number, level="series")])
        tx.rulings.add([])
        tx.commit()
    with archive.read() as tx:
        first, second = tx.rulings.of("instance", 1)
        assert (first.role, second.role) == (Role.ACTIVE, Role.SHADOW)
        assert tx.rulings.of("instance", 1, Role.SHADOW) == [second]
        assert tx.rulings.of("instance", 2) == []
    assert (first.at, first.local, first.revision, first.stale_at) == (NOW, 60, number, None)
    assert first.seen == {"Modality": "CT", "hour": 14, "missing": None}
    assert first.outcomes == [{"rule": "all", "outcome": "fired"}]


def test_more_than_fit_one_statement_are_kept_in_their_order(archive: Archive) -> None:
    with archive.begin() as tx:
        number = revision(tx)
        tx.rulings.add([ruling(number, row) for row in range(100)])
        found = [tx.rulings.of("instance", row)[0].id for row in range(100)]
    assert found == sorted(found)


def test_what_is_out_of_date_is_marked_once(archive: Archive) -> None:
    later = NOW + timedelta(minutes=5)
    with archive.begin() as tx:
        number = revision(tx)
        tx.rulings.add([ruling(number), ruling(number, role=Role.SHADOW), ruling(number, row=2)])
        assert tx.rulings.mark_stale("instance", 1, later) == 2
        tx.rulings.add([ruling(number)])
        assert tx.rulings.mark_stale("instance", 1, later + timedelta(minutes=1)) == 1
        assert tx.rulings.mark_stale("study", 1, later) == 0
        assert [each.stale_at for each in tx.rulings.of("instance", 1)][:2] == [later, later]
        assert tx.rulings.of("instance", 2)[0].stale_at is None
