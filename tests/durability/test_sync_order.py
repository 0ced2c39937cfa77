"""The order of system calls: blob, folder and index are on disk before the sender is told (promise 2)."""

import itertools
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.caller import call, store
from tests.support.node import NodeProcess, write_config
from tests.support.postgres import Server, server
from tests.support.samples import ct, encode
from tests.support.trace import Call, Trace

StartProcess = Callable[..., NodeProcess]

CALLS = "fsync,fdatasync,sync_file_range,sendmsg,sendto,write,rename,renameat,renameat2,link,linkat"
SENDS = ("sendmsg", "sendto", "write")
INSTANCES = 6


def _send(port: int) -> None:
    with call(port) as channel:
        for number in range(INSTANCES + 1):
            dataset = ct(number)
            assert store(channel, encode(dataset), str(dataset.SOPInstanceUID)) == (0, "")
        channel.release()


def _windows(calls: list[Call], port: int) -> list[tuple[list[Call], Call]]:
    """The calls between one C-STORE-RSP and the next, each with the next one."""
    answers = [each for each in calls if each.name in SENDS and _is_ours(each, port)]
    answers = answers[1 : INSTANCES + 2]  # the first is the A-ASSOCIATE-AC
    return [
        ([each for each in calls if first.ended <= each.began and each.ended <= next_one.began], next_one)
        for first, next_one in itertools.pairwise(answers)
    ]


def _is_ours(each: Call, port: int) -> bool:
    return each.target.startswith("TCP:") and f":{port}->" in each.target


def _synced(calls: list[Call], until: float = float("inf")) -> list[str]:
    return [each.target for each in calls if each.name in ("fsync", "fdatasync") and each.ended <= until]


def _check_blob(window: list[Call], answer: Call, calls: list[Call], blobs: str, *, log: bool) -> None:
    synced = [path for path in _synced(window) if path.startswith(blobs)]
    files = [path for path in synced if not Path(path).is_dir()]
    assert files, f"no blob was synced before the answer: {synced}"
    if not log:  # each file has a new name
        assert any(Path(path).is_dir() for path in synced), (
            f"no folder was synced before the answer: {synced}"
        )
        return
    before = set(_synced(calls, until=answer.began))
    for path in files:  # the segment's own name, and that of its folder, were made durable once
        assert {str(Path(path).parent), str(Path(path).parents[1])} <= before, f"{path} may lose its name"


@pytest.mark.parametrize("log", [True, False])
def test_on_sqlite_all_is_synced_before_each_answer(
    tmp_path: Path, start_process: StartProcess, log: bool
) -> None:
    process = start_process(write_config(tmp_path, blobs={"receive_log": log}))
    trace = Trace(process.process.pid, tmp_path / "strace", CALLS)
    _send(process.port)
    calls = trace.stop()
    windows = _windows(calls, process.port)
    assert len(windows) == INSTANCES
    for window, answer in windows:
        _check_blob(window, answer, calls, str(process.config.data_dir / "blobs"), log=log)
        index = [path for path in _synced(window) if path.endswith("-wal")]
        assert index, f"the index was not synced before the answer: {_synced(window)}"
        assert _synced(window)[-1] in index, "the index was committed before the bytes were durable"


@pytest.mark.parametrize("log", [True, False])
def test_on_postgresql_all_is_synced_before_each_answer(
    tmp_path: Path, start_process: StartProcess, log: bool
) -> None:
    with server(durable=True) as postgres:
        _check_postgres(postgres, tmp_path, start_process, log)


def _check_postgres(postgres: Server, tmp_path: Path, start_process: StartProcess, log: bool) -> None:
    url = postgres.create()
    process = start_process(write_config(tmp_path, url, blobs={"receive_log": log}))
    ours = Trace(process.process.pid, tmp_path / "strace", CALLS)
    theirs = Trace(postgres.pid, tmp_path / "strace-postgres", "fsync,fdatasync")
    _send(process.port)
    ours_called, theirs_called = ours.stop(), theirs.stop()
    windows = _windows(ours_called, process.port)
    assert len(windows) == INSTANCES
    for window, answer in windows:
        _check_blob(window, answer, ours_called, str(process.config.data_dir / "blobs"), log=log)
        last_blob = max(each.ended for each in window if each.name in ("fsync", "fdatasync"))
        flushed = [each for each in theirs_called if last_blob <= each.began and each.ended <= answer.began]
        assert any("pg_wal" in each.target for each in flushed), (
            "the write-ahead log was not flushed after the blob and before the answer"
        )
    postgres.drop(url)
