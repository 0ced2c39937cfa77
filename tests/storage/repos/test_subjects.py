from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import event

from storage.archive import Archive
from storage.records.arrival import Arrival, Origin, Place, Way
from storage.repos import subjects
from storage.transaction import Transaction
from tests.support.arrivals import ATTRIBUTES, NOW, ORIGIN, arrival, put


@pytest.fixture
def tx(archive: Archive) -> Iterator[Transaction]:
    put(
        archive,
        *(arrival(1, 1, n, SeriesNumber="10") for n in (10, 9, 2)),
        arrival(1, 2, 1, SeriesNumber="9", Modality="SR", StudyDescription="later"),
        arrival(1, 3, 1, SeriesNumber="", InstanceNumber="", StationName=""),
        arrival(2, 1, 1),
    )
    with archive.read() as tx:
        yield tx


def study_row(tx: Transaction, uid: str = "1.2.1") -> int:
    found = tx.subjects.study_by_uid(uid)
    assert found is not None
    return found.row


def test_an_instance(tx: Transaction) -> None:
    found = tx.subjects.by_uid("1.2.1.1.9")
    wanted = arrival(1, 1, 9)
    assert found is not None
    assert found.attributes == {
        **ATTRIBUTES,
        "SeriesNumber": "10",
        "InstanceNumber": "9",
        "SOPInstanceUID": "1.2.1.1.9",
        "SOPClassUID": wanted.sop_class_uid,
        "SeriesInstanceUID": "1.2.1.1",
        "StudyInstanceUID": "1.2.1",
    }
    assert (found.sop_instance_uid, found.sop_class_uid) == ("1.2.1.1.9", wanted.sop_class_uid)
    assert (found.study_instance_uid, found.series_instance_uid) == ("1.2.1", "1.2.1.1")
    assert (found.transfer_syntax_uid, found.blob) == (wanted.transfer_syntax_uid, wanted.blob)
    assert (found.origin, found.received_at, found.instance_number) == (ORIGIN, NOW, 9)
    assert tx.subjects.instance(found.place.instance_row) == found


def test_the_place_is_that_of_the_recording(archive: Archive) -> None:
    places = [recorded.place for recorded in put(archive, arrival(1, 1, 1), arrival(1, 2, 1))]
    with archive.read() as tx:
        rows = [place.instance_row for place in places if place is not None]
        assert [found.place for row in rows if (found := tx.subjects.instance(row))] == places


def test_what_is_empty_is_left_out(tx: Transaction) -> None:
    found = tx.subjects.by_uid("1.2.1.3.1")
    assert found is not None
    assert not {"SeriesNumber", "InstanceNumber", "StationName", "ImageType"} & found.attributes.keys()
    assert found.instance_number == 0


def test_the_origin_is_that_of_the_first_arrival(archive: Archive) -> None:
    first = replace(arrival(), origin=Origin(Way.UPLOAD, user="anna", path=("A", "B")))
    again = arrival(blob=replace(first.blob, key="instances/2026/0301/1200/again-0"))
    put(archive, first)
    put(archive, again, replace(arrival(content="other"), as_conflict=True))
    with archive.read() as tx:
        found = list(tx.subjects.received(NOW, NOW + timedelta(days=1)))
    assert [each.origin for each in found] == [first.origin]


def test_instances_come_by_series_and_instance_number(tx: Transaction) -> None:
    row = study_row(tx)
    ordered = ["1.2.1.2.1", "1.2.1.1.2", "1.2.1.1.9", "1.2.1.1.10", "1.2.1.3.1"]
    assert [each.sop_instance_uid for each in tx.subjects.of_study(row)] == ordered
    series = [each.row for each in tx.subjects.series_of(row)]
    assert [each.sop_instance_uid for one in series for each in tx.subjects.of_series(one)] == ordered
    assert all(each.place.study_row == row for each in tx.subjects.of_study(row))


def test_a_series(tx: Transaction) -> None:
    row = study_row(tx)
    found = tx.subjects.series_of(row)
    assert [each.series_instance_uid for each in found] == ["1.2.1.2", "1.2.1.1", "1.2.1.3"]
    assert [each.instances for each in found] == [1, 3, 1]
    first = found[0]
    assert (first.study_row, first.study_instance_uid, first.created_at) == (row, "1.2.1", NOW)
    assert first.attributes["Modality"] == "SR"
    assert first.attributes["PatientID"] == "P1"
    assert "StudyDescription" not in first.attributes  # of the study the first instance counts
    assert "Rows" not in first.attributes
    assert tx.subjects.series(first.row) == first


def test_a_study(archive: Archive) -> None:
    later = NOW + timedelta(minutes=1)
    put(archive, arrival(), arrival(1, 2, 1, Modality="SR", at=later), arrival(1, 2, 2, Modality="SR"))
    with archive.read() as tx:
        found = tx.subjects.study_by_uid("1.2.1")
        assert found is not None
        assert (found.instances, found.series, found.modalities) == (3, 2, ("CT", "SR"))
        assert (found.created_at, found.updated_at) == (NOW, later)
        assert found.attributes["AccessionNumber"] == "A1"
        assert "Modality" not in found.attributes
        assert tx.subjects.study(found.row) == found


def test_what_is_not_there(tx: Transaction) -> None:
    assert tx.subjects.instance(0) is None
    assert tx.subjects.by_uid("1.2.9") is None
    assert tx.subjects.series(0) is None
    assert tx.subjects.study(0) is None
    assert tx.subjects.study_by_uid("1.2.9") is None
    assert list(tx.subjects.of_series(0)) == list(tx.subjects.of_study(0)) == tx.subjects.series_of(0) == []


def came(seconds: int, number: int) -> Arrival:
    return arrival(number % 3, 1, number, at=NOW + timedelta(seconds=seconds))


@pytest.mark.parametrize("page", [1, 2, 3, 500])
def test_received_pages_through_a_span_without_its_end(
    archive: Archive, monkeypatch: pytest.MonkeyPatch, page: int
) -> None:
    monkeypatch.setattr(subjects, "_PAGE", page)
    seconds = [5, 1, 1, 1, 3, 0, 9, 3]  # as several receivers write them: not in the order of their rows
    put(archive, *(came(s, n) for n, s in enumerate(seconds)))
    with archive.read() as tx:
        found = [
            (each.received_at - NOW).seconds
            for each in tx.subjects.received(NOW + timedelta(seconds=1), NOW + timedelta(seconds=9))
        ]
        again = {each.place for each in tx.subjects.received(NOW, NOW + timedelta(days=1))}
    assert found == [1, 1, 1, 3, 3, 5]
    assert len(again) == len(seconds)


def test_others_may_use_the_transaction_between(tx: Transaction, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subjects, "_PAGE", 2)
    for each in tx.subjects.received(NOW, NOW + timedelta(days=1)):
        assert tx.subjects.instance(each.place.instance_row) == each


def test_a_study_costs_one_statement(archive: Archive) -> None:
    put(archive, *(arrival(1, n % 3, n) for n in range(60)))
    with archive.read() as tx:
        row = study_row(tx)
        asked: list[str] = []
        event.listen(tx.connection, "before_cursor_execute", lambda *args: asked.append(args[2]))
        places = [each.place for each in tx.subjects.of_study(row)]
    assert len(set(places)) == 60
    assert all(isinstance(each, Place) for each in places)
    assert len(asked) == 1
