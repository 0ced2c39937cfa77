import threading
from collections.abc import Iterator
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

import pytest

from storage.archive import Archive
from storage.blobs.filesystem import FilesystemStore
from storage.blobs.memory import MemoryStore
from storage.engine import Busy
from storage.records.arrival import Arrival, Place, Verdict
from storage.records.deliveries import DeliveryState
from storage.records.rulings import Assignment, Gone, Held, Label, Role, Ruling
from storage.verify import verify
from tests.support.arrivals import CT, NOW, arrival, placed, put, rows
from tests.support.deliveries import queue

MR = "1.2.840.10008.5.1.4.1.1.4"
LATER = NOW + timedelta(hours=1)


@pytest.fixture
def blobs(tmp_path: Path) -> Iterator[FilesystemStore]:
    store = FilesystemStore(tmp_path / "blobs")
    yield store
    store.close()


def take_in(archive: Archive, *arrivals: Arrival) -> list[Place]:
    places = [each.place for each in put(archive, *arrivals)]
    return [place for place in places if place is not None]


def discard(archive: Archive, place: Place, blobs: FilesystemStore | None = None) -> bool:
    with archive.begin() as tx:
        blob = tx.discards.discard(place.instance_row, "scout", "rule x", LATER)
        tx.commit()
    if blob is not None and blobs is not None:
        blobs.delete(blob.key)
    return blob is not None


def revision(archive: Archive) -> int:
    with archive.begin() as tx:
        made = tx.rulesets.add(
            digest="d", source="", plain={}, author="", note="", based_on=None, difference="", at=NOW
        )
        tx.commit()
    return made.id


def test_what_is_left_stays_counted_and_described(archive: Archive, blobs: FilesystemStore) -> None:
    places = take_in(
        archive,
        placed(blobs, b"1", number=1),
        placed(blobs, b"2", number=2),
        placed(blobs, b"3", series=2, Modality="MR", sop_class=MR),
        placed(blobs, b"4", series=3, Modality="SR\\KO", sop_class=MR),
    )
    described = (
        "SELECT number_of_series, number_of_instances, modalities_in_study, sop_classes_in_study FROM study"
    )
    assert discard(archive, places[0], blobs)
    assert rows(archive, described) == [(3, 3, "CT\\KO\\MR\\SR", f"{CT}\\{MR}")]
    assert rows(archive, "SELECT number_of_instances FROM series ORDER BY id") == [(1,), (1,), (1,)]
    assert verify(archive, blobs, grace=0).clean
    assert discard(archive, places[2], blobs)
    assert rows(archive, described) == [(2, 2, "CT\\KO\\SR", f"{CT}\\{MR}")]
    assert discard(archive, places[1], blobs)
    assert rows(archive, described) == [(1, 1, "KO\\SR", MR)]
    assert verify(archive, blobs, grace=0).clean
    assert discard(archive, places[3], blobs)
    for table in ("study", "series", "instance", "arrival"):
        assert rows(archive, f"SELECT * FROM {table}") == []
    assert verify(archive, blobs, grace=0).clean
    with archive.read() as tx:
        assert tx.connection.exec_driver_sql("SELECT count(*) FROM gone").scalar_one() == 4


def test_what_it_was_is_written_down(archive: Archive) -> None:
    came = arrival()
    (place,) = take_in(archive, came)
    with archive.begin() as tx:
        assert tx.discards.discard(place.instance_row, "scout", "rule x", LATER) == came.blob
        assert tx.discards.discard(place.instance_row, "scout", "rule x", LATER) is None
        (left,) = tx.discards.of("1.2.1.1.1")
        assert tx.discards.of("1.2.1.1.2") == []
        tx.commit()
    assert left == Gone(
        "1.2.1.1.1",
        "1.2.1.1",
        "1.2.1",
        CT,
        came.blob.digest,
        "scout",
        "rule x",
        NOW,
        LATER,
        place.instance_row,
        place.series_row,
        place.study_row,
        left.id,
    )
    assert put(archive, arrival())[0].verdict is Verdict.STORED  # it may come again


def test_decisions_and_deliveries_are_kept(archive: Archive) -> None:
    place, other = take_in(archive, arrival(number=1), arrival(number=2))
    number = revision(archive)
    sent, kept = queue(archive, [place, other], "north")
    with archive.begin() as tx:
        for row in (place.instance_row, other.instance_row):
            tx.rulings.add([Ruling("instance", row, Role.ACTIVE, number, NOW, 0, {}, [])])
        tx.rulings.add([Ruling("study", place.instance_row, Role.ACTIVE, number, NOW, 0, {}, [])])
        tx.commit()
    discard(archive, place)
    with archive.read() as tx:
        (left,) = tx.discards.of("1.2.1.1.1")
        assert len(tx.rulings.of("instance", -left.id)) == 1
        assert tx.rulings.of("instance", place.instance_row) == []
        assert len(tx.rulings.of("instance", other.instance_row)) == 1
        assert len(tx.rulings.of("study", place.instance_row)) == 1
        (delivery,) = tx.ledger.of_instance(-left.id)
        assert (delivery.id, delivery.sop_instance_uid) == (sent, "1.2.1.1.1")
        assert [each.id for each in tx.ledger.of_instance(other.instance_row)] == [kept]
    with archive.begin() as tx:
        (north,) = tx.destinations.lease("w", LATER, LATER + timedelta(minutes=1), 1)
        (parcel,) = tx.deliveries.claim(north.id, "w", LATER, 10, ())
        assert parcel.id == kept
        found = tx.ledger.get(sent)
        assert found is not None
        assert found.state is DeliveryState.DEAD


def test_labels_assignments_holds_and_settling_go_with_what_they_are_about(archive: Archive) -> None:
    first, second = take_in(archive, arrival(), arrival(series=2))
    rows_of = {"instance": first.instance_row, "series": first.series_row, "study": first.study_row}
    with archive.begin() as tx:
        for level, row in rows_of.items():
            tx.labels.add(Label(level, row, first.study_row, "x", "", NOW))
            tx.holds.add(Held(level, row, first.study_row, "look", "", NOW))
        tx.holds.add(Held("instance", second.instance_row, second.study_row, "look", "", NOW))
        tx.assignments.add(Assignment(first.study_row, NOW, centre="north"))
        tx.settling.note([(first.study_row, NOW, LATER)])
        tx.commit()
    discard(archive, first)
    with archive.read() as tx:
        assert [each.level for each in tx.labels.of_study(first.study_row)] == ["study"]
        assert {each.level for each in tx.holds.open_for(first.study_row)} == {"study", "instance"}
        closed = [each for each in tx.holds.list(open_only=False) if each.released_at]
        assert {(each.level, each.released_at, each.released_by) for each in closed} == {
            ("instance", LATER, "rule x"),
            ("series", LATER, "rule x"),
        }
        assert tx.assignments.of(first.study_row) is not None
        assert tx.settling.get(first.study_row) is not None
    discard(archive, second)
    with archive.read() as tx:
        assert tx.labels.of_study(first.study_row) == []
        assert tx.holds.list() == []
        assert tx.assignments.of(first.study_row) is None
        assert tx.settling.get(first.study_row) is None


def test_what_is_part_of_a_conflict_stays(archive: Archive) -> None:
    first, second, third = take_in(archive, arrival(1), arrival(2), arrival(2, number=2, PatientID="P2"))
    put(archive, arrival(1, content="other", as_conflict=True))
    assert not discard(archive, first)
    assert not discard(archive, third)
    assert discard(archive, second)
    with archive.begin() as tx:
        tx.connection.exec_driver_sql("UPDATE conflict SET resolved_at = received_at")
        tx.commit()
    assert not discard(archive, first)  # the other content refers to it
    assert discard(archive, third)
    assert len(rows(archive, "SELECT * FROM conflict")) == 1


def test_what_is_in_use_is_left_for_another_try(postgres_url: str) -> None:
    archive = Archive.open(postgres_url)
    first, second = take_in(archive, arrival(1), arrival(2))
    with archive.begin() as tx:
        tx.settling.note([(first.study_row, NOW, NOW)])
        tx.commit()
    with archive.begin() as arriving:  # a copy comes in
        arriving.arrivals.record([arrival(1, key="instances/copy")])
        with archive.begin() as tx, pytest.raises(Busy):
            tx.discards.discard(first.instance_row, "", "", NOW)
    with archive.begin() as arriving:  # another series
        arriving.arrivals.record([arrival(2, series=9)])
        with archive.begin() as tx:
            tx.connection.exec_driver_sql("SET LOCAL lock_timeout = 100")
            with pytest.raises(Busy):
                tx.discards.discard(second.instance_row, "", "", NOW)
    with archive.begin() as settles:
        seen = settles.settling.get(first.study_row)
        assert seen is not None
        assert settles.settling.close(seen)
        with archive.begin() as tx, pytest.raises(Busy):
            tx.discards.discard(first.instance_row, "", "", NOW)
    assert discard(archive, first)
    archive.close()


def test_only_what_is_there_is_kept(archive: Archive) -> None:
    first, second = take_in(archive, arrival(1), arrival(2))
    assert discard(archive, first)
    with archive.begin() as tx:
        assert tx.discards.keep([first.instance_row, second.instance_row]) == {second.instance_row}
        assert tx.discards.keep([]) == frozenset()
        assert (tx.discards.lock(first.instance_row), tx.discards.lock(second.instance_row)) == (False, True)


def test_an_arrival_that_has_lost_its_series_is_tried_again(postgres_url: str) -> None:
    archive = Archive.open(postgres_url)
    (place,) = take_in(archive, arrival())
    commits = archive.commits(MemoryStore())
    recorded = []
    with archive.begin() as tx:
        assert tx.discards.discard(place.instance_row, "", "", NOW) is not None
        waiting = threading.Thread(target=lambda: recorded.append(commits.record(arrival(number=2))))
        waiting.start()
        waiting.join(0.5)  # it waits for the series that is about to go
        assert recorded == []
        tx.commit()
    waiting.join(30)
    assert [each.verdict for each in recorded] == [Verdict.STORED]
    assert rows(archive, "SELECT number_of_series, number_of_instances FROM study") == [(1, 1)]
    archive.close()


def test_receiving_and_discarding_at_once_leaves_all_in_order(archive: Archive) -> None:
    commits = archive.commits(MemoryStore())
    failed: list[BaseException] = []
    received = threading.Event()

    def receive(turn: int) -> None:
        try:
            for number in range(40):
                kind = ("CT", CT) if (number + turn) % 3 else ("MR", MR)
                series = 1 + number % 4 if kind[0] == "CT" else 5 + turn
                came = arrival(
                    1 + number % 2, series, 100 * turn + number, Modality=kind[0], sop_class=kind[1]
                )
                assert commits.record(came).verdict is Verdict.STORED
        except BaseException as error:
            failed.append(error)

    def remove() -> None:
        try:
            while not received.is_set():
                for (row,) in rows(archive, "SELECT id FROM instance ORDER BY id DESC LIMIT 3"):
                    with archive.begin() as tx, suppress(Busy):
                        tx.discards.discard(row, "", "", NOW)
                        tx.commit()
        except BaseException as error:
            failed.append(error)

    receivers = [threading.Thread(target=receive, args=(turn,)) for turn in range(3)]
    remover = threading.Thread(target=remove)
    for thread in [*receivers, remover]:
        thread.start()
    for thread in receivers:
        thread.join()
    received.set()
    remover.join()
    assert failed == []
    with archive.read() as tx:
        assert list(tx.studies.miscounted()) == []
    kept, gone = (rows(archive, f"SELECT count(*) FROM {table}")[0][0] for table in ("instance", "gone"))
    assert kept + gone == 120
    found = rows(archive, "SELECT id, modalities_in_study, sop_classes_in_study FROM study")
    for number, modalities, classes in found:
        within = f"FROM instance i JOIN series s ON s.id = i.series_row WHERE s.study_row = {number}"
        there = rows(archive, f"SELECT s.modality, i.sop_class_uid {within}")
        assert modalities == "\\".join(sorted({row[0] for row in there}))
        assert classes == "\\".join(sorted({row[1] for row in there}))
