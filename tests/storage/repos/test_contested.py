import pytest

from storage.archive import Archive
from storage.engine import Busy
from storage.records.history import ConflictKind
from storage.records.identity import identity
from storage.repos.contested import Contested, content_fingerprint, identity_fingerprint
from tests.support.arrivals import arrival, put


def test_fingerprints_tell_contents_and_patients_apart() -> None:
    assert content_fingerprint("1.2", "ab") == content_fingerprint("1.2", "ab")
    assert content_fingerprint("1.2", "ab") != content_fingerprint("1.2", "ac")
    assert content_fingerprint("1.2", "3") != content_fingerprint("1", "23")
    one, other = identity("P1", "", "Doe^Jane"), identity("P1", "", "Roe^Jane")
    assert identity_fingerprint("1.2", one) == identity_fingerprint("1.2", other)
    nameless = identity("", "", "Doe^Jane"), identity("", "", "Roe^Jane")
    assert identity_fingerprint("1.2", nameless[0]) != identity_fingerprint("1.2", nameless[1])


def test_the_second_to_record_a_content_tries_again(archive: Archive) -> None:
    """Otherwise the bytes of the second would count as kept, and nobody would refer to them."""
    put(archive, arrival())
    other = arrival(content="x", as_conflict=True)
    fingerprint = content_fingerprint(other.sop_instance_uid, other.blob.digest)
    with archive.begin() as tx:
        first, second = Contested(tx.connection), Contested(tx.connection)
        for each in (first, second):
            each.load([fingerprint])
            assert each.kept(fingerprint) is None
            each.add(ConflictKind.CONTENT, fingerprint, other, 1, 1, {})
        assert first.save() == [{}]
        with pytest.raises(Busy):
            second.save()
