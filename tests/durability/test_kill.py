"""kill -9 at random moments of a burst: what was acknowledged is there (promise 2)."""

import hashlib
import random
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from storage.archive import Archive
from storage.blobs.open import open_blobs
from tests.support.burst import Burst
from tests.support.node import NodeProcess, write_config

StartProcess = Callable[..., NodeProcess]


def _check(process: NodeProcess, acknowledged: dict[str, str]) -> None:
    archive = Archive.open(process.config.database_url)
    blobs = open_blobs(process.config.blobs.url, process.config.data_dir)
    try:
        for uid, expected in acknowledged.items():
            with archive.read() as tx:
                instance = tx.instances.get(uid)
            assert instance is not None, f"{uid} was acknowledged and is gone"
            with blobs.open(instance.blob.key) as reader:
                kept = b"".join(reader.chunks(instance.blob.offset))
            assert hashlib.sha256(kept).hexdigest() == expected, f"{uid} came back with other bytes"
    finally:
        blobs.close()
        archive.close()


def _verify(config: Path) -> None:
    program = Path(sys.executable).with_name("isocentre")
    done = subprocess.run(
        [program, "db", "verify", "--config", config],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def _kill_again_and_again(
    folder: Path, url: str, start: StartProcess, times: int, seed: int, **tables: dict[str, object]
) -> None:
    chance = random.Random(seed)
    config = write_config(folder, url, **tables)
    acknowledged: dict[str, str] = {}
    for turn in range(times):
        process = start(config)
        burst = Burst(process.port, each=400, first=turn * 2000)
        burst.start()
        time.sleep(chance.uniform(0.1, 1.5))
        process.kill()
        burst.join()
        assert not burst.refused
        acknowledged |= burst.acknowledged
    process = start(config)
    assert acknowledged, "nothing was acknowledged: the test shows nothing"
    _check(process, acknowledged)
    assert process.stop() == 0
    _verify(config)


def test_what_was_acknowledged_survives_three_kills(
    tmp_path: Path, archive_url: str, start_process: StartProcess
) -> None:
    _kill_again_and_again(tmp_path, archive_url, start_process, 3, seed=1)


@pytest.mark.soak
@pytest.mark.timeout(1800)
def test_what_was_acknowledged_survives_twenty_kills(
    tmp_path: Path, archive_url: str, start_process: StartProcess
) -> None:
    _kill_again_and_again(tmp_path, archive_url, start_process, 20, seed=20)


def test_stopping_cleanly_in_a_burst_loses_nothing(
    tmp_path: Path, archive_url: str, start_process: StartProcess
) -> None:
    config = write_config(tmp_path, archive_url, dicom={"drain_timeout": 1})
    process = start_process(config)
    burst = Burst(process.port, each=400)
    burst.start()
    time.sleep(0.7)
    assert process.stop() == 0
    burst.join()
    assert burst.acknowledged
    _check(process, burst.acknowledged)
    _verify(config)
