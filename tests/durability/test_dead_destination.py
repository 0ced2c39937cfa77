"""A destination that is down for the whole of an intake: it gets all of it later, and costs nobody else."""

import random
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from storage.records.deliveries import DeliveryState
from tests.support.burst import Burst
from tests.support.forwarding import assert_delivered, forwarding_config, ledger, until, wait_for_all
from tests.support.kept import opened
from tests.support.node import NodeProcess, free_port
from tests.support.receiving import Receiver, receiving

Start = Callable[..., NodeProcess]


def _take_in_while_one_is_dead(
    folder: Path, url: str, start: Start, *, instances: int, studies: int, associations: int = 1
) -> tuple[Receiver, Receiver]:
    """Forward everything to one that lives and one that comes back; return both."""
    with receiving() as living:
        dead = Receiver(free_port())
        ports = {"living": living.port, "dead": dead.port}
        path = forwarding_config(folder, url, ports, delivery={"associations": associations})
        receiver, worker = start(path, wait=False), start(path, "worker", wait=False)
        receiver.wait_until_answering()
        burst = Burst(receiver.port, each=instances // 4, studies=studies)
        burst.start()
        burst.join()
        assert len(burst.acknowledged) == instances
        living.wait(lambda: len(living.receptions) == instances, 200)
        _assert_given_up(receiver, instances)
        dead.start()
        try:
            wait_for_all(receiver.config, worker, receiver)
        finally:
            dead.stop()
        for name, peer in (("living", living), ("dead", dead)):
            earlier = assert_delivered(receiver.config, name, burst.acknowledged, peer)
            assert not any(earlier.values())
            assert set(peer.times.values()) == {1}
            assert len(peer.times) == instances
    assert [each.stop() for each in (worker, receiver)] == [0, 0]
    return living, dead


def _assert_given_up(node: NodeProcess, instances: int) -> None:
    """See that nobody tries the dead one with instances any more, and that all wait for it."""
    with opened(node.config) as (archive, _):

        def breaker_is_open() -> bool:
            with archive.read() as tx:
                found = tx.destinations.get("dead")
            return found is not None and found.opened_at is not None and found.error != ""

        until(breaker_is_open)
    waiting = ledger(node.config, "dead").values()
    assert len(waiting) == instances
    assert {each.state for each in waiting} <= {DeliveryState.QUEUED, DeliveryState.SENDING}
    assert {each.failures for each in waiting} == {0}


def _assert_in_order(peer: Receiver, studies: int) -> None:
    series = peer.series()
    assert len(series) == studies
    assert {uid: sorted(numbers) for uid, numbers in series.items()} == series


def test_it_gets_all_once_and_in_order_when_it_comes_back(
    tmp_path: Path, archive_url: str, start_process: Start
) -> None:
    _, back = _take_in_while_one_is_dead(tmp_path, archive_url, start_process, instances=200, studies=10)
    _assert_in_order(back, 10)


@pytest.mark.soak
@pytest.mark.timeout(1800)
def test_it_gets_two_thousand_once_and_in_order_when_it_comes_back(
    tmp_path: Path, archive_url: str, start_process: Start
) -> None:
    _, back = _take_in_while_one_is_dead(
        tmp_path, archive_url, start_process, instances=2000, studies=20, associations=3
    )
    assert back.most == 3
    _assert_in_order(back, 20)


def test_one_that_dies_again_and_again_gets_all_and_the_ledger_tells_how(
    tmp_path: Path, archive_url: str, start_process: Start
) -> None:
    """What it had taken when it died, unanswered, it gets again: the ledger has the attempt that broke."""
    chance = random.Random(5)
    with receiving(pause=0.005) as peer:
        path = forwarding_config(tmp_path, archive_url, {"pacs": peer.port})
        receiver, worker = start_process(path, wait=False), start_process(path, "worker", wait=False)
        receiver.wait_until_answering()
        burst = Burst(receiver.port, each=40, studies=3)
        burst.start()
        for turn in range(1, 6):
            peer.wait(lambda turn=turn: len(peer.receptions) >= 20 * turn)  # type: ignore[misc]
            peer.stop()
            time.sleep(chance.uniform(0.0, 0.3))
            peer.start()
        burst.join()
        assert len(burst.acknowledged) == 160
        wait_for_all(receiver.config, worker, receiver)
        earlier = assert_delivered(receiver.config, "pacs", burst.acknowledged, peer)
        broken = [each for some in earlier.values() for each in some if each.words]
        assert len(broken) <= 5  # one for each association that broke; the rest was not touched
    assert [each.stop() for each in (worker, receiver)] == [0, 0]
