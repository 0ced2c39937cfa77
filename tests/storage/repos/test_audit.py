from dataclasses import replace

from storage.archive import Archive
from storage.records.trail import AuditEntry
from tests.support.arrivals import NOW


def test_comes_back_as_added_the_latest_first(archive: Archive) -> None:
    first = AuditEntry(NOW, "alice", "peer.add", "ct1", address="10.0.0.1", detail={"port": 104})
    second = replace(first, actor="bob", outcome="refused")
    with archive.begin() as tx:
        tx.audit.add(first)
        tx.audit.add(second)
        tx.commit()
    with archive.read() as tx:
        listed = tx.audit.list()
        assert [replace(each, id=0) for each in listed] == [second, first]
        assert tx.audit.list(before=listed[0].id) == listed[1:]
        assert tx.audit.list(limit=1) == listed[:1]
        assert tx.audit.list(actor="alice") == listed[1:]
        assert tx.audit.list(subject="ct1") == listed
        assert tx.audit.list(subject="ct2") == []
