import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta

import pytest

from storage.archive import Archive
from storage.engine import Busy
from storage.errors import StorageError
from storage.records.arrival import Arrival, Recorded, Verdict
from tests.support.arrivals import NOW, arrival, put, rows


def verdicts(recorded: list[Recorded]) -> list[Verdict]:
    return [each.verdict for each in recorded]


def counters(archive: Archive) -> tuple[int, int, int]:
    """Studies, series and instances, once every counter was found right."""
    with archive.read() as tx:
        assert list(tx.studies.miscounted()) == []
    counts = [
        rows(archive, f"SELECT count(*) FROM {table}")[0][0] for table in ("study", "series", "instance")
    ]
    return counts[0], counts[1], counts[2]


def kinds(archive: Archive) -> list[str]:
    with archive.read() as tx:
        return [each.kind for each in tx.events.list()]


def test_first_instance_makes_study_and_series(archive: Archive) -> None:
    assert put(archive, arrival()) == [Recorded(Verdict.STORED)]
    assert counters(archive) == (1, 1, 1)
    with archive.read() as tx:
        study = tx.studies.get("1.2.1")
        stored = tx.instances.get("1.2.1.1.1")
        events = tx.events.list()
    assert study is not None
    assert study.attributes["PatientName"] == "Doe^Jane"
    assert study.modalities == ("CT",)
    assert study.sop_classes == (arrival().sop_class_uid,)
    assert (study.number_of_series, study.number_of_instances) == (1, 1)
    assert not study.identity_conflict
    assert study.created_at == study.updated_at == NOW
    assert stored is not None
    assert stored.blob == arrival().blob
    assert stored.received_at == NOW
    assert [(e.kind, e.study_instance_uid, e.sop_instance_uid, e.at) for e in events] == [
        ("study.created", "1.2.1", "", NOW),
    ]


def test_origin_is_kept_with_every_arrival(archive: Archive) -> None:
    put(archive, arrival(), arrival(key="instances/2"), arrival(content="other", as_conflict=True))
    found = rows(archive, "SELECT verdict, way, calling_ae, called_ae, address FROM arrival ORDER BY id")
    origin = ("dimse", "CT1", "ISOCENTRE", "10.0.0.7")
    assert found == [("stored", *origin), ("duplicate", *origin), ("conflict", *origin)]


def test_batch_over_studies_and_series_counts_each(archive: Archive) -> None:
    batch = [arrival(study, series, n) for study in (1, 2, 3) for series in (1, 2) for n in range(1, 6)]
    assert verdicts(put(archive, *batch)) == [Verdict.STORED] * 30
    assert counters(archive) == (3, 6, 30)
    later = NOW + timedelta(minutes=1)
    put(archive, arrival(1, 1, 9, at=later), arrival(1, 3, 1, at=later, Modality="SR"))
    assert counters(archive) == (3, 7, 32)
    with archive.read() as tx:
        study = tx.studies.get("1.2.1")
    assert study is not None
    assert study.modalities == ("CT", "SR")
    assert study.updated_at == later
    assert study.created_at == NOW


def test_more_than_one_statement_can_hold(archive: Archive) -> None:
    batch = [arrival(1, 1, n) for n in range(1, 151)]
    assert set(verdicts(put(archive, *batch))) == {Verdict.STORED}
    assert counters(archive) == (1, 1, 150)


def test_empty_batch_is_nothing(archive: Archive) -> None:
    assert put(archive) == []


def test_sop_classes_gather_in_order(archive: Archive) -> None:
    put(archive, arrival(number=1, sop_class="1.9"), arrival(number=2, sop_class="1.3"))
    put(archive, arrival(number=3, sop_class="1.5"), arrival(number=4, sop_class="1.3"))
    with archive.read() as tx:
        study = tx.studies.get("1.2.1")
    assert study is not None
    assert study.sop_classes == ("1.3", "1.5", "1.9")


def test_same_content_again_changes_nothing(archive: Archive) -> None:
    put(archive, arrival())
    before = rows(archive, "SELECT * FROM instance"), rows(archive, "SELECT * FROM study")
    again = replace(
        arrival(key="instances/2026/0301/1201/000000000000-1"), received_at=NOW + timedelta(hours=1)
    )
    (said,) = put(archive, again)
    assert said == Recorded(Verdict.DUPLICATE, arrival().blob, arrival().transfer_syntax_uid)
    assert (rows(archive, "SELECT * FROM instance"), rows(archive, "SELECT * FROM study")) == before
    assert kinds(archive) == ["study.created"]


def test_same_content_twice_in_one_batch(archive: Archive) -> None:
    first, second = arrival(), arrival(key="instances/2026/0301/1201/000000000000-1")
    said = put(archive, first, second)
    assert said == [
        Recorded(Verdict.STORED),
        Recorded(Verdict.DUPLICATE, first.blob, first.transfer_syntax_uid),
    ]
    assert counters(archive) == (1, 1, 1)


def test_the_same_arrival_recorded_again_says_what_it_said(archive: Archive) -> None:
    """What a commit in doubt needs: its blob must never be taken for a duplicate's and deleted."""
    flagged = arrival(number=2, PatientID="P2")
    batch = [arrival(), arrival(content="other", as_conflict=True), flagged]
    first = put(archive, *batch)
    assert verdicts(first) == [Verdict.STORED, Verdict.CONFLICT, Verdict.STORED]
    before = [
        rows(archive, f"SELECT * FROM {t}") for t in ("instance", "arrival", "event", "conflict", "study")
    ]
    again = put(archive, *batch)
    assert verdicts(again) == verdicts(first)
    assert again[2].identity_conflict
    after = [
        rows(archive, f"SELECT * FROM {t}") for t in ("instance", "arrival", "event", "conflict", "study")
    ]
    assert after == before


def test_other_content_is_not_recorded_unless_told(archive: Archive) -> None:
    put(archive, arrival())
    (said,) = put(archive, arrival(content="other"))
    assert said == Recorded(Verdict.DIFFERS, arrival().blob, arrival().transfer_syntax_uid)
    assert rows(archive, "SELECT count(*) FROM conflict") == [(0,)]
    assert rows(archive, "SELECT count(*) FROM arrival") == [(1,)]


def test_other_content_as_conflict_is_kept_beside(archive: Archive) -> None:
    put(archive, arrival())
    other = arrival(content="other", as_conflict=True, PatientName="Other^Name")
    (said,) = put(archive, other)
    assert said == Recorded(Verdict.CONFLICT, arrival().blob, arrival().transfer_syntax_uid)
    assert counters(archive) == (1, 1, 1)
    with archive.read() as tx:
        (conflict,) = tx.conflicts.list()
        stored = tx.instances.get(other.sop_instance_uid)
    assert stored is not None
    assert stored.blob == arrival().blob
    assert conflict.kind == "content"
    assert conflict.blob == other.blob
    assert conflict.attributes["PatientName"] == "Other^Name"
    assert conflict.origin == other.origin
    assert kinds(archive).count("conflict.content") == 1


def test_conflicting_content_sent_again_is_a_duplicate_of_itself(archive: Archive) -> None:
    other = arrival(content="other", as_conflict=True)
    put(archive, arrival(), other)
    for as_conflict in (True, False):
        again = arrival(
            content="other", as_conflict=as_conflict, key="instances/2026/0301/1300/000000000000-1"
        )
        assert put(archive, again) == [Recorded(Verdict.DUPLICATE, other.blob, other.transfer_syntax_uid)]
    with archive.read() as tx:
        assert len(tx.conflicts.list()) == 1
    assert kinds(archive).count("conflict.content") == 1


def test_conflicts_within_one_batch(archive: Archive) -> None:
    keys = [f"instances/2026/0301/1300/000000000000-{n}" for n in range(4)]
    said = put(
        archive,
        arrival(key=keys[0]),
        arrival(content="b", as_conflict=True, key=keys[1]),
        arrival(content="b", as_conflict=True, key=keys[2]),
        arrival(content="c", key=keys[3]),
    )
    assert verdicts(said) == [Verdict.STORED, Verdict.CONFLICT, Verdict.DUPLICATE, Verdict.DIFFERS]
    assert said[2].existing is not None
    assert said[2].existing.key == keys[1]


def test_other_patient_in_a_study_is_stored_and_flagged(archive: Archive) -> None:
    put(archive, arrival(number=1))
    said = put(
        archive, arrival(number=2, PatientID="P2"), arrival(number=3, PatientID="P2"), arrival(number=4)
    )
    assert [(each.verdict, each.identity_conflict) for each in said] == [
        (Verdict.STORED, True),
        (Verdict.STORED, True),
        (Verdict.STORED, False),
    ]
    put(archive, arrival(number=5, PatientID="P2"), arrival(number=6, PatientID="P3"))
    assert counters(archive) == (1, 1, 6)
    with archive.read() as tx:
        study = tx.studies.get("1.2.1")
        conflicts = tx.conflicts.list("1.2.1")
    assert study is not None
    assert study.identity_conflict
    assert study.attributes["PatientID"] == "P1"
    assert [(c.kind, c.sop_instance_uid, c.attributes["PatientID"]) for c in conflicts] == [
        ("identity", "1.2.1.1.2", "P2"),
        ("identity", "1.2.1.1.6", "P3"),
    ]
    assert conflicts[0].blob == arrival(number=2).blob
    assert kinds(archive).count("conflict.identity") == 2


def test_other_patient_within_the_batch_that_makes_the_study(archive: Archive) -> None:
    said = put(archive, arrival(number=1), arrival(number=2, PatientID="P2"))
    assert [each.identity_conflict for each in said] == [False, True]


def test_one_series_uid_in_two_studies(archive: Archive) -> None:
    odd = replace(arrival(2, 2, 1), series_instance_uid=arrival(1, 1, 1).series_instance_uid)
    assert verdicts(put(archive, arrival(1, 1, 1), odd)) == [Verdict.STORED] * 2
    assert counters(archive) == (2, 2, 2)


def test_hostile_text_is_kept_as_the_database_can(archive: Archive) -> None:
    name = "A\0B\ud800'; DROP TABLE study; --%s %(x)s ?" + "é" * 3000
    hostile = replace(
        arrival(PatientName=name, StudyDescription=name, InstanceNumber="9" * 40),
        study_instance_uid="1.2\0.9",
        transfer_syntax_uid="1\0",
    )
    put(archive, hostile)
    (said,) = put(archive, replace(hostile, blob=replace(hostile.blob, key="instances/x")))
    assert said.verdict is Verdict.DUPLICATE
    with archive.read() as tx:
        study = tx.studies.get("1.2\0.9")
    assert study is not None
    assert study.attributes["PatientName"] == name.replace("\0", "").replace("\ud800", "?")


def test_uids_longer_than_an_index_entry_can_be(archive: Archive) -> None:
    long = replace(arrival(), study_instance_uid="1." * 2000, series_instance_uid="2." * 2000)
    put(
        archive,
        long,
        replace(arrival(number=2), study_instance_uid="1." * 2000, series_instance_uid="2." * 2000),
    )
    assert counters(archive) == (1, 1, 2)


def test_time_without_a_zone_is_refused(archive: Archive) -> None:
    with pytest.raises(ValueError, match="without a zone"):
        put(archive, replace(arrival(), received_at=NOW.replace(tzinfo=None)))
    assert counters(archive) == (0, 0, 0)


def test_what_breaks_a_constraint_is_an_error_without_the_values(archive: Archive) -> None:
    bad = replace(arrival(), blob=replace(arrival().blob, size=None))  # type: ignore[arg-type]
    with pytest.raises(StorageError) as caught:
        put(archive, bad)
    assert "Doe" not in str(caught.value)
    assert "1.2.1" not in str(caught.value)


def test_many_threads_with_the_same_studies(archive: Archive) -> None:
    """Each thread records the same instances in an order of its own; one of each is stored."""
    batches = 6
    start = threading.Barrier(batches)

    def work(which: int) -> list[Verdict]:
        mine = [
            arrival(study, series, n, key=f"instances/2026/0301/1200/{which:012d}-{study}{series}{n}")
            for study in (1, 2)
            for series in (1, 2)
            for n in (1, 2, 3)
        ]
        mine = [replace(a, attributes={**a.attributes, "Modality": f"M{which}"}) for a in mine]
        turned = mine[which:] + mine[:which]
        start.wait()
        said: list[Verdict] = []
        for n in range(0, len(turned), 3):
            said += verdicts(insist(archive, turned[n : n + 3]))
        return said

    with ThreadPoolExecutor(batches) as pool:
        said = [verdict for each in pool.map(work, range(batches)) for verdict in each]
    assert said.count(Verdict.STORED) == 12
    assert said.count(Verdict.DUPLICATE) == 12 * (batches - 1)
    assert counters(archive) == (2, 4, 12)
    assert kinds(archive).count("study.created") == 2


def test_many_threads_add_to_one_study(archive: Archive) -> None:
    """Nobody's modality is lost, though each read the list before the others wrote it."""
    count = 6
    start = threading.Barrier(count)

    def work(which: int) -> None:
        start.wait()
        for n in range(1, 6):
            one = arrival(
                1, which, n, Modality=f"M{which}", sop_class=f"1.{which}", PatientID=f"P{which % 2}"
            )
            insist(archive, [one])

    with ThreadPoolExecutor(count) as pool:
        list(pool.map(work, range(count)))
    assert counters(archive) == (1, count, 5 * count)
    with archive.read() as tx:
        study = tx.studies.get("1.2.1")
        conflicts = tx.conflicts.list()
    assert study is not None
    assert study.modalities == tuple(f"M{which}" for which in range(count))
    assert study.sop_classes == tuple(f"1.{which}" for which in range(count))
    assert study.identity_conflict
    assert len(conflicts) == 1


def insist(archive: Archive, batch: list[Arrival]) -> list[Recorded]:
    while True:
        try:
            return put(archive, *batch)
        except Busy:
            continue
