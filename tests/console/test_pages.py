import html
import re
from dataclasses import replace
from datetime import timedelta

import pytest
from flask.testing import FlaskClient

from console.pages import count, since, size, tone
from node.core import clock
from node.root import Node
from node.services.standing import State
from storage.errors import Unavailable
from storage.records.arrival import Origin, Way
from tests.support.arrivals import arrival, put
from tests.support.deliveries import NOW, instances, lease, queue
from tests.support.node import Running
from tests.support.opened import claim, enqueue, keep

ATTACK = '<script>alert("x")</script>'


def words(page: str) -> str:
    """The page as it reads."""
    return " ".join(html.unescape(re.sub(r"<[^>]*>", " ", page)).split())


def test_a_node_that_works_says_so(running_client: FlaskClient):
    answer = running_client.get("/health")
    assert answer.status_code == 200
    assert answer.json == {
        "status": "ok",
        "checks": {"database": "ok", "blobs": "ok", "space": "ok", "index": "ok", "dicom": "ok"},
        "warnings": {},
    }
    assert "Everything works" in words(running_client.get("/").text)


def test_what_is_wrong_is_told(client: FlaskClient, node: Node):
    answer = client.get("/health")
    assert answer.status_code == 503
    assert answer.json is not None
    assert answer.json["status"] == "failing"
    fault = f"port {node.config.dicom.port}: Connection refused"
    assert answer.json["checks"] == {
        "database": "ok",
        "blobs": "ok",
        "space": "ok",
        "index": "ok",
        "dicom": fault,
    }
    page = client.get("/")
    assert page.status_code == 200
    assert f"Needs attention What is wrong dicom {fault}" in words(page.text)


def test_the_page_shows_what_there_is(client: FlaskClient, node: Node):
    keep(node, 2)
    put(node.archive, arrival(2, at=clock.now()))
    number = enqueue(node, "deliver")
    job = claim(node, "deliver")
    with node.archive.begin() as tx:
        tx.jobs.fail(job, "north is away", clock.now(), None)
        tx.commit()
    shown = words(client.get("/").text)
    assert f"ISOCENTRE DICOM port {node.config.dicom.port} on 127.0.0.1" in shown
    assert "2 studies 3 instances" in shown
    assert "CT1 dimse 1 20" in shown
    assert "1 dead" in shown
    assert f"{number} deliver" in shown
    assert "north is away" in shown


def test_destinations_are_shown_with_how_they_are_doing(client: FlaskClient, node: Node):
    queue(node.archive, instances(node.archive, each=2), "north")
    queue(node.archive, instances(node.archive, study=2), "south", held="look at it")
    node.peers.add("south", ae_title="SOUTH", host="127.0.0.1", port=104)
    page = client.get("/").text
    shown = words(page)
    assert (
        "north unknown there is no peer of this name any more, so nothing can be delivered 2 0 0 0 0" in shown
    )
    assert "south idle 0 0 0 1 0 —" in shown
    assert '<span class="state bad">unknown</span>' in page
    assert "isocentre deliveries retry --all --to NAME" in shown


def test_a_destination_that_is_down_is_a_warning(running_client: FlaskClient, running_node: Running):
    node = running_node.node
    node.peers.add("north", ae_title="NORTH", host="127.0.0.1", port=104)
    queue(node.archive, instances(node.archive), "north")
    held = lease(node.archive)
    with node.archive.begin() as tx:
        tx.destinations.trouble(
            "north", held.worker, failures=3, error="it is off", opened_at=clock.now(), probe_at=clock.now()
        )
        tx.commit()
    answer = running_client.get("/health")
    assert (answer.status_code, answer.json and answer.json["status"]) == (200, "ok")
    assert answer.json is not None
    assert answer.json["warnings"]["north"].startswith("down since ")
    assert "Delivery is held up" in words(running_client.get("/").text)


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (-5, "0 s"),
        (119, "119 s"),
        (120, "2 min"),
        (7199, "119 min"),
        (7200, "2 h"),
        (172799, "47 h"),
        (172800, "2 days"),
    ],
)
def test_how_long_ago(seconds: int, shown: str):
    assert since(NOW + timedelta(seconds=seconds), NOW) == shown


@pytest.mark.parametrize(
    ("state", "shown"), [(State.DOWN, "bad"), (State.PAUSED, "look"), (State.IDLE, "good")]
)
def test_a_state_has_its_tone(state: State, shown: str):
    assert tone(state) == shown


def test_what_strangers_say_is_text(client: FlaskClient, node: Node):
    stranger = replace(arrival(1, at=clock.now()), origin=Origin(Way.DIMSE, ATTACK[:16]))
    put(node.archive, stranger)
    job = enqueue(node, "deliver")
    held = claim(node, "deliver")
    with node.archive.begin() as tx:
        assert tx.jobs.fail(held, ATTACK, clock.now(), None)
        tx.commit()
    page = client.get("/").text
    assert job
    assert ATTACK in html.unescape(page)
    assert "<script" not in page
    assert "style=" not in page


def test_the_page_shows_what_it_can_without_the_database(
    client: FlaskClient, node: Node, monkeypatch: pytest.MonkeyPatch
):
    def away() -> object:
        raise Unavailable("database: away")

    monkeypatch.setattr(node.archive, "read", away)
    monkeypatch.setattr(node.archive, "is_current", away)
    page = client.get("/")
    assert page.status_code == 200
    assert "database database: away" in words(page.text)
    assert "free" in words(page.text)


def test_a_fault_of_the_program_is_not_shown(
    client: FlaskClient, node: Node, monkeypatch: pytest.MonkeyPatch
):
    def broken() -> object:
        raise ValueError("Doe^Jane")

    monkeypatch.setattr(node.archive, "read", broken)
    answer = client.get("/")
    assert answer.status_code == 500
    assert answer.text == "Something went wrong; the log says what.\n"


def test_what_is_not_there_and_what_is_not_allowed(client: FlaskClient):
    assert client.get("/nowhere").status_code == 404
    assert client.post("/").status_code == 405


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (None, "unknown"),
        (0, "0 bytes"),
        (1023, "1023 bytes"),
        (1536, "1.5 KiB"),
        (10 * 1024**3, "10 GiB"),
        (5000 * 1024**4, "5000 TiB"),
    ],
)
def test_sizes(value: int | None, shown: str):
    assert size(value) == shown


def test_numbers_have_their_thousands_apart():
    assert count(1234567) == "1\u202f234\u202f567"
