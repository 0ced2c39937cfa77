from datetime import timedelta

import pytest

from node.core import clock
from node.root import MIB, Node
from node.services import status
from storage.errors import Unavailable
from storage.records.jobs import JobState
from tests.support.arrivals import NOW
from tests.support.deliveries import instances, queue
from tests.support.opened import claim, enqueue, keep, quarantine


def test_what_is_kept_and_done_is_counted(node: Node, monkeypatch: pytest.MonkeyPatch):
    keep(node, 2)
    quarantine(node)
    number = enqueue(node, "a")
    job = claim(node, "a")
    with node.archive.begin() as tx:
        tx.jobs.fail(job, "away", clock.now(), None)
        tx.commit()
    monkeypatch.setattr(clock, "now", lambda: NOW + timedelta(hours=23))
    shown = status.status(node)
    assert [(each.calling_ae, each.arrivals, each.last) for each in shown.traffic] == [("CT1", 2, NOW)]
    monkeypatch.setattr(clock, "now", lambda: NOW + timedelta(hours=25))
    assert status.status(node).traffic == []
    assert (shown.numbers.totals.studies, shown.numbers.totals.instances) == (1, 2)
    assert shown.numbers.totals.quarantined == 1
    assert shown.numbers.jobs[JobState.DEAD] == 1
    assert [job.id for job in shown.dead] == [number]
    assert shown.numbers.floor == 16 * MIB
    assert shown.numbers.free is not None


def test_a_store_that_does_not_know_its_space(node: Node, monkeypatch: pytest.MonkeyPatch):
    def away() -> int:
        raise Unavailable("blob store: away")

    monkeypatch.setattr(node.blobs, "free", away)
    assert status.numbers(node).free is None


def test_destinations_are_in_the_numbers(node: Node):
    queue(node.archive, instances(node.archive))
    assert [(each.name, each.queued) for each in status.numbers(node).destinations] == [("north", 1)]
