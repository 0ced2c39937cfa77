from datetime import timedelta

from storage.archive import Archive
from tests.support.arrivals import NOW, arrival, put


def test_get_count_and_latest(archive: Archive) -> None:
    with archive.read() as tx:
        assert tx.studies.get("1.2.1") is None
        assert tx.studies.count() == 0
    for n in (1, 2, 3):
        put(archive, arrival(n, at=NOW + timedelta(minutes=n)))
    with archive.read() as tx:
        assert tx.studies.count() == 3
        latest = tx.studies.latest(2)
        assert latest[1] == tx.studies.get("1.2.2")
    assert [each.study_instance_uid for each in latest] == ["1.2.3", "1.2.2"]
    assert latest[0].attributes["AccessionNumber"] == "A1"
    assert "Modality" not in latest[0].attributes


def test_wrong_counters_are_found(archive: Archive) -> None:
    put(archive, arrival(1, 1, 1), arrival(1, 2, 1), arrival(2, 1, 1))
    with archive.read() as tx:
        assert list(tx.studies.miscounted()) == []
    with archive.begin() as tx:
        tx.connection.exec_driver_sql(
            "UPDATE study SET number_of_series = 9 WHERE study_instance_uid = '1.2.1'"
        )
        tx.connection.exec_driver_sql(
            "UPDATE study SET number_of_instances = 0 WHERE study_instance_uid = '1.2.2'"
        )
        tx.connection.exec_driver_sql(
            "UPDATE series SET number_of_instances = 3 WHERE series_instance_uid = '1.2.1.2'"
        )
        tx.commit()
    with archive.read() as tx:
        assert list(tx.studies.miscounted()) == [
            ("1.2.1", "number_of_series is 9, 2 are there"),
            ("1.2.2", "number_of_instances is 0, 1 are there"),
            ("1.2.1.2", "number_of_instances is 3, 1 are there"),
        ]
