import threading
from io import BytesIO

import pytest
from pydicom import dcmread
from pydicom.dataset import Dataset

from node.root import Node
from node.services import deidentifying
from node.services.deidentifying import BOOKMARK, Refused, copy, copy_uid, is_copy, key_of
from rules.deid.uids import KEY_BYTES
from storage.errors import Damaged
from storage.records.arrival import Origin, Way
from tests.support.copying import found, subject, take_in
from tests.support.ingest import send
from tests.support.opened import path_of
from tests.support.samples import BIG_ENDIAN, DEFLATED, EXPLICIT, IMPLICIT, ct

STORAGE = "1.2.840.10008.5.1.4.1.1."


def content(node: Node, uid: str) -> tuple[Dataset, bytes]:
    """What is stored under a UID, read and as bytes, its header too."""
    with node.blobs.open(found(node, uid).blob.key) as reader:
        data = b"".join(bytes(chunk) for chunk in reader.chunks())
    return dcmread(BytesIO(data)), data


def test_the_key_is_made_once(node: Node):
    keys: list[bytes] = []
    threads = [threading.Thread(target=lambda: keys.append(key_of(node.archive))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(keys) == 8
    assert set(keys) == {key_of(node.archive)}
    assert len(keys[0]) == KEY_BYTES
    with node.archive.read() as tx:
        assert bytes.fromhex(tx.bookmarks.get(BOOKMARK)["key"]) == keys[0]


@pytest.mark.parametrize("syntax", [EXPLICIT, IMPLICIT, DEFLATED, BIG_ENDIAN])
def test_a_copy_is_clean_and_in_the_same_transfer_syntax(node: Node, syntax: str):
    dataset = ct(InstitutionName="St. Canary")
    send(node.ingest, dataset, syntax=syntax)
    source, key = found(node, str(dataset.SOPInstanceUID)), key_of(node.archive)
    copy(node, source, "basic", key)
    made = found(node, copy_uid(key, source))
    cleaned, data = content(node, made.sop_instance_uid)
    assert made.transfer_syntax_uid == syntax
    assert cleaned.PatientIdentityRemoved == "YES"
    assert cleaned.pixel_array.tolist() == content(node, source.sop_instance_uid)[0].pixel_array.tolist()
    assert not cleaned.PatientName
    if syntax != DEFLATED:
        assert not any(word in data for word in (b"Phantom1", b"Canary", b"20240131", b"2.25.4711"))


def test_a_copy_says_where_it_comes_from(node: Node):
    (source,) = take_in(node, ct(), origin=Origin(Way.DIMSE, "CT1", "ISO", "10.0.0.9", path=("GATE",)))
    key = key_of(node.archive)
    copy(node, source, "basic", key)
    origin = found(node, copy_uid(key, source)).origin
    assert origin == Origin(Way.DERIVED, path=("GATE", "CT1", "deidentify:basic"))
    assert is_copy(origin)
    assert not is_copy(source.origin)


def test_making_it_again_changes_nothing(node: Node):
    (source,) = take_in(node, ct())
    key = key_of(node.archive)
    copy(node, source, "basic", key)
    before = found(node, copy_uid(key, source))
    copy(node, source, "basic", key)
    assert found(node, copy_uid(key, source)) == before
    with node.archive.read() as tx:
        assert tx.conflicts.list() == []
        assert tx.instances.count() == 2


def test_copies_of_a_study_stay_together(node: Node):
    sources = take_in(node, ct(1), ct(2), ct(3, series=2), ct(1, study=2))
    key = key_of(node.archive)
    for source in sources:
        copy(node, source, "basic", key)
    made = [found(node, copy_uid(key, source)) for source in sources]
    assert [m.place.study_row == made[0].place.study_row for m in made] == [True, True, True, False]
    assert [m.place.series_row == made[0].place.series_row for m in made] == [True, True, False, False]
    assert [m.instance_number for m in made] == [1, 2, 3, 1]


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"BurnedInAnnotation": "YES"}, "text in its pixels"),
        ({"SOPClassUID": STORAGE + "7"}, "secondary capture"),
        ({"SOPClassUID": STORAGE + "6.1"}, "ultrasound"),
        ({"SOPClassUID": STORAGE + "104.1"}, "document"),
        ({"SOPClassUID": STORAGE + "88.11"}, "report"),
    ],
)
def test_there_is_no_copy_of_what_cannot_be_cleaned(node: Node, values: dict[str, object], words: str):
    (source,) = take_in(node, ct(**values))
    key = key_of(node.archive)
    with pytest.raises(Refused, match=words):
        copy(node, source, "basic", key)
    assert subject(node, copy_uid(key, source)) is None


def test_what_is_too_large_is_refused(node: Node, monkeypatch: pytest.MonkeyPatch):
    (source,) = take_in(node, ct())
    monkeypatch.setattr(deidentifying, "LARGEST", 100)
    with pytest.raises(Refused, match="larger than"):
        copy(node, source, "basic", key_of(node.archive))


def test_what_is_damaged_is_not_copied(node: Node):
    (source,) = take_in(node, ct())
    path = path_of(node, source.blob.key)
    data = bytearray(path.read_bytes())
    data[-5] ^= 1
    path.write_bytes(data)
    with pytest.raises(Damaged):
        copy(node, source, "basic", key_of(node.archive))


def test_another_instance_under_the_uid_of_a_copy_is_no_copy(node: Node):
    (source,) = take_in(node, ct())
    key = key_of(node.archive)
    take_in(node, ct(7, SOPInstanceUID=copy_uid(key, source)))
    with pytest.raises(Refused, match="another instance"):
        copy(node, source, "basic", key)


def test_a_dataset_that_names_no_study_is_filed_as_its_copy_is(node: Node):
    dataset = ct(StudyInstanceUID=None, SeriesInstanceUID=None)
    (source,) = take_in(node, dataset)
    key = key_of(node.archive)
    copy(node, source, "basic", key)
    made = found(node, copy_uid(key, source))
    assert made.study_instance_uid not in ("", source.study_instance_uid)
