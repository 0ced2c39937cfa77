from storage.archive import Archive
from tests.support.arrivals import NOW, arrival, put


def test_listed_by_study_and_by_page(archive: Archive) -> None:
    put(archive, arrival(1), arrival(2), arrival(1, number=2))
    for n in (1, 2):
        put(archive, arrival(n, content="x", as_conflict=True))
    put(archive, arrival(1, number=3, PatientID="P2"))
    with archive.read() as tx:
        every = tx.conflicts.list()
        assert [(each.kind, each.study_instance_uid) for each in every] == [
            ("content", "1.2.1"),
            ("content", "1.2.2"),
            ("identity", "1.2.1"),
        ]
        assert tx.conflicts.list("1.2.1") == [every[0], every[2]]
        assert tx.conflicts.list(limit=1) == every[:1]
        assert tx.conflicts.list(after=every[0].id, limit=1) == every[1:2]
        assert every[0].received_at == NOW


def test_resolved_ones_are_left_out(archive: Archive) -> None:
    put(archive, arrival(), arrival(content="x", as_conflict=True))
    with archive.begin() as tx:
        tx.connection.exec_driver_sql("UPDATE conflict SET resolved_at = received_at, resolution = 'kept'")
        tx.commit()
    with archive.read() as tx:
        assert tx.conflicts.list() == []
        (resolved,) = tx.conflicts.list(unresolved=False)
    assert resolved.resolved_at == NOW
    assert resolved.resolution == "kept"
