from datetime import UTC, datetime, timedelta

from storage.archive import Archive
from storage.records.arrival import Origin, Way
from storage.records.history import Quarantined
from storage.records.totals import Totals
from storage.records.trail import Event
from storage.repos.totals import DAMAGED, MENDED, Part
from tests.support.arrivals import NOW, arrival, put


def test_an_empty_archive_has_nothing(archive: Archive):
    with archive.read() as tx:
        assert tx.totals.totals() == Totals(0, 0, 0, 0, 0)
        assert tx.totals.traffic(NOW) == []
        assert [tx.totals.after(part, 0) for part in Part] == [0, 0, 0]


def test_everything_is_counted(archive: Archive):
    put(archive, arrival(1), arrival(1, number=2), arrival(2))
    put(archive, arrival(1, content="other", as_conflict=True))
    with archive.begin() as tx:
        tx.quarantine.add(Quarantined("quarantine/x", 1, "", "cut off", Origin(Way.DIMSE), NOW))
        for uid in ("1.2.1.1.1", "1.2.1.1.1", "1.2.2.1.1"):  # found damaged twice, and another
            tx.events.add(Event(NOW, DAMAGED, sop_instance_uid=uid))
        tx.events.add(Event(NOW, "conflict.damaged", sop_instance_uid="1.2.3"))
        tx.commit()
    with archive.read() as tx:
        assert tx.totals.totals() == Totals(studies=2, instances=3, conflicts=1, quarantined=1, damaged=2)
        assert [tx.totals.after(part, 0) for part in Part] == [3, 1, 1]
        assert tx.totals.after(Part.INSTANCES, tx.instances.page(0, 2)[-1][0]) == 1


def test_what_was_mended_is_damaged_no_more_until_it_is_again(archive: Archive):
    told = []
    for kind in (DAMAGED, MENDED, DAMAGED):
        with archive.begin() as tx:
            tx.events.add(Event(NOW, kind, sop_instance_uid="1.2.1.1.1"))
            tx.commit()
        with archive.read() as tx:
            told.append(tx.totals.totals().damaged)
    assert told == [1, 0, 1]


def test_traffic_is_told_by_caller_the_latest_first(archive: Archive):
    put(archive, arrival(1, at=NOW - timedelta(days=2)))
    put(archive, arrival(2, at=NOW - timedelta(hours=2)), arrival(3, at=NOW - timedelta(hours=1)))
    with archive.read() as tx:
        traffic = tx.totals.traffic(NOW - timedelta(days=1))
    assert [(each.calling_ae, each.way, each.arrivals, each.last) for each in traffic] == [
        ("CT1", "dimse", 2, NOW - timedelta(hours=1))
    ]
    assert traffic[0].last.tzinfo is UTC or traffic[0].last.utcoffset() == timedelta(0)
    assert isinstance(traffic[0].last, datetime)
