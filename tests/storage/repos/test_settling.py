import threading
from datetime import datetime, timedelta

from storage.archive import Archive
from storage.records.rulings import Settling
from tests.support.arrivals import NOW, arrival, put


def at(seconds: float) -> datetime:
    return NOW + timedelta(seconds=seconds)


def studies(archive: Archive, count: int = 1) -> list[int]:
    recorded = put(archive, *(arrival(study) for study in range(1, count + 1)))
    return [each.place.study_row for each in recorded if each.place is not None]


def test_what_comes_later_moves_the_moment_and_leaves_the_beginning(archive: Archive) -> None:
    (row,) = studies(archive)
    with archive.begin() as tx:
        assert tx.settling.get(row) is None
        assert tx.settling.next_due() is None
        tx.settling.note([(row, at(0), at(60))])
        tx.settling.note([(row, at(5), at(65))])
        tx.commit()
    with archive.read() as tx:
        assert tx.settling.get(row) == Settling(row, at(0), at(5), at(65), 2)
        assert tx.settling.next_due() == at(65)


def test_what_is_said_later_of_an_earlier_moment_widens_and_is_looked_at_when_it_says(
    archive: Archive,
) -> None:
    (row,) = studies(archive)
    with archive.begin() as tx:
        tx.settling.note([(row, at(10), at(70))])
        tx.settling.note([(row, at(-100), at(11))])
        assert tx.settling.get(row) == Settling(row, at(-100), at(10), at(11), 2)


def test_what_is_due_comes_in_its_order(archive: Archive) -> None:
    first, second, third = studies(archive, 3)
    with archive.begin() as tx:
        tx.settling.note([(third, at(0), at(30)), (first, at(0), at(20)), (second, at(0), at(10))])
        assert [each.study_row for each in tx.settling.due(at(20), 10)] == [second, first]
        assert [each.study_row for each in tx.settling.due(at(99), 1)] == [second]
        assert tx.settling.due(at(9), 10) == []
        assert tx.settling.next_due() == at(10)


def test_only_what_is_still_as_it_was_seen_is_closed_or_postponed(archive: Archive) -> None:
    (row,) = studies(archive)
    with archive.begin() as tx:
        tx.settling.note([(row, at(0), at(60))])
        seen = tx.settling.get(row)
        assert seen is not None
        assert tx.settling.postpone(seen, at(90))
        assert not tx.settling.postpone(seen, at(120))
        assert not tx.settling.close(seen)
        later = tx.settling.get(row)
        assert later is not None
        tx.settling.note([(row, at(0), at(90))])  # it says nothing new but that something came
        assert not tx.settling.close(later)
        again = tx.settling.get(row)
        assert again is not None
        assert tx.settling.close(again)
        assert not tx.settling.close(again)
        assert tx.settling.get(row) is None


def test_many_who_note_the_same_studies_do_not_wait_in_a_circle(archive: Archive) -> None:
    rows = studies(archive, 8)
    failed: list[BaseException] = []

    def note(turn: int) -> None:
        mine = rows if turn % 2 else rows[::-1]
        try:
            for second in range(20):
                with archive.begin() as tx:
                    tx.settling.note([(row, at(second), at(second + 60)) for row in mine])
                    tx.commit()
        except BaseException as error:
            failed.append(error)

    threads = [threading.Thread(target=note, args=(turn,)) for turn in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
    with archive.read() as tx:
        found = [tx.settling.get(row) for row in rows]
    assert [(each.opened_at, each.last_at, each.growth) for each in found if each] == [
        (at(0), at(19), 80)
    ] * 8
