from storage.archive import Archive
from storage.records.arrival import Place
from storage.records.tables import gone, study
from storage.repos.numbering import Numbered
from tests.support.arrivals import NOW, arrival, put


def place(archive: Archive, number: int) -> Place:
    (recorded,) = put(archive, arrival(number, number, number))
    assert recorded.place is not None
    return recorded.place


def test_the_number_of_what_was_removed_is_not_given_again(archive: Archive) -> None:
    for number in range(1, 4):
        before = place(archive, number)
        with archive.begin() as tx:
            assert tx.discards.discard(before.instance_row, "", "", NOW) is not None
            tx.commit()
        after = place(archive, number)
        assert after.instance_row > before.instance_row
        assert after.series_row > before.series_row
        assert after.study_row > before.study_row


def test_rows_are_numbered_in_their_order_and_those_that_are_there_are_left_out(archive: Archive) -> None:
    insert = Numbered(study, gone.c.study_row, archive.kind, returning=("id", "study_instance_uid"))
    rows = [
        {"study_instance_uid": f"1.{number:02}", "created_at": NOW, "updated_at": NOW} for number in range(50)
    ]
    with archive.begin() as tx:
        first = insert.run(tx.connection, rows[:40])
        more = insert.run(tx.connection, rows[30:])
        assert insert.run(tx.connection, []) == []
    numbers = [number for number, _ in [*first, *more]]
    assert numbers == sorted(set(numbers))
    assert [uid for _, uid in [*first, *more]] == [row["study_instance_uid"] for row in rows]
