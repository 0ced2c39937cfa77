from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import event

from node.core import clock
from node.jobs.deidentify import KEPT
from node.root import Node
from storage.errors import Unavailable
from storage.records.arrival import Origin, Way
from storage.records.deliveries import DeliveryState, NewDelivery
from storage.records.jobs import Job, JobState, NewJob, about
from storage.records.rulings import Label
from storage.records.subjects import Subject
from storage.transaction import Transaction
from storage.verify import verify
from tests.support.copying import deliveries, end, subject, take_in, work
from tests.support.deliveries import new
from tests.support.ingest import send
from tests.support.opened import has
from tests.support.samples import ct


def do(node: Node, source: Subject, **more: Any) -> Job:
    payload = {"row": source.place.instance_row, "reason": "a test", "rules": ["relay"], **more}
    return work(node, "discard", **payload)


def deliver(node: Node, source: Subject, to: str = "PACS", held: str = "") -> None:
    place = source.place
    new = NewDelivery(
        place.instance_row,
        place.series_row,
        place.study_row,
        1,
        to,
        50,
        clock.now(),
        ("relay",),
        held,
    )
    with node.archive.begin() as tx:
        tx.deliveries.add([new])
        tx.commit()


def is_there(node: Node, source: Subject) -> bool:
    here = subject(node, source.sop_instance_uid) is not None
    assert has(node.blobs, source.blob.key) is here
    return here


def test_it_goes_with_its_bytes_and_somebody_is_told(node: Node):
    source, other = take_in(node, ct(1), ct(2))
    assert do(node, source).state is JobState.DONE
    assert not is_there(node, source)
    assert is_there(node, other)
    with node.archive.read() as tx:
        (gone,) = tx.discards.of(source.sop_instance_uid)
        (entry,) = tx.audit.list(subject=source.sop_instance_uid)
        (event,) = tx.events.list(kind="instance.discarded")
    assert (gone.reason, gone.author) == ("a test", "relay")
    assert (entry.actor, entry.action, entry.outcome) == ("relay", "instance.discarded", "success")
    assert event.sop_instance_uid == source.sop_instance_uid
    assert event.detail["reason"] == "a test"
    assert verify(node.archive, node.blobs, grace=0).findings == []


@pytest.mark.parametrize("state", [DeliveryState.QUEUED, DeliveryState.WAITING, DeliveryState.SENDING])
def test_it_waits_for_deliveries_without_failing(node: Node, state: DeliveryState):
    (source,) = take_in(node, ct())
    deliver(node, source)
    end(node, state)
    before = clock.now()
    job = do(node, source)
    assert (job.state, job.failures) == (JobState.QUEUED, 0)
    assert job.run_after >= before + timedelta(seconds=5)
    assert is_there(node, source)


@pytest.mark.parametrize("state", [DeliveryState.DELIVERED, DeliveryState.DIVERTED, DeliveryState.CANCELLED])
def test_what_ended_keeps_nothing_and_its_history_stays(node: Node, state: DeliveryState):
    (source,) = take_in(node, ct())
    deliver(node, source)
    end(node, state)
    assert do(node, source).state is JobState.DONE
    assert not is_there(node, source)
    assert [(each.state, each.sop_instance_uid) for each in deliveries(node)] == [
        (state, source.sop_instance_uid)
    ]


@pytest.mark.parametrize("state", [DeliveryState.DEAD, DeliveryState.HELD])
def test_what_a_person_must_look_at_keeps_it(node: Node, state: DeliveryState):
    (source,) = take_in(node, ct())
    deliver(node, source)
    deliver(node, source, "RESEARCH")
    end(node, state, deliveries(node)[0].id)
    job = do(node, source)
    assert job.state is JobState.DEAD
    assert f"its delivery to PACS is {state}" in job.error
    assert f"jobs retry {job.id}" in job.error
    assert is_there(node, source)


@pytest.mark.parametrize(("held", "state"), [("", JobState.QUEUED), ("look at it", JobState.DEAD)])
def test_a_job_that_reads_it_keeps_it(node: Node, held: str, state: JobState):
    (source,) = take_in(node, ct())
    payload = {"level": "study", "row": source.place.study_row}
    new = NewJob(
        "deidentify", payload, dedupe=about("deidentify", "study", source.place.study_row), held=held
    )
    with node.archive.begin() as tx:
        tx.jobs.enqueue(new, clock.now())
        tx.commit()
    assert do(node, source).state is state
    assert is_there(node, source)


def test_it_waits_for_the_study_to_settle(node: Node):
    (source,) = take_in(node, ct())
    now = clock.now()
    with node.archive.begin() as tx:
        tx.settling.note([(source.place.study_row, now, now + timedelta(minutes=1))])
        tx.commit()
    assert do(node, source).state is JobState.QUEUED
    assert is_there(node, source)


def test_what_a_person_uploaded_stays(node: Node):
    (source,) = take_in(node, ct(), origin=Origin(Way.UPLOAD, user="doctor"))
    job = do(node, source)
    assert job.state is JobState.DEAD
    assert "a person uploaded it" in job.error
    assert is_there(node, source)


def test_also_when_it_was_there_before_they_did(node: Node):
    (source,) = take_in(node, ct())
    send(node.ingest, ct(), origin=Origin(Way.UPLOAD, user="doctor"))
    assert do(node, source).state is JobState.DEAD
    assert is_there(node, source)


def test_a_conflict_that_nobody_decided_on_keeps_it(node: Node):
    (source,) = take_in(node, ct())
    send(node.ingest, ct(SliceThickness=9))
    job = do(node, source)
    assert job.state is JobState.DEAD
    assert "another content is kept under its UID" in job.error
    assert is_there(node, source)


def test_what_is_gone_already_is_done(node: Node):
    (source,) = take_in(node, ct())
    do(node, source)
    assert do(node, source).state is JobState.DONE


def test_a_label_can_keep_it(node: Node):
    (source,) = take_in(node, ct())
    place = source.place
    with node.archive.begin() as tx:
        tx.labels.add(Label("instance", place.instance_row, place.study_row, KEPT, "a rule", clock.now()))
        tx.commit()
    assert do(node, source, unless=KEPT).state is JobState.DONE
    assert is_there(node, source)
    assert do(node, source).state is JobState.DONE
    assert not is_there(node, source)


def test_somebody_who_is_at_work_on_it_is_let_finish(node: Node, archive_url: str):
    if archive_url.startswith("sqlite"):
        pytest.skip("SQLite lets one write at a time")
    (source,) = take_in(node, ct())
    with node.archive.begin() as tx:
        tx.connection.exec_driver_sql("SELECT id FROM instance FOR UPDATE")
        job = do(node, source)
    assert (job.state, job.failures) == (JobState.QUEUED, 0)
    assert is_there(node, source)


def test_bytes_that_cannot_be_deleted_are_left_for_the_sweep(node: Node, monkeypatch: pytest.MonkeyPatch):
    (source,) = take_in(node, ct())

    def away(_: str) -> None:
        raise Unavailable("blobs: away")

    monkeypatch.setattr(node.blobs, "delete", away)
    assert do(node, source).state is JobState.DONE
    assert subject(node, source.sop_instance_uid) is None
    assert has(node.blobs, source.blob.key)


def test_what_is_decided_as_its_study_settles_keeps_it(node: Node):
    (source,) = take_in(node, ct())
    place, now = source.place, clock.now()
    with node.archive.begin() as tx:
        tx.settling.note([(place.study_row, now, now)])
        tx.commit()
    settling: list[Transaction] = []

    def settle(_connection: Any, _cursor: Any, words: str, *_: Any) -> None:
        """Let it have settled as soon as somebody has looked at the deliveries, or before."""
        if settling and "settling" in words:
            settling.pop().commit()

    with node.archive.read() as tx:
        engine = tx.connection.engine
    event.listen(engine, "before_cursor_execute", settle)
    try:
        if engine.dialect.name == "postgresql":  # with SQLite only one of them writes at a time
            with node.archive.begin() as tx:
                assert tx.settling.close(tx.settling.get(place.study_row))
                tx.deliveries.add([new(place, "PACS")])
                settling.append(tx)
                assert do(node, source).state is JobState.QUEUED
    finally:
        event.remove(engine, "before_cursor_execute", settle)
    assert is_there(node, source)


def test_what_is_being_sent_on_is_left_for_another_look(node: Node):
    (source,) = take_in(node, ct())
    with node.archive.begin() as tx:
        if tx.connection.dialect.name == "postgresql":
            assert tx.discards.keep([source.place.instance_row]) == {source.place.instance_row}
            assert do(node, source).state is JobState.QUEUED
            assert is_there(node, source)
            tx.deliveries.add([new(source.place, "PACS")])
        tx.commit()
