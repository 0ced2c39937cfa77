"""The receiver's memory stays flat, whatever the size of what comes and goes."""

import hashlib
from collections.abc import Callable
from pathlib import Path

import pytest

from scu.wire.command import AFFECTED_SOP_CLASS_UID, MESSAGE_ID, PRIORITY, Command, CommandField
from tests.support.burst import Burst
from tests.support.caller import IMPLICIT, call, context_of, request
from tests.support.command import know
from tests.support.large import PROPOSED, Large, take_all
from tests.support.memory import forget_peak, peak
from tests.support.node import NodeProcess, write_config
from tests.support.retrieving import STUDY_GET, STUDY_MOVE, ask, identifier, receiver
from tests.support.samples import SMALL
from tests.support.strangers import storescp

CEILING = 300_000_000
"""Bytes, as the issue has it."""

Start = Callable[..., NodeProcess]


def test_memory_stays_flat_while_large_and_small_arrive_together(
    tmp_path: Path, archive_url: str, start_process: Start
) -> None:
    _take_and_give_back(tmp_path, archive_url, start_process, frames=300, small=300)


@pytest.mark.soak
@pytest.mark.timeout(1800)
def test_memory_stays_flat_with_two_gigabytes_and_two_thousand(
    tmp_path: Path, archive_url: str, start_process: Start
) -> None:
    _take_and_give_back(tmp_path, archive_url, start_process, frames=2048, small=2000)


def _take_and_give_back(folder: Path, url: str, start: Start, *, frames: int, small: int) -> None:
    received = folder / "received"
    received.mkdir()
    config, large, peaks = write_config(folder, url), Large(frames), {}
    with storescp(received, "+B", "+xe") as stranger:
        know(config, stranger.ae_title, stranger.port)
        process = start(config)
        _store_together(process.port, large, small)
        peaks["in"] = _next_peak(process)
        assert _get(process.port, large) == {large.uid: large.digest}
        peaks["get"] = _next_peak(process)
        _move(process.port, large, stranger.ae_title)
        peaks["move"] = _next_peak(process)
        (path,) = stranger.files
    assert _digest_of_end(path, large.size) == large.digest
    assert max(peaks.values()) < CEILING, peaks
    assert process.stop() == 0


def _store_together(port: int, large: Large, small: int) -> None:
    burst = Burst(port, each=small // 4, rows=SMALL)
    burst.start()
    with call(port, request([PROPOSED]), timeout=120) as channel:
        assert large.send(channel) == 0
        channel.release()
    burst.join()
    assert burst.refused == []
    assert len(burst.acknowledged) == small // 4 * 4


def _next_peak(process: NodeProcess) -> int:
    found = peak(process.process.pid)
    forget_peak(process.process.pid)
    return found


def _get(port: int, large: Large) -> dict[str, str]:
    with call(port, receiver([PROPOSED]), timeout=120) as channel:
        command = Command.of(CommandField.C_GET_RQ).us(MESSAGE_ID, 1).us(PRIORITY, 0)
        command.uid(AFFECTED_SOP_CLASS_UID, STUDY_GET)
        channel.send(context_of(channel, STUDY_GET), command, _keys(large))
        digests, status, completed = take_all(channel)
    assert (status, completed) == (0, 1)
    return digests


def _move(port: int, large: Large, destination: str) -> None:
    with call(port, request([(STUDY_MOVE, (IMPLICIT,))]), timeout=120) as channel:
        assert ask(channel, STUDY_MOVE, _keys(large), destination=destination).end.numbers == (None, 1, 0, 0)


def _keys(large: Large) -> bytes:
    return identifier("STUDY", StudyInstanceUID=large.study_uid)


def _digest_of_end(path: Path, size: int) -> str:
    """Hash the last `size` bytes: what is before them is the header."""
    with path.open("rb") as file:
        file.seek(path.stat().st_size - size)
        return hashlib.file_digest(file, "sha256").hexdigest()
