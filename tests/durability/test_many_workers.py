"""Two of everything: each destination is delivered to by one worker at a time, and chores are done once."""

import signal
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path

from node.config import Config
from node.run.schedule import CHORES
from tests.support.burst import Burst
from tests.support.forwarding import (
    assert_delivered,
    attempts,
    end_leases,
    forwarding_config,
    ledger,
    ready,
    until,
    wait_for_all,
)
from tests.support.kept import opened
from tests.support.node import NodeProcess
from tests.support.receiving import receiving

Start = Callable[..., NodeProcess]


def _two(start: Start, path: Path, command: str) -> list[NodeProcess]:
    return [start(path, command, wait=False) for _ in range(2)]


def _chores(config: Config) -> Counter[str]:
    with opened(config) as (archive, _), archive.read() as tx:
        return Counter(each.kind for kind in CHORES for each in tx.jobs.list(kind=kind, limit=100))


def _leading(schedulers: Sequence[NodeProcess]) -> int:
    """How often one of them has begun to lead; they write into one log."""
    return schedulers[0].read_log().count("scheduler.leading")


def test_two_workers_and_two_schedulers_do_nothing_twice(
    tmp_path: Path, archive_url: str, start_process: Start
) -> None:
    with ExitStack() as stack:
        peers = {name: stack.enter_context(receiving()) for name in ("one", "two", "three")}
        path = forwarding_config(tmp_path, archive_url, {name: peer.port for name, peer in peers.items()})
        workers = _two(start_process, path, "worker")
        schedulers = [ready(start_process(path, "scheduler", wait=False))]
        until(lambda: _leading(schedulers) == 1)
        schedulers.append(ready(start_process(path, "scheduler", wait=False)))
        receiver = start_process(path)
        burst = Burst(receiver.port, each=40, studies=4)
        burst.start()
        burst.join()
        assert len(burst.acknowledged) == 160
        wait_for_all(receiver.config, receiver, *workers, *schedulers)
        for name, peer in peers.items():
            assert not any(assert_delivered(receiver.config, name, burst.acknowledged, peer).values())
            assert (len(peer.receptions), len(peer.times)) == (160, 160)
            assert peer.most == 1, "two delivered to one destination at a time"
        names = {each.worker for name in peers for each in ledger(receiver.config, name).values()}
        pids = {str(each.process.pid) for each in workers}
        assert {each.split(":")[1] for each in names} <= pids
        assert _chores(receiver.config) == dict.fromkeys(CHORES, 1)
        schedulers[0].kill()
        until(lambda: _leading(schedulers) == 2)
        assert _chores(receiver.config) == dict.fromkeys(CHORES, 1)
    assert [each.stop() for each in (*workers, schedulers[1], receiver)] == [0] * 4


def test_a_destination_moves_from_a_worker_that_stops_to_another(
    tmp_path: Path, sqlite_url: str, start_process: Start
) -> None:
    """The one that stops gives back what it has not sent; nothing waits for a lease to run out."""
    with receiving(pause=0.01) as peer:
        path = forwarding_config(tmp_path, sqlite_url, {"pacs": peer.port})
        workers = [ready(each) for each in _two(start_process, path, "worker")]
        receiver = start_process(path)
        burst = Burst(receiver.port, each=40)
        burst.start()
        peer.wait(lambda: len(peer.receptions) >= 5)
        holder = next(iter(ledger(receiver.config, "pacs").values())).worker.split(":")[1]
        first = next(each for each in workers if str(each.process.pid) == holder)
        other = next(each for each in workers if each is not first)
        assert first.stop() == 0
        burst.join()
        wait_for_all(receiver.config, other, receiver)
        earlier = assert_delivered(receiver.config, "pacs", burst.acknowledged, peer)
        assert not any(earlier.values())
        assert set(peer.times.values()) == {1}
        by = Counter(each.worker.split(":")[1] for each in ledger(receiver.config, "pacs").values())
        assert by[str(other.process.pid)] > 0
    assert [each.stop() for each in (other, receiver)] == [0, 0]


def test_a_worker_that_was_frozen_past_its_lease_says_what_it_did(
    tmp_path: Path, postgres_url: str, start_process: Start
) -> None:
    """It wakes up, hears that its destination is another's, and what it had sent is told all the same."""
    with receiving(holding=10) as peer:
        path = forwarding_config(tmp_path, postgres_url, {"pacs": peer.port})
        frozen = ready(start_process(path, "worker", wait=False))
        receiver = start_process(path)
        burst = Burst(receiver.port, associations=1, each=40)
        burst.start()
        burst.join()
        peer.wait(lambda: len(peer.receptions) == 10)
        frozen.process.send_signal(signal.SIGSTOP)
        end_leases(receiver.config)
        peer.holding = 0
        peer.go.set()
        other = ready(start_process(path, "worker", wait=False))
        wait_for_all(receiver.config, other, receiver)
        frozen.process.send_signal(signal.SIGCONT)
        twice = peer.receptions[9].uid

        def is_told() -> bool:
            found = attempts(receiver.config, ledger(receiver.config, "pacs"))[twice]
            return any(each.state.startswith("late ") for each in found)

        until(is_told, frozen.read_log)
        assert frozen.stop() == 0  # with all recorded that it has sent
        assert_delivered(receiver.config, "pacs", burst.acknowledged, peer)
        assert peer.times[twice] == 2
    assert [each.stop() for each in (other, receiver)] == [0, 0]
