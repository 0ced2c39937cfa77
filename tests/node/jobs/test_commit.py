"""The job that asks for storage commitment, with a stranger that commits and peers that do not."""

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from node.config import load
from node.core import clock
from node.jobs import commit
from node.jobs.task import Hopeless, Stopped, Task
from node.root import Node
from node.services import commitment
from scu.errors import CannotConnect, Failed, PeerFault
from scu.wire.channel import Channel, Message
from scu.wire.command import response_to
from scu.wire.errors import LinkClosed
from storage.records.jobs import Job
from storage.records.trail import Event
from tests.support.committing import committer, delivered, redelivered, standing
from tests.support.faulty import Act, Fault, faulty
from tests.support.node import Running, free_port, write_config
from tests.support.opened import claim, enqueue


@pytest.fixture
def node(tmp_path: Path, archive_url: str) -> Iterator[Node]:
    """A node that waits for reports, but not for ever."""
    config = load(write_config(tmp_path, archive_url, delivery={"commitment_wait": 30}), environ={})
    with Node.open(config) as opened:
        yield opened


def impatient(folder: Path, url: str) -> Node:
    return Node.open(load(write_config(folder, url, delivery={"commitment_wait": 0.1}), environ={}))


def ask(node: Node, port: int) -> Task:
    """Run one job for a peer at `port`."""
    with node.archive.read() as tx:
        known = tx.peers.get("pacs")
    if known is not None:
        node.peers.remove("pacs")
    node.peers.add("pacs", ae_title="STRANGER", host="127.0.0.1", port=port)
    task = job(node)
    commit.run(task)
    return task


def job(node: Node) -> Task:
    enqueue(node, "commit", payload={"destination": "pacs"})
    return Task(node, claim(node, "commit"))


def waiting(node: Node) -> list[Job]:
    with node.archive.read() as tx:
        return [each for each in tx.jobs.list(kind="commit") if each.state == "queued"]


def events(node: Node, kind: str) -> list[Event]:
    with node.archive.read() as tx:
        return tx.events.list(kind=kind)


def test_a_stranger_commits(node: Node) -> None:
    uids = delivered(node.archive, "pacs", 3)
    with committer() as stranger:
        ask(node, stranger.port)
    assert stranger.requests == [uids]
    assert standing(node.archive) == dict.fromkeys(uids, ("delivered", "yes"))


def test_what_is_delivered_meanwhile_is_asked_for_soon(node: Node) -> None:
    delivered(node.archive, "pacs", 1)
    with committer() as stranger:
        ask(node, stranger.port)
        (after,) = waiting(node)
        commit.run(Task(node, after))  # finds nothing, and that is the end of it
        assert waiting(node) == [after]
        assert len(stranger.requests) == 1


def test_nothing_is_due_and_nobody_is_called(node: Node) -> None:
    delivered(node.archive, "other", 1)
    ask(node, free_port())


def test_much_goes_in_several_requests_over_one_association(
    node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(commitment, "MOST", 2)
    uids = delivered(node.archive, "pacs", 5)
    with committer() as stranger:
        ask(node, stranger.port)
    assert stranger.requests == [uids[:2], uids[2:4], uids[4:]]
    assert {each for _, each in standing(node.archive).values()} == {"yes"}


def test_what_is_more_is_for_the_next_job(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(commitment, "MOST", 2)
    monkeypatch.setattr(commit, "_REQUESTS", 1)
    delivered(node.archive, "pacs", 3)
    with committer() as stranger:
        ask(node, stranger.port)
        (after,) = waiting(node)
        commit.run(Task(node, after))
    assert {each for _, each in standing(node.archive).values()} == {"yes"}


def test_what_it_has_lost_is_sent_again_once(node: Node) -> None:
    one, two = delivered(node.archive, "pacs", 2)
    with committer(lambda uids: {two: 0x0112} if two in uids else {}) as stranger:
        ask(node, stranger.port)
        assert standing(node.archive) == {one: ("delivered", "yes"), two: ("queued", "")}
        redelivered(node.archive)
        commit.run(job(node))
    assert standing(node.archive) == {one: ("delivered", "yes"), two: ("dead", "no")}
    assert len(events(node, "delivery.uncommitted")) == 2


def test_a_report_over_its_own_association(start_node: Callable[..., Running]) -> None:
    running = start_node(delivery={"commitment_wait": 0.1})
    node = running.node
    one, two = delivered(node.archive, "pacs", 2)
    with committer(lambda _: {two: 0x0110}, over="own", node_port=running.port) as stranger:
        ask(node, stranger.port)
        assert stranger.reported.acquire(timeout=60)
    assert stranger.answers == [0x0000]
    assert standing(node.archive) == {one: ("delivered", "yes"), two: ("queued", "")}


def test_a_report_that_never_comes(tmp_path: Path, archive_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with impatient(tmp_path, archive_url) as node, committer(over="none") as stranger:
        uids = delivered(node.archive, "pacs", 2)
        ask(node, stranger.port)
        assert standing(node.archive) == dict.fromkeys(uids, ("delivered", "asked"))
        look, _ = waiting(node)
        assert look.run_after > clock.now() + timedelta(hours=23)
        later(monkeypatch, look.run_after)
        commit.run(job(node))
        assert standing(node.archive) == dict.fromkeys(uids, ("delivered", "unanswered"))
        assert len(stranger.requests) == 1
        assert len(events(node, "commitment.unanswered")) == 1


def later(monkeypatch: pytest.MonkeyPatch, moment: datetime) -> None:
    monkeypatch.setattr(clock, "now", lambda: moment)


def test_a_peer_without_the_service_is_not_asked_for_ever(node: Node) -> None:
    uids = delivered(node.archive, "pacs", 2)
    accepts = {"1.2.840.10008.1.1": frozenset(("1.2.840.10008.1.2",))}
    with faulty(accepts=accepts) as peer:
        ask(node, peer.port)
        commit.run(job(node))
        assert len(peer.requests) == 1
    assert standing(node.archive) == dict.fromkeys(uids, ("delivered", "unanswered"))
    (told,) = events(node, "commitment.refused")
    assert "Storage Commitment" in told.detail["words"]
    assert told.detail["instances"] == 2


@pytest.mark.parametrize("status", [0x0122, 0x0123, 0x0211])
def test_a_peer_that_refuses_is_not_asked_for_ever(node: Node, status: int) -> None:
    uids = delivered(node.archive, "pacs", 1)
    with faulty(Fault(1, Act.STATUS, status)) as peer:
        ask(node, peer.port)
    assert standing(node.archive) == dict.fromkeys(uids, ("delivered", "unanswered"))
    (told,) = events(node, "commitment.refused")
    assert f"0x{status:04X}" in told.detail["words"]


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        (Fault(1, Act.STATUS, 0x0213), Failed),
        (Fault(1, Act.ABORT), PeerFault),
        (Fault(1, Act.CLOSE), PeerFault),
        (Fault(0, Act.ABORT), PeerFault),
    ],
)
def test_what_fails_for_now_is_due_again(node: Node, fault: Fault, kind: type[Exception]) -> None:
    uids = delivered(node.archive, "pacs", 2)
    with faulty(fault) as peer, pytest.raises(kind):
        ask(node, peer.port)
    assert standing(node.archive) == dict.fromkeys(uids, ("delivered", "due"))
    with committer() as stranger:
        ask(node, stranger.port)
    assert standing(node.archive) == dict.fromkeys(uids, ("delivered", "yes"))


def test_nobody_answers(node: Node) -> None:
    uids = delivered(node.archive, "pacs", 1)
    with pytest.raises(CannotConnect):
        ask(node, free_port())
    assert standing(node.archive) == dict.fromkeys(uids, ("delivered", "due"))


def test_an_association_that_dies_before_the_report(node: Node) -> None:
    def die(channel: Channel, message: Message, data: bytes) -> None:
        channel.send(message.context, response_to(message.command, 0x0000))
        raise LinkClosed("it dies")

    uids = delivered(node.archive, "pacs", 1)
    with faulty(script=die) as peer:
        ask(node, peer.port)
    assert standing(node.archive) == dict.fromkeys(uids, ("delivered", "asked"))


def test_a_peer_that_was_removed(node: Node) -> None:
    delivered(node.archive, "pacs", 1)
    with pytest.raises(Hopeless, match="pacs"):
        commit.run(job(node))


def test_a_job_that_is_stopped_leaves_its_request(node: Node) -> None:
    uids = delivered(node.archive, "pacs", 1)
    tasks: list[Task] = []

    def stop(channel: Channel, message: Message, data: bytes) -> None:
        channel.send(message.context, response_to(message.command, 0x0000))
        tasks[0].stop()

    with faulty(script=stop) as peer:
        node.peers.add("pacs", ae_title="STRANGER", host="127.0.0.1", port=peer.port)
        tasks.append(job(node))
        with pytest.raises(Stopped):
            commit.run(tasks[0])
    assert standing(node.archive) == dict.fromkeys(uids, ("delivered", "asked"))
    assert len(waiting(node)) == 1
