"""`isocentre serve` stopped, or killed, in the middle of a burst: what was acknowledged is there."""

import time
from pathlib import Path

import pytest

from tests.support.burst import Burst
from tests.support.command import assert_clean
from tests.support.kept import assert_kept
from tests.support.node import write_config
from tests.support.serving import Start, family, gone, serve


@pytest.mark.parametrize("how", ["asked", "killed"])
def test_what_was_acknowledged_is_there_and_no_process_is_left(
    tmp_path: Path, archive_url: str, start_process: Start, how: str
) -> None:
    config = write_config(tmp_path, archive_url, dicom={"processes": 2, "drain_timeout": 1})
    process = serve(start_process, config)
    pids = list(family(process))
    assert len(pids) == 5
    burst = Burst(process.port, associations=4, each=2000)
    burst.start()
    while len(burst.acknowledged) < 50:
        time.sleep(0.01)
    if how == "asked":
        assert process.stop() == 0
        assert all(map(gone, pids))
    else:
        process.kill()
        deadline = time.monotonic() + 60
        while not all(map(gone, pids)):
            assert time.monotonic() < deadline
            time.sleep(0.02)
    burst.join()
    assert burst.refused == []
    assert 50 <= len(burst.acknowledged) < 8000
    if how == "asked":  # else what was acknowledged last is in the index once somebody starts again
        assert_kept(process.config, burst.acknowledged)
    again = start_process(config)
    assert_kept(again.config, burst.acknowledged)
    assert again.stop() == 0
    assert_clean(config)
