from storage.archive import Archive
from storage.records.trail import Event
from tests.support.arrivals import NOW


def test_comes_back_as_added_and_by_what_it_is_about(archive: Archive) -> None:
    stored = Event(NOW, "instance.stored", "1.2", "1.2.1", "1.2.1.1")
    damaged = Event(NOW, "instance.damaged", "1.2", "1.2.1", "1.2.1.2", {"found": ["a", None, 1.5, True]})
    other = Event(NOW, "study.created", "1.3")
    with archive.begin() as tx:
        for each in (stored, damaged, other):
            tx.events.add(each)
        tx.commit()
    with archive.read() as tx:
        listed = tx.events.list()
        assert [each.kind for each in listed] == ["instance.stored", "instance.damaged", "study.created"]
        assert listed[1].detail == damaged.detail
        assert listed[1].at == NOW
        assert tx.events.list(after=listed[0].id, limit=1) == listed[1:2]
        assert tx.events.list(kind="study.created") == listed[2:]
        assert tx.events.list(study_instance_uid="1.2") == listed[:2]
        assert tx.events.list(sop_instance_uid="1.2.1.1") == listed[:1]


def test_the_latest_of_a_kind(archive: Archive) -> None:
    with archive.begin() as tx:
        for number in range(3):
            tx.events.add(Event(NOW, "delivery.report", detail={"n": number}))
            tx.events.add(Event(NOW, "other"))
        tx.commit()
    with archive.read() as tx:
        assert [each.detail["n"] for each in tx.events.latest("delivery.report", 2)] == [2, 1]
