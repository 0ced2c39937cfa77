"""Two transactions that make the same study at once; what one alone does is seen in test_arrivals."""

import threading

from storage.archive import Archive
from storage.repos.hierarchy import Hierarchy
from storage.sql.prepared import Writes
from tests.support.arrivals import arrival, put, rows


def test_what_another_made_meanwhile_is_found(postgres_url: str) -> None:
    archive = Archive.open(postgres_url)
    try:
        with archive.begin() as ours, archive.begin() as theirs:
            first, second = Hierarchy(ours.connection), Hierarchy(theirs.connection)
            first.prepare([arrival(1, 1), arrival(2, 1)])
            first.count(arrival(1, 1))
            waiting = threading.Thread(target=second.prepare, args=([arrival(2, 1), arrival(1, 1)],))
            waiting.start()  # it waits for the outcome of ours, and then finds the rows
            writes = Writes(ours.connection)
            first.save(writes)
            writes.send()
            ours.commit()
            waiting.join(30)
            assert not waiting.is_alive()
            assert list(second.created) == []
            assert second.series_of(arrival(1, 1)).row == first.series_of(arrival(1, 1)).row
            second.count(arrival(1, 1, 2))
            writes = Writes(theirs.connection)
            second.save(writes)
            writes.send()
            theirs.commit()
        assert rows(archive, "SELECT number_of_series, number_of_instances FROM study ORDER BY id") == [
            (1, 2),
            (0, 0),
        ]
    finally:
        archive.close()


def test_series_without_modality_adds_none(archive: Archive) -> None:
    put(archive, arrival(1, 1, Modality=""), arrival(1, 2, Modality="PT\\CT"))
    assert rows(archive, "SELECT modalities_in_study FROM study") == [("CT\\PT",)]
