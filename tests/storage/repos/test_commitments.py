from datetime import timedelta
from typing import Any

from sqlalchemy import event, insert, text

from storage.archive import Archive
from storage.records.commitments import Verdict
from storage.records.deliveries import Committed, DeliveryState, NewDelivery, Result
from storage.records.tables import gone
from storage.repos.commitments import UNCOMMITTED
from tests.support.arrivals import NOW, arrival, put, rows
from tests.support.committing import delivered, redelivered, standing

TRANSACTION = "2.25.1"
LATER = NOW + timedelta(hours=1)


def ask(archive: Archive, name: str = "pacs", uid: str = TRANSACTION, limit: int = 100) -> int:
    with archive.begin() as tx:
        due = tx.commitments.due(name, limit)
        asked = tx.commitments.ask(uid, name, [each.delivery for each in due], NOW)
        tx.commit()
    return asked


def answer(
    archive: Archive,
    committed: list[str] | None,
    failed: dict[str, int] | None = None,
    uid: str = TRANSACTION,
) -> Verdict | None:
    with archive.begin() as tx:
        verdict = tx.commitments.answer(uid, committed, failed or {}, LATER)
        tx.commit()
    return verdict


def send_again(archive: Archive, verdict: Verdict | None) -> list[DeliveryState]:
    assert verdict is not None
    with archive.begin() as tx:
        became = tx.commitments.send_again([each.delivery for each in verdict.uncommitted], "lost", LATER)
        tx.commit()
    return list(became.values())


def test_what_a_destination_has_taken_is_asked_for_oldest_first(archive: Archive) -> None:
    uids = delivered(archive, "pacs", 3)
    delivered(archive, "other", 1, first=10)
    with archive.read() as tx:
        assert tx.commitments.has_due("pacs")
        assert not tx.commitments.has_due("nobody")
    with archive.begin() as tx:
        due = tx.commitments.due("pacs", 2)
    assert [each.sop_instance_uid for each in due] == uids[:2]
    assert {each.sop_class_uid for each in due} == {"1.2.840.10008.5.1.4.1.1.2"}
    assert ask(archive, limit=2) == 2
    assert ask(archive, uid="2.25.2") == 1
    with archive.read() as tx:
        assert not tx.commitments.has_due("pacs")
        assert tx.commitments.has_due("other")


def test_what_is_being_sent_again_is_not_asked_for(archive: Archive) -> None:
    delivered(archive, "pacs", 1)
    with archive.begin() as tx:
        tx.connection.execute(text("UPDATE delivery SET state = 'queued'"))
        tx.commit()
    with archive.begin() as tx:
        assert tx.commitments.due("pacs", 10) == []


def test_what_is_not_due_any_more_is_not_asked_for_twice(archive: Archive) -> None:
    delivered(archive, "pacs", 1)
    with archive.begin() as tx:
        (due,) = tx.commitments.due("pacs", 10)
        assert tx.commitments.ask("2.25.1", "pacs", [due.delivery], NOW) == 1
        assert tx.commitments.ask("2.25.2", "pacs", [due.delivery], NOW) == 0
        tx.commit()


def test_an_answer_counts_once(archive: Archive) -> None:
    one, two, three = delivered(archive, "pacs", 3)
    ask(archive)
    first = answer(archive, [one, two, "1.2.3.4.5"], {three: 0x0112, "9.9": 0x0110})
    assert first is not None
    assert (first.destination, first.committed, first.unnamed) == ("pacs", 2, 0)
    (lost,) = first.uncommitted
    assert (lost.sop_instance_uid, lost.reason) == (three, 0x0112)
    assert (lost.study_instance_uid, lost.series_instance_uid) == ("1.2.1", "1.2.1.1")
    assert answer(archive, [one, two, three]) == Verdict("pacs", 0, (), 0)
    assert standing(archive) == {
        one: ("delivered", "yes"),
        two: ("delivered", "yes"),
        three: ("delivered", "no"),
    }
    with archive.read() as tx:
        told = tx.commitments.get(TRANSACTION)
    assert told is not None
    assert (told.destination, told.answered_at, told.committed, told.failed) == ("pacs", LATER, 2, 1)


def test_all_is_all_that_was_asked_for(archive: Archive) -> None:
    one, two = delivered(archive, "pacs", 2)
    ask(archive)
    assert answer(archive, None) == Verdict("pacs", 2, (), 0)
    assert standing(archive) == dict.fromkeys((one, two), ("delivered", "yes"))


def test_what_is_not_named_may_be_named_by_a_second_report(archive: Archive) -> None:
    one, two = delivered(archive, "pacs", 2)
    ask(archive)
    assert answer(archive, [one]) == Verdict("pacs", 1, (), 1)
    assert standing(archive)[two] == ("delivered", "unanswered")
    assert answer(archive, [two]) == Verdict("pacs", 1, (), 0)
    assert standing(archive)[two] == ("delivered", "yes")


def test_nobody_asked_this(archive: Archive) -> None:
    delivered(archive, "pacs", 1)
    assert answer(archive, None, uid="2.25.99") is None
    with archive.begin() as tx:
        assert tx.commitments.withdraw("2.25.99") == 0
        assert tx.commitments.get("2.25.99") is None


def test_what_is_not_kept_is_sent_again_once(archive: Archive) -> None:
    (uid,) = delivered(archive, "pacs", 1)
    ask(archive)
    assert send_again(archive, answer(archive, [], {uid: 0x0112})) == [DeliveryState.QUEUED]
    assert standing(archive) == {uid: ("queued", "")}
    states = rows(archive, "SELECT number, state, words, digest FROM attempt ORDER BY id")
    assert states == [(1, UNCOMMITTED, "lost", ""), (1, "delivered", "", "d1")]
    redelivered(archive)
    ask(archive, uid="2.25.2")
    again = answer(archive, [], {uid: 0x0112}, uid="2.25.2")
    assert send_again(archive, again) == [DeliveryState.DEAD]
    assert standing(archive) == {uid: ("dead", "no")}
    assert rows(archive, "SELECT words FROM delivery") == [("it was sent a second time, and lost",)]
    assert send_again(archive, again) == []  # it is not delivered any more


def test_many_are_sent_again_at_once(archive: Archive) -> None:
    uids = delivered(archive, "pacs", 30)
    ask(archive)
    verdict = answer(archive, None, dict.fromkeys(uids, 0x0112))
    assert send_again(archive, verdict) == [DeliveryState.QUEUED] * 30


def test_a_discarded_instance_is_asked_for_all_the_same(archive: Archive) -> None:
    (uid,) = delivered(archive, "pacs", 1)
    left = {"id": 7, "sop_instance_uid": uid, "series_instance_uid": "series", "study_instance_uid": "study"}
    had = {column.name: 1 for column in gone.c if column.name.endswith("_row")}
    with archive.begin() as tx:
        tx.connection.execute(insert(gone).values({**left, **had, "received_at": NOW, "at": NOW}))
        tx.connection.execute(text("UPDATE delivery SET instance_row = -7"))
        tx.commit()
    ask(archive)
    verdict = answer(archive, [], {uid: 0x0110})
    assert verdict is not None
    assert [(each.sop_instance_uid, each.study_instance_uid) for each in verdict.uncommitted] == [
        (uid, "study")
    ]


def test_a_request_that_may_be_lost_is_made_again_and_its_answer_still_counts(archive: Archive) -> None:
    one, two = delivered(archive, "pacs", 2)
    ask(archive)
    with archive.begin() as tx:
        assert tx.commitments.withdraw(TRANSACTION) == 2
        tx.commit()
    assert ask(archive, uid="2.25.2", limit=1) == 1
    assert answer(archive, None) == Verdict("pacs", 1, (), 0)  # only for what was not asked for again
    assert standing(archive) == {one: ("delivered", "asked"), two: ("delivered", "yes")}


def test_requests_without_an_answer_are_given_up_and_a_late_one_counts(archive: Archive) -> None:
    uids = delivered(archive, "pacs", 2)
    ask(archive)
    with archive.begin() as tx:
        assert tx.commitments.open_since("pacs") == NOW
        assert tx.commitments.open_since("other") is None
        assert tx.commitments.overdue("pacs", NOW, LATER) == 0
        assert tx.commitments.overdue("pacs", LATER, LATER) == 2
        assert tx.commitments.overdue("pacs", LATER, LATER) == 0
        assert tx.commitments.open_since("pacs") is None
        tx.commit()
    assert standing(archive) == dict.fromkeys(uids, ("delivered", Committed.UNANSWERED))
    assert answer(archive, None) == Verdict("pacs", 2, (), 0)
    assert standing(archive) == dict.fromkeys(uids, ("delivered", "yes"))


def test_nobody_can_be_asked(archive: Archive) -> None:
    uids = delivered(archive, "pacs", 2)
    others = delivered(archive, "other", 1, first=10)
    with archive.begin() as tx:
        assert tx.commitments.give_up("pacs") == 2
        assert tx.commitments.give_up("pacs") == 0
        tx.commit()
    assert standing(archive) == {
        **dict.fromkeys(uids, ("delivered", "unanswered")),
        **dict.fromkeys(others, ("delivered", "due")),
    }


def test_two_ask_at_once_and_share_what_is_due(archive: Archive) -> None:
    if archive.kind == "sqlite":
        return  # one writer at a time
    delivered(archive, "pacs", 4)
    with archive.begin() as one, archive.begin() as two:
        first = {each.delivery for each in one.commitments.due("pacs", 2)}
        second = {each.delivery for each in two.commitments.due("pacs", 4)}
    assert len(first) == len(second) == 2
    assert not first & second


def test_finding_what_is_due_uses_its_index(archive: Archive) -> None:
    if archive.kind != "sqlite":
        return  # PostgreSQL chooses by what it has counted
    said: list[tuple[str, Any]] = []

    def listen(connection: Any, cursor: Any, statement: str, values: Any, *_: Any) -> None:
        said.append((statement, values))

    with archive.begin() as tx:
        event.listen(tx.connection, "before_cursor_execute", listen)
        tx.commitments.due("pacs", 10)
        tx.commitments.has_due("pacs")
        event.remove(tx.connection, "before_cursor_execute", listen)
        assert len(said) == 2
        for statement, values in said:
            plan = tx.connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", values)
            assert any("ix_delivery_uncommitted" in row[3] for row in plan)


def test_a_delivery_from_the_queue_to_its_verdict_and_back(archive: Archive) -> None:
    put(archive, arrival())
    with archive.begin() as tx:
        (place,) = tx.connection.execute(
            text("SELECT i.id, s.id, s.study_row FROM instance i JOIN series s ON s.id = i.series_row")
        ).all()
        tx.deliveries.add([NewDelivery(place[0], place[1], place[2], 1, "pacs", 50, NOW, ("r",))])
        (home,) = tx.destinations.lease("w1", NOW, LATER, 10)
        tx.commit()
    for number in (1, 2):
        with archive.begin() as tx:
            (parcel,) = tx.deliveries.claim(home.id, "w1", NOW, 10, ())
            result = Result(parcel, DeliveryState.DELIVERED, NOW + timedelta(seconds=number), 0)
            tx.deliveries.finish("w1", [result], commitment=True)
            tx.commit()
        assert ask(archive, uid=f"2.25.{number}") == 1
        verdict = answer(archive, [], {parcel.sop_instance_uid: 0x0112}, uid=f"2.25.{number}")
        send_again(archive, verdict)
    assert standing(archive) == {parcel.sop_instance_uid: ("dead", "no")}
    with archive.read() as tx:
        (told,) = tx.ledger.list()
        states = [each.state for each in tx.ledger.attempts(told.id)]
    assert (told.state, told.committed) == (DeliveryState.DEAD, Committed.NO)
    assert states == [UNCOMMITTED, "delivered", "delivered"]
