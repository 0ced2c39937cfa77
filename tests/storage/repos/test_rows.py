from types import SimpleNamespace

from storage.records.arrival import BlobRef, Origin, Way
from storage.repos.rows import blob_of, blob_values, origin_of, origin_values


def test_there_and_back() -> None:
    origin = Origin(Way.STOW, "A", "B", "10.0.0.1", "alice")
    blob = BlobRef("instances/1", 350, 1000, "ab", "cd")
    assert origin_of(SimpleNamespace(**origin_values(origin))) == origin
    assert blob_of(SimpleNamespace(**blob_values(blob))) == blob
