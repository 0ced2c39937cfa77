from pathlib import Path

import pytest

from node.root import Node
from node.services import listings
from node.services.importing import import_paths
from storage.records.arrival import Origin, Way
from storage.records.history import ConflictKind
from tests.support.files import write_files
from tests.support.opened import quarantine
from tests.support.samples import ct


def test_conflicts_are_listed(node: Node, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(listings, "_PAGE", 2)
    assert list(listings.conflicts(node.archive)) == []
    changed = [ct(number, StudyDescription="other") for number in range(1, 6)]
    import_paths(
        node.ingest, [write_files(tmp_path / "a", *(ct(n) for n in range(1, 6)))], Origin(Way.IMPORT)
    )
    import_paths(node.ingest, [write_files(tmp_path / "b", *changed)], Origin(Way.IMPORT))
    found = list(listings.conflicts(node.archive))
    assert {conflict.sop_instance_uid for conflict in found} == {each.SOPInstanceUID for each in changed}
    assert {conflict.kind for conflict in found} == {ConflictKind.CONTENT}
    study = ct(1).StudyInstanceUID
    assert len(list(listings.conflicts(node.archive, study, resolved=True))) == 5
    assert list(listings.conflicts(node.archive, "1.2.3")) == []


@pytest.mark.parametrize("count", [0, 1, 4, 5])
def test_the_quarantine_is_listed(node: Node, monkeypatch: pytest.MonkeyPatch, count: int):
    monkeypatch.setattr(listings, "_PAGE", 2)
    keys = [quarantine(node, f"junk {number}".encode()) for number in range(count)]
    assert [refused.blob_key for refused in listings.quarantined(node.archive)] == keys
