from dataclasses import replace

from storage.archive import Archive
from storage.records.history import Quarantined
from tests.support.arrivals import NOW, ORIGIN

REFUSED = Quarantined("quarantine/1", 10, "ab" * 32, "cut off", ORIGIN, NOW, "1.1", "1.2", "1.3")


def test_comes_back_as_added(archive: Archive) -> None:
    with archive.begin() as tx:
        first = tx.quarantine.add(REFUSED)
        second = tx.quarantine.add(replace(REFUSED, blob_key="quarantine/2", sop_instance_uid=""))
        tx.commit()
    with archive.read() as tx:
        listed = tx.quarantine.list()
        assert listed == [
            replace(REFUSED, id=first),
            replace(REFUSED, blob_key="quarantine/2", sop_instance_uid="", id=second),
        ]
        assert tx.quarantine.list(after=first) == listed[1:]
        assert tx.quarantine.list(limit=1) == listed[:1]


def test_bytes_that_are_kept_already(archive: Archive) -> None:
    with archive.begin() as tx:
        tx.quarantine.add(REFUSED)
        assert tx.quarantine.holds("1.2", "ab" * 32)
        assert not tx.quarantine.holds("1.2", "ac" * 32)
        assert not tx.quarantine.holds("1.4", "ab" * 32)
