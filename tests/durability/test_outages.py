"""Forwarding while something that it stands on is away: the disk is full, or there is no database."""

import contextlib
import json
import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from storage.archive import Archive
from tests.support.burst import Burst
from tests.support.caller import call, store
from tests.support.command import isocentre, verify
from tests.support.disk import MIB, beside, fill, on_small_disk, seen_by
from tests.support.files import Commands
from tests.support.forwarding import (
    assert_delivered,
    forward_all,
    forwarding_config,
    ready,
    until,
    wait_for_all,
)
from tests.support.node import NodeProcess, write_config
from tests.support.outage import mortal
from tests.support.receiving import receiving
from tests.support.samples import ct, encode

OUT_OF_RESOURCES = 0xA700
PROCESSING_FAILURE = 0x0110

Start = Callable[..., NodeProcess]


def _burst(process: NodeProcess, **settings: int) -> dict[str, str]:
    """Send instances; return those that were taken, with their SHA-256."""
    burst = Burst(process.port, associations=2, **settings)
    burst.start()
    burst.join()
    assert {status for status, _ in burst.refused} <= {OUT_OF_RESOURCES, PROCESSING_FAILURE}
    return burst.acknowledged


def _status(port: int, number: int) -> int:
    dataset = ct(number)
    with call(port) as channel:
        return store(channel, encode(dataset), str(dataset.SOPInstanceUID))[0]


def test_a_receiver_that_is_full_does_not_keep_what_it_has(
    tmp_path: Path, archive_url: str, start_process: Start
) -> None:
    (tmp_path / "data").mkdir()
    with receiving() as peer:
        path = forwarding_config(tmp_path, archive_url, {"pacs": peer.port})
        receiver = start_process(path, within=on_small_disk(tmp_path / "data", 64))
        taken = _burst(receiver, each=30, first=1)
        fill(seen_by(receiver.process.pid, tmp_path / "data"), 12 * MIB)  # of the 16 that are to stay free
        until(lambda: _status(receiver.port, 5000) == OUT_OF_RESOURCES)
        worker = start_process(path, "worker", wait=False, within=beside(receiver.process.pid))
        wait_for_all(receiver.config, receiver, worker)
        assert _status(receiver.port, 5000) == OUT_OF_RESOURCES
        assert not any(assert_delivered(receiver.config, "pacs", taken, peer).values())
        assert set(peer.times.values()) == {1}
    assert [each.stop() for each in (ready(worker), receiver)] == [0, 0]


@pytest.mark.soak
def test_a_disk_without_a_byte_for_the_ledger_keeps_nothing_for_good(
    tmp_path: Path, start_process: Start
) -> None:
    """Results that cannot be written wait in the worker, and are written when there is room."""
    (tmp_path / "data").mkdir()
    with receiving(pause=0.02) as peer:
        path = write_config(tmp_path, blobs={"free_floor_mib": 0})
        receiver = start_process(path, within=on_small_disk(tmp_path / "data", 64))
        inside = beside(receiver.process.pid)
        add = ("--ae-title", "PACS", "--host", "127.0.0.1", "--port", str(peer.port))
        rules = tmp_path / "rules.toml"
        rules.write_text(forward_all(["pacs"]))
        for command in (("peer", "add", "pacs", *add), ("rules", "apply", str(rules))):
            done = isocentre(path, *command, within=inside)
            assert done.returncode == 0, done.stderr
        worker = ready(start_process(path, "worker", wait=False, within=inside))
        taken = _burst(receiver, each=60, first=1)
        ballast = fill(seen_by(receiver.process.pid, tmp_path / "data"), 0)
        until(lambda: "delivery.database_away" in worker.read_log() or set(taken) <= set(peer.times))
        ballast.unlink()
        until(lambda: _counts(path, inside) == {"delivered": len(taken)}, worker.read_log)
        assert {uid: peer.digests[uid] for uid in taken} == {uid: {each} for uid, each in taken.items()}
        assert set(peer.times.values()) == {1}
        assert verify(path, inside)["clean"]
    assert [each.stop() for each in (worker, receiver)] == [0, 0]


def _counts(path: Path, inside: Sequence[str]) -> dict[str, int]:
    """How many deliveries are in each state, as those see it who have the disk."""
    done = isocentre(path, "deliveries", "list", "--limit", "10000", "--json", within=inside)
    return dict(Counter(each["state"] for each in json.loads(done.stdout)))


def _upgraded(url: str) -> str:
    with contextlib.closing(Archive.open(url)) as archive:
        archive.upgrade()
    return url


def _forward_through_outages(folder: Path, start: Start, *, times: int, seconds: float) -> None:
    with mortal() as outage, receiving(pause=0.01) as peer:
        path = forwarding_config(folder, _upgraded(outage.server.create()), {"pacs": peer.port})
        receiver, worker = start(path, wait=False), start(path, "worker", wait=False)
        receiver.wait_until_answering()
        taken: dict[str, str] = {}
        for turn in range(times):
            taken |= _burst(receiver, each=60, first=1 + turn * 1000)
            count = len(peer.receptions)
            peer.wait(lambda count=count: len(peer.receptions) > count)  # type: ignore[misc]
            outage.begin()
            time.sleep(seconds)
            while_away = _burst(receiver, each=2, first=50_000 + turn * 1000)
            assert while_away, "the receiver did not go on without its database"
            taken |= while_away
            outage.end()
        wait_for_all(receiver.config, receiver, worker)
        assert_delivered(receiver.config, "pacs", taken, peer)
        assert "delivery.database_away" in worker.read_log()
        assert [each.stop() for each in (worker, receiver)] == [0, 0]
        assert Commands(path).json("db", "verify")["clean"]


def test_a_database_that_is_away_loses_no_delivery(tmp_path: Path, start_process: Start) -> None:
    _forward_through_outages(tmp_path, start_process, times=1, seconds=1.0)


@pytest.mark.soak
@pytest.mark.timeout(900)
def test_a_database_that_is_away_for_longer_than_a_lease_loses_no_delivery(
    tmp_path: Path, start_process: Start
) -> None:
    _forward_through_outages(tmp_path, start_process, times=4, seconds=25.0)
