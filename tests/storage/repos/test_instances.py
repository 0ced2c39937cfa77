import pytest

from storage.archive import Archive
from storage.records.history import Quarantined
from tests.support.arrivals import NOW, ORIGIN, arrival, put


@pytest.fixture
def filled(archive: Archive) -> Archive:
    """Three studies of two patients; numbers as scanners send them: not sorted as text, or missing."""
    put(
        archive,
        *(arrival(1, 1, n, SeriesNumber="10") for n in (10, 9, 2)),
        arrival(1, 2, 1, SeriesNumber="9"),
        arrival(1, 3, 1, SeriesNumber="", InstanceNumber=""),
        arrival(2, 1, 1),
        arrival(3, 1, 1, PatientID="P2"),
        arrival(3, 1, 2, PatientID="P2", InstanceNumber="x"),
    )
    return archive


def test_get(filled: Archive) -> None:
    with filled.read() as tx:
        found = tx.instances.get("1.2.1.1.9")
        assert tx.instances.get("1.2.1.1.90") is None
        assert tx.instances.count() == 8
    wanted = arrival(1, 1, 9)
    assert found is not None
    assert (found.sop_class_uid, found.transfer_syntax_uid) == (
        wanted.sop_class_uid,
        wanted.transfer_syntax_uid,
    )
    assert (found.study_instance_uid, found.series_instance_uid) == ("1.2.1", "1.2.1.1")
    assert found.blob == wanted.blob
    assert found.received_at == NOW


ALL = [
    *("1.2.1.2.1", "1.2.1.1.2", "1.2.1.1.9", "1.2.1.1.10", "1.2.1.3.1"),
    *("1.2.2.1.1", "1.2.3.1.1", "1.2.3.1.2"),
]


@pytest.mark.parametrize(
    ("keys", "wanted"),
    [
        ({}, ALL),
        ({"patient_id": "P1"}, ALL[:6]),
        ({"patient_id": ""}, []),
        ({"study_uids": ["1.2.1"]}, ALL[:5]),
        ({"study_uids": ["1.2.3", "1.2.1", "1.2.9"]}, [*ALL[:5], *ALL[6:]]),
        ({"patient_id": "P2", "study_uids": ["1.2.1"]}, []),
        ({"study_uids": ["1.2.1"], "series_uids": ["1.2.1.1"]}, ALL[1:4]),
        ({"series_uids": ["1.2.1.1"], "sop_uids": ["1.2.1.1.9", "1.2.1.2.1"]}, ["1.2.1.1.9"]),
        ({"sop_uids": ["1.2.3.1.2", "1.2.1.1.9"]}, ["1.2.1.1.9", "1.2.3.1.2"]),
    ],
)
def test_matching_is_hierarchical_and_in_reading_order(
    filled: Archive, keys: dict[str, object], wanted: list[str]
) -> None:
    with filled.read() as tx:
        found = [each.sop_instance_uid for each in tx.instances.matching(**keys)]  # type: ignore[arg-type]
    assert found == wanted


def test_matching_takes_thousands_of_uids(filled: Archive) -> None:
    uids = [f"1.2.1.1.{n}" for n in range(5000)]
    with filled.read() as tx:
        found = [each.sop_instance_uid for each in tx.instances.matching(sop_uids=uids)]
    assert found == ALL[1:4]


def test_matching_reads_as_it_is_asked(archive: Archive) -> None:
    put(archive, *(arrival(1, 1, n) for n in range(1, 1201)))
    with archive.read() as tx:
        stream = tx.instances.matching(study_uids=["1.2.1"])
        first = next(stream)
        assert tx.instances.get("1.2.1.1.77") is not None  # the connection is free in between
        assert [first.sop_instance_uid, *(each.sop_instance_uid for each in stream)] == [
            f"1.2.1.1.{n}" for n in range(1, 1201)
        ]


def test_pages_cover_everything_once(filled: Archive) -> None:
    after, seen = 0, []
    while True:
        with filled.read() as tx:
            page = tx.instances.page(after, 3)
        if not page:
            break
        seen += [each.sop_instance_uid for _, each in page]
        after = page[-1][0]
    assert sorted(seen) == sorted(ALL)


def test_blob_keys_that_something_refers_to(filled: Archive) -> None:
    other = arrival(1, 1, 9, content="x", as_conflict=True)
    put(filled, other)
    with filled.begin() as tx:
        tx.quarantine.add(Quarantined("quarantine/a", 1, "ab", "cut off", ORIGIN, NOW))
        tx.commit()
    keys = {arrival(1, 1, 9).blob.key, other.blob.key, "quarantine/a"}
    with filled.read() as tx:
        assert tx.instances.by_blob_keys([*keys, "instances/none"]) == keys
        assert tx.instances.by_blob_keys([]) == set()
        many = [f"instances/none/{n}" for n in range(12_000)]  # after a crash in a burst
        assert tx.instances.by_blob_keys([*many, *keys]) == keys
