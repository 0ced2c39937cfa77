"""The order of system calls: all that makes an instance durable is on disk before its sender is told."""

import itertools
from collections.abc import Callable
from pathlib import Path

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


def _check_blob(window: list[Call], blobs: str, *, log: bool) -> None:
    synced = [path for path in _synced(window) if path.startswith(blobs)]
    files = [path for path in synced if not Path(path).is_dir()]
    assert files, f"no blob was synced before the answer: {synced}"
    if log:
        assert len(files) == 1, f"one sync serves bytes and note: {synced}"
    else:  # each file has a new name
        assert any(Path(path).is_dir() for path in synced), (
            f"no folder was synced before the answer: {synced}"
        )


def test_in_the_log_one_sync_makes_an_instance_durable(
    tmp_path: Path, archive_url: str, start_process: StartProcess
) -> None:
    process = start_process(write_config(tmp_path, archive_url))
    trace = Trace(process.process.pid, tmp_path / "strace", CALLS)
    _send(process.port)
    calls = trace.stop()
    windows = _windows(calls, process.port)
    assert len(windows) == INSTANCES
    for window, _ in windows:
        _check_blob(window, str(process.config.data_dir / "blobs"), log=True)
    synced = [each.target for each in calls if "sync" in each.name and each.target.endswith("-wal")]
    # That there was such a caller is noted once, synced; the index is not: it is made again from the log.
    assert len(synced) <= 1, "the index waited for the disk"


def test_without_the_log_sqlite_is_synced_before_each_answer(
    tmp_path: Path, start_process: StartProcess
) -> None:
    process = start_process(write_config(tmp_path, blobs={"receive_log": False}))
    trace = Trace(process.process.pid, tmp_path / "strace", CALLS)
    _send(process.port)
    calls = trace.stop()
    windows = _windows(calls, process.port)
    assert len(windows) == INSTANCES
    for window, _ in windows:
        _check_blob(window, str(process.config.data_dir / "blobs"), log=False)
        index = [path for path in _synced(window) if path.endswith("-wal")]
        assert index, f"the index was not synced before the answer: {_synced(window)}"
        assert _synced(window)[-1] in index, "the index was committed before the bytes were durable"


def test_without_the_log_postgresql_is_flushed_before_each_answer(
    tmp_path: Path, start_process: StartProcess
) -> None:
    with server(durable=True) as postgres:
        _check_postgres(postgres, tmp_path, start_process)


def _check_postgres(postgres: Server, tmp_path: Path, start_process: StartProcess) -> None:
    url = postgres.create()
    process = start_process(write_config(tmp_path, url, blobs={"receive_log": False}))
    ours = Trace(process.process.pid, tmp_path / "strace", CALLS)
    theirs = Trace(postgres.pid, tmp_path / "strace-postgres", "fsync,fdatasync")
    _send(process.port)
    ours_called, theirs_called = ours.stop(), theirs.stop()
    windows = _windows(ours_called, process.port)
    assert len(windows) == INSTANCES
    for window, answer in windows:
        _check_blob(window, str(process.config.data_dir / "blobs"), log=False)
        last_blob = max(each.ended for each in window if each.name in ("fsync", "fdatasync"))
        flushed = [each for each in theirs_called if last_blob <= each.began and each.ended <= answer.began]
        assert any("pg_wal" in each.target for each in flushed), (
            "the write-ahead log was not flushed after the blob and before the answer"
        )
    postgres.drop(url)
