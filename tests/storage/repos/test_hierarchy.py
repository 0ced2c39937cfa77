"""Two transactions that make the same study at once; what one alone does is seen in test_arrivals."""

import threading

from storage.archive import Archive
from storage.repos.hierarchy import Hierarchy
from storage.sql.prepared import Writes
from tests.support.arrivals import CT, NOW, arrival, put, rows

MR = "1.2.840.10008.5.1.4.1.1.4"


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


def test_what_an_arrival_found_in_a_list_is_put_back_when_it_was_removed_meanwhile(postgres_url: str) -> None:
    archive = Archive.open(postgres_url)
    (first, _) = put(archive, arrival(1, 1), arrival(1, 2, Modality="MR", sop_class=MR))
    assert first.place is not None
    came = arrival(1, 3, Modality="CT")
    with archive.begin() as ours:
        hierarchy = Hierarchy(ours.connection)
        hierarchy._load([came.study_instance_uid], [came.series_instance_uid])
        with archive.begin() as tx:
            assert tx.discards.discard(first.place.instance_row, "", "", NOW) is not None
            tx.commit()
        hierarchy._make_series({(first.place.study_row, came.series_instance_uid): came})
        hierarchy.count(came)
        writes = Writes(ours.connection)
        hierarchy.save(writes)
        hierarchy.look_again(writes)
        hierarchy.mend(writes.send())
        ours.commit()
    lists = "SELECT modalities_in_study, sop_classes_in_study FROM study"
    assert rows(archive, lists) == [("CT\\MR", f"{CT}\\{MR}")]
    archive.close()
