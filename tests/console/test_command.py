from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.node import NodeProcess, write_config

Start = Callable[..., NodeProcess]


@pytest.mark.parametrize("host", ["0.0.0.0", "::"])
def test_it_does_not_start_where_others_reach_it(start_process: Start, tmp_path: Path, host: str):
    """T16: no accounts, so this machine alone."""
    process = start_process(write_config(tmp_path, console={"host": host}), "console", wait=False)
    assert process.process.wait(60) == 1
    assert f"isocentre: console.host: {host} can be reached by other machines" in process.read_log()
    assert not (tmp_path / "data").exists()


def test_it_does_not_start_on_a_port_that_is_taken(start_process: Start, tmp_path: Path):
    config = write_config(tmp_path)
    first = start_process(config, "console", wait=False)
    while "console.ready" not in first.read_log():
        assert first.process.poll() is None, first.read_log()
    second = start_process(config, "console", wait=False)
    assert second.process.wait(60) == 1
    assert "console.port: cannot listen" in second.read_log()
    assert first.stop() == 0
