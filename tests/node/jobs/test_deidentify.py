from dataclasses import replace
from typing import Any

import pytest

from node.jobs import deidentify
from node.jobs.deidentify import KEPT, PASSING, Wish
from node.root import Node
from node.services.deidentifying import copy, copy_uid, key_of
from storage.errors import Unavailable
from storage.records.arrival import Way
from storage.records.deliveries import DeliveryState
from storage.records.jobs import Job, JobState
from storage.records.subjects import Subject
from tests.support.copying import attempt, deliveries, end, found, jobs, subject, take_in, work
from tests.support.opened import enqueue
from tests.support.samples import ct


def wish(source: Subject, level: str = "study", **changes: Any) -> dict[str, Any]:
    row = {
        "instance": source.place.instance_row,
        "series": source.place.series_row,
        "study": source.place.study_row,
    }[level]
    payload: dict[str, Any] = {
        "level": level,
        "row": row,
        "profile": "basic",
        "to": ["RESEARCH"],
        "alternate": "",
        "keep": False,
        "rules": ["to research"],
        "priority": 20,
    }
    return payload | changes


def do(node: Node, source: Subject, level: str = "study", **changes: Any) -> Job:
    return work(node, "deidentify", **wish(source, level, **changes))


def copies(node: Node, *sources: Subject) -> list[Subject]:
    key = key_of(node.archive)
    return [found(node, copy_uid(key, source)) for source in sources]


def test_a_payload_is_read():
    payload = {"level": "study", "row": 3, "profile": "basic", "to": ["A"], "keep": True, "rules": ["r"]}
    assert Wish.read(payload) == Wish("study", 3, "basic", ("A",), "", True, ("r",), 50)


def test_copies_of_a_study_are_delivered(node: Node):
    sources = take_in(node, ct(1), ct(2), ct(3, series=2))
    job = do(node, sources[0], to=["RESEARCH", "CLOUD"], alternate="SPARE")
    assert (job.state, job.progress, job.total) == (JobState.DONE, 3, 3)
    made = copies(node, *sources)
    ordered = deliveries(node)
    assert {(each.sop_instance_uid, each.destination) for each in ordered} == {
        (one.sop_instance_uid, peer) for one in made for peer in ("RESEARCH", "CLOUD")
    }
    assert {(each.state, each.priority, each.rules, each.alternate) for each in ordered} == {
        (DeliveryState.QUEUED, 20, ("to research",), "SPARE")
    }


@pytest.mark.parametrize(("level", "count"), [("instance", 1), ("series", 2), ("study", 3)])
def test_only_what_the_level_has(node: Node, level: str, count: int):
    sources = take_in(node, ct(1), ct(2), ct(3, series=2), ct(1, study=2))
    assert do(node, sources[0], level).state is JobState.DONE
    assert len(deliveries(node)) == count


def test_what_comes_late_is_added_and_nothing_twice(node: Node):
    (first,) = take_in(node, ct(1))
    do(node, first)
    before = deliveries(node)
    (second,) = take_in(node, ct(2))
    do(node, first)
    assert [each.id for each in deliveries(node)][:1] == [each.id for each in before]
    assert [each.sop_instance_uid for each in deliveries(node)] == [
        one.sop_instance_uid for one in copies(node, first, second)
    ]


def test_a_crash_after_the_copy_loses_no_delivery(node: Node):
    (source,) = take_in(node, ct())
    copy(node, source, "basic", key_of(node.archive))
    assert deliveries(node) == []
    do(node, source)
    assert [each.sop_instance_uid for each in deliveries(node)] == [copies(node, source)[0].sop_instance_uid]
    assert len(jobs(node, "discard")) == 1


def test_a_failure_in_the_middle_is_made_good(node: Node, monkeypatch: pytest.MonkeyPatch):
    sources = take_in(node, ct(1), ct(2))
    number = enqueue(node, "deidentify", payload=wish(sources[0]))
    made: list[int] = []

    def fails_once(*arguments: Any) -> None:
        made.append(1)
        if len(made) == 2:
            raise Unavailable("database: away")
        copy(*arguments)

    monkeypatch.setattr(deidentify, "copy", fails_once)
    assert attempt(node, "deidentify", number).state is JobState.QUEUED
    with node.archive.begin() as tx:
        tx.jobs.retry(number, sources[0].received_at)
        tx.commit()
    assert attempt(node, "deidentify", number).state is JobState.DONE
    assert len(deliveries(node)) == 2


def test_a_copy_that_is_discarded_meanwhile_is_made_again(node: Node, monkeypatch: pytest.MonkeyPatch):
    (source,) = take_in(node, ct())
    number = enqueue(node, "deidentify", payload=wish(source, keep=True))
    made: list[int] = []

    def discarded_once(*arguments: Any) -> None:
        copy(*arguments)
        made.append(1)
        if len(made) == 1:
            (one,) = copies(node, source)
            with node.archive.begin() as tx:
                assert tx.discards.discard(one.place.instance_row, "a test", "a test", source.received_at)
                tx.commit()

    monkeypatch.setattr(deidentify, "copy", discarded_once)
    job = attempt(node, "deidentify", number)
    assert (job.state, job.failures) == (JobState.QUEUED, 0)
    with node.archive.begin() as tx:
        tx.jobs.retry(number, source.received_at)
        tx.commit()
    assert attempt(node, "deidentify", number).state is JobState.DONE
    assert len(deliveries(node)) == 1


def test_a_copy_that_is_kept_is_labelled_and_stays(node: Node):
    (source,) = take_in(node, ct())
    do(node, source, to=[], keep=True)
    (made,) = copies(node, source)
    with node.archive.read() as tx:
        assert tx.labels.of(made.place) == (KEPT,)
    assert jobs(node, "discard") == []
    assert deliveries(node) == []


def test_a_copy_that_is_not_kept_is_discarded_when_it_is_delivered(node: Node):
    (source,) = take_in(node, ct())
    do(node, source)
    (made,) = copies(node, source)
    (job,) = jobs(node, "discard")
    assert attempt(node, "discard", job.id).state is JobState.QUEUED
    assert subject(node, made.sop_instance_uid) is not None
    end(node, DeliveryState.DELIVERED)
    with node.archive.begin() as tx:
        tx.jobs.retry(job.id, source.received_at)
        tx.commit()
    assert attempt(node, "discard", job.id).state is JobState.DONE
    assert subject(node, made.sop_instance_uid) is None
    assert found(node, source.sop_instance_uid) == source
    with node.archive.read() as tx:
        assert [gone.reason for gone in tx.discards.of(made.sop_instance_uid)] == [PASSING]


def test_what_was_delivered_and_discarded_is_not_made_again(node: Node):
    (source,) = take_in(node, ct())
    do(node, source)
    uid = copies(node, source)[0].sop_instance_uid
    end(node, DeliveryState.DELIVERED)
    (job,) = jobs(node, "discard")
    attempt(node, "discard", job.id)
    do(node, source)
    assert subject(node, uid) is None
    assert len(deliveries(node)) == 1
    do(node, source, to=["RESEARCH", "CLOUD"])
    assert [each.destination for each in deliveries(node)] == ["RESEARCH", "CLOUD"]
    do(node, source, to=[], keep=True)
    assert subject(node, uid) is not None


def test_a_copy_that_one_rule_keeps_stays_when_another_does_not_keep_it(node: Node):
    (source,) = take_in(node, ct())
    do(node, source)
    do(node, source, to=[], keep=True)
    end(node, DeliveryState.DELIVERED)
    (job,) = jobs(node, "discard")
    assert attempt(node, "discard", job.id).state is JobState.DONE
    assert copies(node, source)


def test_a_copy_is_not_copied(node: Node):
    (source,) = take_in(node, ct())
    do(node, source, to=[], keep=True)
    (made,) = copies(node, source)
    assert made.origin.way is Way.DERIVED
    assert do(node, made).state is JobState.DONE
    with node.archive.read() as tx:
        assert tx.instances.count() == 2
    assert deliveries(node) == []


def test_what_cannot_be_cleaned_does_not_go_out_and_the_rest_does(node: Node):
    clean, burned = take_in(node, ct(1), ct(2, BurnedInAnnotation="YES"))
    job = do(node, clean)
    assert job.state is JobState.DEAD
    assert "1 of 2 instances" in job.error
    assert "text in its pixels" in job.error
    assert [each.sop_instance_uid for each in deliveries(node)] == [copies(node, clean)[0].sop_instance_uid]
    assert subject(node, copy_uid(key_of(node.archive), burned)) is None
    with node.archive.read() as tx:
        (event,) = tx.events.list(kind="deidentify.refused")
    assert event.sop_instance_uid == burned.sop_instance_uid
    assert event.detail["job"] == job.id


def test_a_profile_that_is_not_there_is_hopeless(node: Node):
    (source,) = take_in(node, ct())
    job = do(node, source, profile="teaching")
    assert (job.state, job.error) == (JobState.DEAD, "there is no profile teaching; there is basic")


def test_a_source_that_is_gone_is_no_trouble(node: Node):
    (source,) = take_in(node, ct())
    gone = replace(source, place=replace(source.place, instance_row=9999))
    assert do(node, gone, "instance").state is JobState.DONE
