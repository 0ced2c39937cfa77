"""Holds as a person decides them, on both databases."""

import threading

import pytest

from node.core.errors import UserError
from node.root import Node
from node.rulings.saving import open_holds
from node.services import holds
from storage.records.arrival import Place
from storage.records.jobs import JobState, NewJob
from storage.records.rulings import Held
from tests.support.deliveries import NOW, get, instances, new, queue, states
from tests.support.opened import job_of

WHY = "a person should see it"


def hold(node: Node, level: str, row: int, study_row: int, reason: str = WHY) -> int:
    """Put something on hold; return the number of that."""
    with node.archive.begin() as tx:
        assert tx.holds.add(Held(level, row, study_row, reason, "a rule", NOW))
        number = tx.holds.list()[0].id
        tx.commit()
    return number


def held_job(node: Node, reason: str = WHY, **payload: object) -> int:
    with node.archive.begin() as tx:
        number = tx.jobs.enqueue(NewJob("infer", payload, held=reason), NOW)
        tx.commit()
    assert number is not None
    return number


@pytest.fixture
def places(node: Node) -> list[Place]:
    """Two series of two instances."""
    return instances(node.archive, series=2, each=2)


def test_a_study_is_released(node: Node, places: list[Place]):
    study = places[0].study_row
    queue(node.archive, places, held=WHY)
    queue(node.archive, instances(node.archive, study=2), held=WHY)
    jobs = [
        held_job(node, level="study", row=study),
        held_job(node, level="series", row=places[0].series_row),
        held_job(node, row=places[0].instance_row),
    ]
    number = hold(node, "study", study, study)
    done = holds.release(node, number, "me")
    assert (done.deliveries, done.jobs, done.kept) == (4, 3, 0)
    assert (done.hold.released_by, done.hold.reason) == ("me", WHY)
    assert states(node.archive) == ["queued"] * 4 + ["held"]
    assert [job_of(node, job).state for job in jobs] == [JobState.QUEUED] * 3
    with pytest.raises(UserError, match="none that is open"):
        holds.release(node, number, "me")


def test_only_the_series_that_was_held_is_released(node: Node, places: list[Place]):
    ids = queue(node.archive, places, held=WHY)
    other = held_job(node, level="series", row=places[2].series_row)
    whole = held_job(node, level="study", row=places[0].study_row)
    done = holds.release(node, hold(node, "series", places[0].series_row, places[0].study_row), "me")
    assert (done.deliveries, done.jobs) == (2, 1)
    assert [get(node.archive, number).state.value for number in ids] == ["queued", "queued", "held", "held"]
    assert job_of(node, other).state is JobState.HELD
    assert job_of(node, whole).state is JobState.QUEUED


def test_an_instance_is_released(node: Node, places: list[Place]):
    queue(node.archive, places, held=WHY)
    done = holds.release(node, hold(node, "instance", places[1].instance_row, places[1].study_row), "me")
    assert done.deliveries == 1
    assert states(node.archive) == ["held", "queued", "held", "held"]


def test_another_open_hold_goes_on_holding(node: Node, places: list[Place]):
    first, study = places[0], places[0].study_row
    ids = queue(node.archive, places, held=WHY)
    job = held_job(node, level="series", row=first.series_row)
    outer = hold(node, "study", study, study)
    inner = hold(node, "series", first.series_row, study, "its series is odd")
    done = holds.release(node, outer, "me")
    assert (done.deliveries, done.jobs, done.kept) == (2, 0, 3)
    assert [get(node.archive, number).words for number in ids[:2]] == ["its series is odd"] * 2
    assert job_of(node, job).error == "its series is odd"
    done = holds.release(node, inner, "you")
    assert (done.deliveries, done.jobs, done.kept) == (2, 1, 0)
    assert states(node.archive) == ["queued"] * 4


def test_what_a_rule_could_not_decide_is_not_released_with_a_hold(node: Node, places: list[Place]):
    queue(node.archive, places[:1], held="rule x is unknown")
    study = places[0].study_row
    assert holds.release(node, hold(node, "study", study, study), "me").deliveries == 0
    assert states(node.archive) == ["held"]


def test_what_is_rejected_goes_nowhere(node: Node, places: list[Place]):
    queue(node.archive, places, held=WHY)
    study = places[0].study_row
    job = held_job(node, level="study", row=study)
    done = holds.reject(node, hold(node, "study", study, study), "me")
    assert (done.deliveries, done.jobs) == (4, 1)
    assert states(node.archive) == ["cancelled"] * 4
    assert job_of(node, job).state is JobState.CANCELLED
    with pytest.raises(UserError, match="none that is open"):
        holds.reject(node, 99, "me")


def test_a_reason_longer_than_the_column_is_still_found(node: Node, places: list[Place]):
    reason = "because " * 200
    queue(node.archive, places[:1], held=reason)
    study = places[0].study_row
    assert holds.release(node, hold(node, "study", study, study, reason), "me").deliveries == 1


def test_they_are_listed_with_what_they_are_on(node: Node, places: list[Place]):
    study = places[0].study_row
    one = hold(node, "study", study, study, "a")
    hold(node, "series", places[0].series_row, study, "b")
    hold(node, "instance", places[0].instance_row, study, "c")
    hold(node, "instance", 10**6, 10**6, "gone")
    assert [(each.level, each.uid, each.study_instance_uid) for each in holds.list_(node)] == [
        ("instance", "", ""),
        ("instance", "1.2.1.1.1", "1.2.1"),
        ("series", "1.2.1.1", "1.2.1"),
        ("study", "1.2.1", "1.2.1"),
    ]
    holds.release(node, one, "me")
    assert len(holds.list_(node)) == 3
    assert [each.released_by for each in holds.list_(node, released=True)] == ["", "", "", "me"]


def test_what_comes_while_it_is_released_is_not_held_for_ever(node: Node, places: list[Place]):
    first = places[0]
    number = hold(node, "study", first.study_row, first.study_row)
    releasing = threading.Thread(target=holds.release, args=(node, number, "me"))
    with node.archive.begin() as tx:  # as an arrival does
        reason = open_holds(tx, [first])[first.instance_row]
        releasing.start()
        releasing.join(0.3)
        tx.deliveries.add([new(first, held=reason)])
        tx.commit()
    releasing.join()
    assert states(node.archive) == ["queued"]


def test_two_holds_are_released_at_once(node: Node, places: list[Place]):
    study = places[0].study_row
    queue(node.archive, places, held=WHY)
    numbers = [hold(node, "study", study, study), hold(node, "series", places[0].series_row, study, "odd")]
    each = [threading.Thread(target=holds.release, args=(node, number, "me")) for number in numbers]
    for thread in each:
        thread.start()
    for thread in each:
        thread.join()
    assert states(node.archive) == ["queued"] * 4


def test_who_decided_is_kept(node: Node, places: list[Place]):
    queue(node.archive, places, held=WHY)
    study = places[0].study_row
    first, second = (
        hold(node, "study", study, study),
        hold(node, "series", places[0].series_row, study, "odd"),
    )
    holds.release(node, second, "ann")
    holds.reject(node, first, "ben")
    with node.archive.read() as tx:
        entries = tx.audit.list()[::-1]
    assert [(each.actor, each.action, each.subject) for each in entries] == [
        ("ann", "hold.release", f"hold {second}"),
        ("ben", "hold.reject", f"hold {first}"),
    ]
    assert entries[1].detail == {
        "level": "study",
        "study": "1.2.1",
        "reason": WHY,
        "deliveries": 4,
        "jobs": 0,
    }
