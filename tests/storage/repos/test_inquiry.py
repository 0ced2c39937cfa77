from datetime import timedelta

from storage.archive import Archive
from storage.records.arrival import Origin, Way
from storage.records.history import Quarantined
from storage.records.jobs import NewJob
from storage.records.rulings import Held, Role, Ruling
from tests.support.arrivals import NOW, ORIGIN, arrival, put

LATER = NOW + timedelta(hours=1)


def revision(archive: Archive) -> int:
    with archive.begin() as tx:
        made = tx.rulesets.add(
            digest="d", source="", plain={}, author="a", note="", based_on=None, difference="", at=NOW
        )
        tx.commit()
    return made.id


def ruling(row: int, role: Role, number: int, level: str = "instance", at=NOW, **more) -> Ruling:
    return Ruling(level, row, role, number, at, 60, {"Modality": "CT"}, [{"rule": str(role)}], **more)


def test_every_arrival_is_told(archive: Archive):
    (recorded,) = put(archive, arrival())
    put(archive, arrival(content="other", as_conflict=True, at=LATER))
    assert recorded.place is not None
    with archive.read() as tx:
        came = tx.inquiry.arrivals_of(recorded.place.instance_row)
    assert [(each.received_at, each.verdict, each.origin) for each in came] == [
        (NOW, "stored", ORIGIN),
        (LATER, "conflict", ORIGIN),
    ]


def test_what_was_refused_is_found(archive: Archive):
    with archive.begin() as tx:
        tx.quarantine.add(
            Quarantined("k", 4, "d", "cut off", Origin(Way.DIMSE, "CT1"), NOW, sop_instance_uid="1.2.9")
        )
        tx.commit()
    with archive.read() as tx:
        (came,) = tx.inquiry.refused("1.2.9")
        assert (came.verdict, came.origin.calling_ae) == ("cut off", "CT1")
        assert tx.inquiry.refused("1.2.8") == []
        assert tx.inquiry.gone("1.2.9") == []


def test_a_series_is_found(archive: Archive):
    (recorded,) = put(archive, arrival())
    assert recorded.place is not None
    with archive.read() as tx:
        assert tx.inquiry.series_row("1.2.1.1") == recorded.place.series_row
        assert tx.inquiry.series_row("1.2") is None


def test_studies_of_a_span_are_paged(archive: Archive):
    for study in range(1, 6):
        put(archive, arrival(study), arrival(study, number=2))
    put(archive, arrival(3, series=2, at=LATER), arrival(9, at=LATER))
    with archive.read() as tx:
        assert tx.inquiry.count_received(NOW, LATER) == 10
        assert tx.inquiry.count_received(LATER, LATER + timedelta(1)) == 2
        first = tx.inquiry.studies_received(NOW, LATER, 0, 3)
        assert len(first) == 3
        rest = tx.inquiry.studies_received(NOW, LATER, first[-1], 3)
        assert len(rest) == 2
        assert [*first, *rest] == sorted({*first, *rest})
        assert len(tx.inquiry.studies_received(LATER, LATER + timedelta(1), 0, 9)) == 2


def test_shadow_and_active_are_paired(archive: Archive):
    number = revision(archive)
    with archive.begin() as tx:
        for row in (1, 2):
            tx.rulings.add([ruling(row, Role.ACTIVE, number), ruling(row, Role.SHADOW, number)])
        tx.rulings.add([ruling(1, Role.SHADOW, number, at=LATER), ruling(1, Role.ACTIVE, number, "series")])
        tx.commit()
    with archive.read() as tx:
        pairs = tx.inquiry.shadowed(number, NOW, 0, 2)
        assert [(s.row, s.role, a and a.role) for s, a in pairs] == [
            (1, Role.SHADOW, Role.ACTIVE),
            (2, Role.SHADOW, Role.ACTIVE),
        ]
        ((alone, beside),) = tx.inquiry.shadowed(number, NOW, pairs[-1][0].id, 2)
        assert (alone.at, alone.seen, beside) == (LATER, {"Modality": "CT"}, None)
        assert len(tx.inquiry.shadowed(number, LATER, 0, 9)) == 1
        assert tx.inquiry.shadowed(number + 1, NOW, 0, 9) == []


def test_decisions_within_a_study(archive: Archive):
    number = revision(archive)
    recorded = put(archive, arrival(), arrival(number=2), arrival(2))
    rows = [each.place.instance_row for each in recorded if each.place]
    with archive.begin() as tx:
        tx.rulings.add([ruling(row, Role.ACTIVE, number) for row in rows])
        tx.commit()
    study = recorded[0].place and recorded[0].place.study_row
    with archive.read() as tx:
        found = list(tx.inquiry.rulings_within(study or 0))
    assert [(uid, each.row) for uid, each in found] == [("1.2.1.1.1", rows[0]), ("1.2.1.1.2", rows[1])]


def test_open_and_released_holds_are_told(archive: Archive):
    (recorded,) = put(archive, arrival())
    place = recorded.place
    assert place is not None
    with archive.begin() as tx:
        tx.holds.add(Held("study", place.study_row, place.study_row, "one", "rule", NOW))
        tx.holds.add(Held("instance", place.instance_row, place.study_row, "two", "rule", NOW))
        tx.holds.release(tx.holds.open_for(place.study_row)[0].id, "ann", LATER)
        tx.commit()
    with archive.read() as tx:
        held = tx.inquiry.holds_within(place.study_row)
    assert [(each.reason, each.released_by) for each in held] == [("one", "ann"), ("two", "")]


def test_jobs_about_something(archive: Archive):
    with archive.begin() as tx:
        for dedupe in (
            "infer:series:7:lung:123",
            "infer:series:77:lung:123",
            "deidentify:instance:7:basic:",
            "discard:instance:7:",
        ):
            tx.jobs.enqueue(NewJob(dedupe.split(":")[0], {}, dedupe), NOW)
        tx.jobs.enqueue(NewJob("sweep", {}, "x:series:7:"), NOW)
        tx.commit()
    with archive.read() as tx:
        assert [job.kind for job in tx.inquiry.jobs_about("series", 7)] == ["infer"]
        assert [job.kind for job in tx.inquiry.jobs_about("instance", 7)] == ["deidentify", "discard"]
        assert tx.inquiry.jobs_about("study", 7) == []
