from datetime import timedelta

from storage.archive import Archive
from storage.records.rulings import Assignment
from tests.support.arrivals import NOW, arrival, put


def test_the_newest_of_each_field_that_is_not_empty_counts(archive: Archive) -> None:
    (recorded,) = put(archive, arrival())
    assert recorded.place is not None
    study_row = recorded.place.study_row
    first = Assignment(study_row, NOW, centre="north", reader="mara", author="rule a")
    second = Assignment(study_row, NOW + timedelta(hours=1), reader="ole", urgency="stat", author="rule b")
    with archive.begin() as tx:
        assert tx.assignments.of(study_row) is None
        tx.assignments.add(first)
        assert tx.assignments.of(study_row) == first
        tx.assignments.add(second)
        tx.commit()
    with archive.read() as tx:
        assert tx.assignments.history(study_row) == [first, second]
        assert tx.assignments.of(study_row) == Assignment(
            study_row, second.at, centre="north", reader="ole", urgency="stat", author="rule b"
        )
