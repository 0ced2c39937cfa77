from datetime import UTC, datetime, timedelta

import pytest

from node.core import clock
from node.root import Node
from node.services import commitment
from node.services.commitment import Request
from scu.commitment import NO_SUCH_INSTANCE, PROCESSING_FAILURE, SUCCESS, Report
from storage.errors import Unavailable
from storage.records.trail import Event
from tests.support.committing import delivered, redelivered, standing
from tests.support.opened import NOW


def begin(node: Node) -> Request:
    request = commitment.begin(node.archive, "pacs")
    assert request is not None
    return request


def events(node: Node, kind: str) -> list[Event]:
    with node.archive.read() as tx:
        return tx.events.list(kind=kind)


def test_what_is_delivered_within_a_while_is_asked_for_together_and_after_it():
    begun = datetime(2026, 3, 1, 12, 0, 0, tzinfo=UTC)
    first = commitment.asking("pacs", begun)
    assert (first.kind, first.payload) == ("commit", {"destination": "pacs"})
    assert first.run_after == begun + timedelta(seconds=31)
    assert commitment.asking("pacs", begun + timedelta(seconds=29.9)) == first
    later = commitment.asking("pacs", begun + timedelta(seconds=30))
    assert later.dedupe != first.dedupe
    assert commitment.asking("other", begun).dedupe != first.dedupe


def test_a_request_is_recorded_before_it_is_sent(node: Node):
    uids = delivered(node.archive, "pacs", 3)
    request = begin(node)
    assert [each.sop_instance_uid for each in request.references] == uids
    assert request.transaction_uid.startswith("2.25.")
    assert len(request.transaction_uid) <= 64
    assert {each for _, each in standing(node.archive).values()} == {"asked"}
    assert commitment.begin(node.archive, "pacs") is None
    commitment.withdraw(node.archive, request)
    assert begin(node).transaction_uid != request.transaction_uid


def test_no_request_is_too_long(node: Node, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(commitment, "MOST", 2)
    delivered(node.archive, "pacs", 5)
    assert [len(begin(node).references) for _ in range(3)] == [2, 2, 1]


def test_what_is_not_kept_is_sent_again_and_everybody_is_told(node: Node):
    one, two, three = delivered(node.archive, "pacs", 3)
    request = begin(node)
    told = Report(request.transaction_uid, frozenset({one}), {two: 0x0112, three: 0x0213})
    assert commitment.take(node.archive, told, "pacs") == SUCCESS
    assert standing(node.archive) == {one: ("delivered", "yes"), two: ("queued", ""), three: ("queued", "")}
    lost, full = events(node, "delivery.uncommitted")
    assert (lost.sop_instance_uid, lost.study_instance_uid) == (two, "1.2.1")
    assert lost.detail == {
        "destination": "pacs",
        "reason": 0x0112,
        "words": "it does not have the instance (0x0112)",
        "state": "queued",
    }
    assert full.sop_instance_uid == three
    assert commitment.take(node.archive, told, "pacs") == SUCCESS  # a second report of the same
    assert len(events(node, "delivery.uncommitted")) == 2


def test_the_second_time_it_is_dead_with_words(node: Node):
    (uid,) = delivered(node.archive, "pacs", 1)
    for _ in range(2):
        request = begin(node)
        told = Report(request.transaction_uid, frozenset(), {uid: 0x0112})
        assert commitment.take(node.archive, told, "pacs") == SUCCESS
        redelivered(node.archive)
    assert standing(node.archive) == {uid: ("dead", "no")}
    with node.archive.read() as tx:
        (words,) = tx.connection.exec_driver_sql("SELECT words FROM delivery").one()
    assert words == (
        "it was sent a second time, and pacs does not commit itself to keep it: "
        "it does not have the instance (0x0112)"
    )
    assert [each.detail["state"] for each in events(node, "delivery.uncommitted")] == ["queued", "dead"]


def test_nobody_asked_that(node: Node):
    told = Report("2.25.99", None, {"1.2.3": 0x0112})
    assert commitment.take(node.archive, told, "pacs") == NO_SUCH_INSTANCE
    assert events(node, "delivery.uncommitted") == []


def test_a_report_that_cannot_be_recorded_is_not_confirmed(node: Node, monkeypatch: pytest.MonkeyPatch):
    def away() -> None:
        raise Unavailable("away")

    delivered(node.archive, "pacs", 1)
    request = begin(node)
    with monkeypatch.context() as patched:
        patched.setattr(node.archive, "begin", away)
        told = Report(request.transaction_uid, None, {})
        assert commitment.take(node.archive, told, "pacs") == PROCESSING_FAILURE


def test_who_cannot_be_asked_is_said_once(node: Node):
    uids = delivered(node.archive, "pacs", 2)
    for _ in range(2):
        commitment.give_up(node.archive, "pacs", "it does not offer that")
    assert standing(node.archive) == dict.fromkeys(uids, ("delivered", "unanswered"))
    (told,) = events(node, "commitment.refused")
    assert told.detail == {"destination": "pacs", "instances": 2, "words": "it does not offer that"}


def test_a_request_without_an_answer_is_said_once(node: Node, monkeypatch: pytest.MonkeyPatch):
    uids = delivered(node.archive, "pacs", 2)
    request = begin(node)
    commitment.expire(node.archive, "pacs", 24)
    assert events(node, "commitment.unanswered") == []
    now = clock.now()
    monkeypatch.setattr(clock, "now", lambda: now + timedelta(hours=25))
    for _ in range(2):
        commitment.expire(node.archive, "pacs", 24)
    (told,) = events(node, "commitment.unanswered")
    assert told.detail["instances"] == 2
    assert "24 hours" in told.detail["words"]
    assert standing(node.archive) == dict.fromkeys(uids, ("delivered", "unanswered"))
    assert commitment.take(node.archive, Report(request.transaction_uid, None, {}), "pacs") == SUCCESS
    assert standing(node.archive) == dict.fromkeys(uids, ("delivered", "yes"))


def test_what_comes_next_is_in_the_queue(node: Node):
    delivered(node.archive, "pacs", 1)
    commitment.follow(node.archive, "pacs", 24, more=False)
    assert jobs(node) == []  # what is due has a job from whoever delivered it
    commitment.follow(node.archive, "pacs", 24, more=True)
    (again,) = jobs(node)
    begin(node)
    for _ in range(3):
        commitment.follow(node.archive, "pacs", 24, more=True)
    found = jobs(node)
    assert found[0] == again
    assert found[-1] > NOW + timedelta(hours=24)
    assert len(found) <= 3  # the moments may lie in two stretches of time


def jobs(node: Node) -> list[datetime]:
    with node.archive.read() as tx:
        return sorted(each.run_after for each in tx.jobs.list(kind="commit"))
