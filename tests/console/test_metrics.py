from datetime import timedelta

import pytest
from flask.testing import FlaskClient
from prometheus_client.parser import text_string_to_metric_families

from console import metrics
from node.core import clock
from node.root import MIB, Node
from storage.errors import Unavailable
from storage.records.jobs import JobState
from tests.support.deliveries import instances, queue
from tests.support.opened import claim, enqueue, keep, quarantine


def read(text: str) -> dict[tuple[str, str], float]:
    """Name and state of each sample to its value."""
    return {
        (sample.name, sample.labels.get("state", "")): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def test_everything_is_there(client: FlaskClient, node: Node):
    keep(node, 3)
    quarantine(node)
    enqueue(node, "a")
    job = claim(node, "a")
    enqueue(node, "b")
    with node.archive.begin() as tx:
        tx.jobs.fail(job, "away", clock.now(), None)
        tx.commit()
    answer = client.get("/metrics")
    assert answer.content_type.startswith("text/plain; version=")
    found = read(answer.text)
    assert found["isocentre_info", ""] == 1
    assert found["isocentre_database_up", ""] == 1
    assert found["isocentre_studies", ""] == 1
    assert found["isocentre_instances", ""] == 3
    assert found["isocentre_quarantined", ""] == 1
    assert found["isocentre_conflicts_unresolved", ""] == 0
    assert found["isocentre_damaged_instances", ""] == 0
    assert found["isocentre_blobs_floor_bytes", ""] == 16 * MIB
    assert found["isocentre_blobs_free_bytes", ""] > 0
    assert {state: found["isocentre_jobs", state.value] for state in JobState} == {
        JobState.HELD: 0,
        JobState.QUEUED: 1,
        JobState.RUNNING: 0,
        JobState.DONE: 0,
        JobState.DEAD: 1,
        JobState.CANCELLED: 0,
    }


def test_each_destination_has_its_gauges(client: FlaskClient, node: Node):
    places = instances(node.archive, each=3)
    queue(node.archive, places[:2], queued_at=clock.now() - timedelta(seconds=90))
    queue(node.archive, places[2:], held="look at it")
    with node.archive.begin() as tx:
        tx.destinations.set("south", paused=True)
        tx.commit()
    samples = {
        (sample.name.removeprefix("isocentre_destination_"), *sorted(sample.labels.values())): sample.value
        for family in text_string_to_metric_families(client.get("/metrics").text)
        for sample in family.samples
    }
    assert samples["deliveries", "north", "queued"] == 2
    assert samples["deliveries", "held", "north"] == 1
    assert samples["deliveries", "dead", "north"] == samples["deliveries", "queued", "south"] == 0
    assert samples["breaker_open", "north"] == samples["failures", "north"] == 0
    assert (samples["paused", "north"], samples["paused", "south"]) == (0, 1)
    assert samples["oldest_seconds", "north"] >= 90
    assert samples["oldest_seconds", "south"] == 0


def test_nothing_names_a_patient(client: FlaskClient, node: Node):
    keep(node, 1)
    text = client.get("/metrics").text + client.get("/").text + client.get("/health").text
    for secret in ("Doe", "P1", "19700101", "A1"):
        assert secret not in text


def test_without_the_database_one_metric_says_so(node: Node, monkeypatch: pytest.MonkeyPatch):
    def away() -> object:
        raise Unavailable("database: away")

    monkeypatch.setattr(node.archive, "read", away)
    found = read(metrics.text(node).decode())
    assert found == {("isocentre_info", ""): 1, ("isocentre_database_up", ""): 0}


def test_a_store_without_limit_has_no_free_bytes(node: Node, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(node.blobs, "free", lambda: None)
    assert ("isocentre_blobs_free_bytes", "") not in read(metrics.text(node).decode())
