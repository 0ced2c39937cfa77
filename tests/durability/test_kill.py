"""kill -9 at random moments of a burst: what was acknowledged is there (promise 2)."""

import random
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.burst import Burst
from tests.support.command import assert_clean
from tests.support.kept import assert_kept
from tests.support.node import NodeProcess, write_config

StartProcess = Callable[..., NodeProcess]


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
    assert_kept(process.config, acknowledged)
    assert process.stop() == 0
    assert_clean(config)


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
    assert_kept(process.config, burst.acknowledged)
    assert_clean(config)
