"""Spoilt streams against a receiver: it keeps what it acknowledged, serves others, and leaks nothing."""

import hashlib
import itertools
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from node.config import Config
from scu.wire.negotiate import encode_request
from tests.fuzz.reading import read
from tests.fuzz.streams import BYTE_FAULTS, CONTEXTS, Chance, Recipe, recipes
from tests.fuzz.throwing import ACCEPTED, LIMITS, Account, Conversation, neighbour, throw
from tests.support.caller import call, request, store
from tests.support.command import assert_clean, know
from tests.support.kept import versions
from tests.support.memory import resident
from tests.support.node import NodeProcess, Running, write_config
from tests.support.samples import ct, encode

Throw = Callable[[Recipe, bool], None]
NUMBERS = itertools.count(1)
GROWTH = 24 << 20
SPARE = 16
"""Descriptors that may come once and stay: connections to the database, segments of the receive log."""


def kept(config: Config) -> set[tuple[str, str]]:
    return {(uid, digest) for uid, digests in versions(config).items() for digest in digests}


def conversation(port: int, recipe: Recipe, spoil_opening: bool, ending: bool = True) -> Conversation:
    stream = recipe.stream(next(NUMBERS))
    if not spoil_opening:
        return throw(port, stream, recipe, ending=ending)
    opening, chance = bytearray(encode_request(request(CONTEXTS))), Chance(recipe.seed)
    for fault in recipe.faults:
        if fault in BYTE_FAULTS:
            BYTE_FAULTS[fault](opening, chance)
    told = throw(port, b"", recipe, opening=bytes(opening) or b"\x01", ending=ending)
    return Conversation(told.first, read(b"", ()), told.back)


def throw_many(port: int, account: Account, examples: settings) -> None:
    @examples
    @given(recipes(), st.sampled_from((False,) * 7 + (True,)))
    def one(recipe: Recipe, spoil_opening: bool) -> None:
        account.add(conversation(port, recipe, spoil_opening))

    one()


def some(count: int, *, long: bool = False) -> settings:
    checks = [HealthCheck.too_slow, HealthCheck.nested_given]
    if long:
        return settings(max_examples=count, print_blob=True, suppress_health_check=checks)
    return settings(max_examples=count, derandomize=True, database=None, suppress_health_check=checks)


def use(port: int, account: Account, study: int) -> None:
    """Store one instance and release, as any caller does; then all is in the index."""
    dataset = ct(1, study=study)
    encoded = encode(dataset)
    with call(port) as channel:
        assert store(channel, encoded, dataset.SOPInstanceUID)[0] == 0
        channel.release()
    add(account, {str(dataset.SOPInstanceUID): encoded})


def add(account: Account, told: dict[str, bytes]) -> None:
    account.acknowledged |= {(uid, hashlib.sha256(encoded).hexdigest()) for uid, encoded in told.items()}


def gone() -> bool:
    """Whether no association has a thread any more."""
    for _ in range(500):
        if not any(thread.name == "assoc" for thread in threading.enumerate()):
            return True
        time.sleep(0.02)
    return False


def in_this_process(running: Running, examples: settings) -> None:
    running.node.peers.add("caller", ae_title="CALLER", host="127.0.0.1", port=104)
    account = Account()
    use(running.port, account, 50)
    throw_many(running.port, account, some(10))
    assert gone()
    before = len(os.listdir("/proc/self/fd"))
    with neighbour(running.port, 51) as other:
        throw_many(running.port, account, examples)
    add(account, other.told)
    use(running.port, account, 52)
    assert gone()
    assert len(os.listdir("/proc/self/fd")) <= before + SPARE
    account.check(kept(running.config))


def in_another_process(process: NodeProcess, examples: settings) -> None:
    account, pid = Account(), process.process.pid
    know(process.config_path, "CALLER", 104)
    use(process.port, account, 50)
    throw_many(process.port, account, some(20))
    before = resident(pid), _descriptors(pid), _threads(pid)
    with neighbour(process.port, 51) as other:
        throw_many(process.port, account, examples)
    add(account, other.told)
    use(process.port, account, 52)
    for _ in range(500):
        if _threads(pid) <= before[2]:
            break
        time.sleep(0.02)
    assert _threads(pid) <= before[2]
    assert _descriptors(pid) <= before[1] + SPARE
    assert resident(pid) - before[0] < GROWTH
    assert process.stop() == 0
    assert "Traceback" not in process.read_log()
    account.check(kept(process.config))
    assert_clean(process.config_path)


def _descriptors(pid: int) -> int:
    return len(os.listdir(f"/proc/{pid}/fd"))


def _threads(pid: int) -> int:
    return len(os.listdir(f"/proc/{pid}/task"))


def test_a_receiver_keeps_what_it_acknowledged_and_no_more(start_node: Callable[..., Running]) -> None:
    in_this_process(start_node(dicom=LIMITS), some(150))


def test_a_receiver_process_takes_spoilt_streams(
    tmp_path: Path, start_process: Callable[..., NodeProcess]
) -> None:
    in_another_process(start_process(write_config(tmp_path, dicom=LIMITS)), some(100))


def test_who_stops_anywhere_is_ended_in_time(start_node: Callable[..., Running]) -> None:
    running = start_node(dicom=LIMITS)
    account, told = Account(), []
    stops = [Recipe(("ct", "echo", "ct"), ("_end",), 150, 2, b"", seed) for seed in range(20)]
    threads = [
        threading.Thread(target=lambda one=one: told.append(conversation(running.port, one, False, False)))
        for one in stops
    ]
    with neighbour(running.port, 51) as other:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
    assert len(told) == len(stops)
    for each in told:
        account.add(each)
        assert each.first == ACCEPTED
        assert each.back.end == "aborted"
    add(account, other.told)
    assert gone()
    account.check(kept(running.config))


@pytest.mark.soak
@pytest.mark.timeout(3600)
def test_a_receiver_takes_many_more(start_node: Callable[..., Running]) -> None:
    in_this_process(start_node(dicom=LIMITS), some(8000, long=True))


@pytest.mark.soak
@pytest.mark.timeout(3600)
def test_a_receiver_process_takes_many_more(
    tmp_path: Path, start_process: Callable[..., NodeProcess]
) -> None:
    in_another_process(start_process(write_config(tmp_path, dicom=LIMITS)), some(20_000, long=True))
