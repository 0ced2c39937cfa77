from datetime import date

from node.root import Node
from node.services.reports import REPORT, Report, newest
from storage.records.deliveries import Tally
from storage.records.trail import Event
from tests.support.deliveries import NOW

DAY = date(2026, 3, 1)
UIDS = ("1.2.1", "1.2.2")


def test_all_arrived():
    report = Report.of("north", DAY, Tally(3, 3, 0, 0, 0, 0, 0, ()))
    assert report.words == "2026-03-01 north: received 3, forwarded 3, missing none"


def test_what_is_missing_is_named():
    report = Report.of("north", DAY, Tally(5, 2, 1, 0, 1, 0, 1, UIDS))
    assert report.missing == 2
    assert report.words == (
        "2026-03-01 north: received 5, forwarded 2, 1 open, 1 dead, 1 diverted, missing [1.2.1 1.2.2]"
    )


def test_only_so_many_are_named():
    report = Report.of("north", DAY, Tally(9, 0, 9, 0, 0, 0, 0, UIDS))
    assert report.words.endswith("9 open, missing [1.2.1 1.2.2 and 7 more]")


def test_the_newest_of_each_is_found(node: Node):
    with node.archive.begin() as tx:
        for name, day in (("south", 1), ("north", 1), ("north", 2)):
            report = Report.of(name, date(2026, 3, day), Tally(day, day, 0, 0, 0, 0, 0, ()))
            tx.events.add(Event(NOW, REPORT, detail=report.plain()))
        tx.commit()
    assert [(each.destination, each.day) for each in newest(node)] == [
        ("north", "2026-03-02"),
        ("south", "2026-03-01"),
    ]
    assert [each.day for each in newest(node, "south")] == ["2026-03-01"]
    assert newest(node, "west") == []
