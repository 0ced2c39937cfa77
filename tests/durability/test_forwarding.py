"""kill -9 while instances come in and go out: what was acknowledged is delivered, and the ledger says how."""

import os
import random
import signal
import time
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest

from storage.records.deliveries import DeliveryState
from tests.support.burst import Burst
from tests.support.files import Commands
from tests.support.forwarding import (
    assert_delivered,
    end_leases,
    forwarding_config,
    ledger,
    ready,
    until,
    wait_for_all,
)
from tests.support.kept import assert_kept
from tests.support.node import NodeProcess
from tests.support.receiving import receiving
from tests.support.serving import children, serve
from tests.support.strangers import storescp

Start = Callable[..., NodeProcess]


def _kill_again_and_again(
    folder: Path, url: str, start: Start, times: int, seed: int, associations: int = 1
) -> None:
    chance = random.Random(seed)
    acknowledged: dict[str, str] = {}
    with receiving(pause=0.002) as peer, receiving() as late:
        path = forwarding_config(
            folder,
            url,
            {"pacs": peer.port},
            {"late": late.port},
            rules={"quiet_seconds": 0.5},
            delivery={"associations": associations},
        )
        running: dict[str, NodeProcess] = {}
        for turn in range(times + 1):
            _start_missing(start, path, running)
            if turn == times:
                break
            burst = Burst(running["scp"].port, each=80, first=turn * 2000, studies=3)
            burst.start()
            victims = (("worker",), ("scp",), ("scp", "worker"))[turn % 3]
            _kill([running.pop(name) for name in victims], chance)
            burst.join()
            assert not burst.refused
            acknowledged |= burst.acknowledged
        config = running["worker"].config
        wait_for_all(config, *running.values())
        assert acknowledged, "nothing was acknowledged: the test shows nothing"
        assert_delivered(config, "pacs", acknowledged, peer)
        assert_delivered(config, "late", acknowledged, late)
    assert_kept(config, acknowledged)
    assert [process.stop() for process in running.values()] == [0, 0]
    assert _is_clean(path)


def _start_missing(start: Start, path: Path, running: dict[str, NodeProcess]) -> None:
    fresh = [name for name in ("scp", "worker") if name not in running]
    running |= {name: start(path, name, wait=False) for name in fresh}
    if "worker" in fresh:
        end_leases(running["worker"].config)
        ready(running["worker"])
    running["scp"].wait_until_answering()


def _kill(processes: Iterable[NodeProcess], chance: random.Random) -> None:
    """Kill each at a moment of its own."""
    moments = sorted((chance.uniform(0.1, 1.5), process.process.pid, process) for process in processes)
    began = time.monotonic()
    for moment, _, process in moments:
        time.sleep(max(began + moment - time.monotonic(), 0.0))
        process.kill()


def _is_clean(path: Path) -> bool:
    clean: bool = Commands(path).json("db", "verify")["clean"]
    return clean


def test_what_was_acknowledged_is_delivered_after_three_kills(
    tmp_path: Path, archive_url: str, start_process: Start
) -> None:
    _kill_again_and_again(tmp_path, archive_url, start_process, 3, seed=3)


@pytest.mark.soak
@pytest.mark.timeout(1800)
def test_what_was_acknowledged_is_delivered_after_twenty_kills(
    tmp_path: Path, archive_url: str, start_process: Start
) -> None:
    _kill_again_and_again(tmp_path, archive_url, start_process, 20, seed=20, associations=3)


@pytest.mark.soak
def test_what_a_killed_child_of_serve_was_sending_is_delivered_without_anybody(
    tmp_path: Path, archive_url: str, start_process: Start
) -> None:
    """Its successor waits until the lease has run out, as nobody can know sooner that it is dead."""
    with receiving(holding=20) as peer:
        path = forwarding_config(tmp_path, archive_url, {"pacs": peer.port})
        process = serve(start_process, path)
        burst = Burst(process.port, associations=2, each=60)
        burst.start()
        peer.wait(lambda: len(peer.receptions) == 20)
        os.kill(children(process)["worker"], signal.SIGKILL)
        peer.holding = 0
        peer.go.set()
        burst.join()
        wait_for_all(process.config, process)
        earlier = assert_delivered(process.config, "pacs", burst.acknowledged, peer)
        assert [each.state for each in earlier[peer.receptions[19].uid]] == ["lost"]
    assert process.stop() == 0


def test_why_tells_of_the_attempt_that_a_killed_worker_made(
    tmp_path: Path, archive_url: str, start_process: Start
) -> None:
    """The peer has taken an instance and not answered yet when the worker dies: it gets it twice."""
    with receiving(holding=30) as peer:
        path = forwarding_config(tmp_path, archive_url, {"pacs": peer.port})
        receiver = start_process(path)
        burst = Burst(receiver.port, associations=2, each=60)
        burst.start()
        burst.join()
        assert len(burst.acknowledged) == 120
        worker = start_process(path, "worker", wait=False)
        peer.wait(lambda: len(peer.receptions) == 30)
        worker.kill()
        peer.holding = 0
        peer.go.set()
        end_leases(receiver.config)
        worker = start_process(path, "worker", wait=False)
        wait_for_all(receiver.config, worker, receiver)
        earlier = assert_delivered(receiver.config, "pacs", burst.acknowledged, peer)
        twice = peer.receptions[29].uid
        assert peer.times[twice] == 2
        lost = [uid for uid, some in earlier.items() if [each.state for each in some] == ["lost"]]
        assert twice in lost
        assert {uid for uid, count in peer.times.items() if count > 1} <= set(lost)
        assert peer.most <= 2  # the association of the dead one, and that of the living one
    told = Commands(path).ok("why", twice)
    assert "pacs: delivered" in told
    first, second = (line for line in told.splitlines() if line.startswith("    attempt "))
    assert first.startswith("    attempt 1 ")
    assert " lost: its worker died" in first
    assert "it may have been delivered" in first
    assert second.startswith("    attempt 2 ")
    assert second.endswith(" delivered 0x0000")
    assert (worker.stop(), receiver.stop()) == (0, 0)
    assert _is_clean(path)


def test_a_stranger_has_all_after_a_kill(tmp_path: Path, sqlite_url: str, start_process: Start) -> None:
    folder = tmp_path / "stranger"
    folder.mkdir()
    with storescp(folder, ae_title="PACS") as stranger:
        path = forwarding_config(tmp_path, sqlite_url, {"pacs": stranger.port})
        worker = start_process(path, "worker", wait=False)
        receiver = start_process(path)
        burst = Burst(receiver.port, associations=2, each=60)
        burst.start()
        until(lambda: len(stranger.files) > 10)
        worker.kill()
        burst.join()
        end_leases(receiver.config)
        worker = start_process(path, "worker", wait=False)
        wait_for_all(receiver.config, worker, receiver)
        entries = ledger(receiver.config, "pacs")
        assert len(burst.acknowledged) == len(stranger.files) == len(entries) == 120
        assert {each.state for each in entries.values()} == {DeliveryState.DELIVERED}
        assert {uid: each.digest for uid, each in entries.items()} == burst.acknowledged
    assert [each.stop() for each in (ready(worker), receiver)] == [0, 0]
