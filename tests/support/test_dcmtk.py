import sys
from pathlib import Path

import pytest

from tests.support import dcmtk
from tests.support.missing import missing


def _program(path: Path, says: str) -> None:
    path.write_text(f"#!/bin/sh\nprintf '%s\\n' '{says}'\n")
    path.chmod(0o755)


@pytest.fixture(autouse=True)
def _fresh():
    dcmtk.find.cache_clear()
    yield
    dcmtk.find.cache_clear()


def test_a_program_that_is_not_dcmtks_is_passed_over(tmp_path, monkeypatch):
    for folder in ("other", "real"):
        (tmp_path / folder).mkdir()
    _program(tmp_path / "other" / "storescu", "usage: storescu [options] addr port path")
    _program(tmp_path / "real" / "storescu", "$dcmtk: storescu v3.6.7 2022-04-22 $")
    monkeypatch.setenv("PATH", f"{tmp_path / 'other'}:{tmp_path / 'real'}")
    assert dcmtk.tool("storescu") == tmp_path / "real" / "storescu"


def test_the_virtual_environment_is_never_searched(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "prefix", str(tmp_path))
    _program(tmp_path / "storescu", "$dcmtk: storescu v3.6.7 2022-04-22 $")
    monkeypatch.setenv("PATH", str(tmp_path))
    assert dcmtk.find("storescu") is None


def test_what_is_missing_skips_and_in_ci_fails(monkeypatch):
    monkeypatch.delenv("CI", raising=False)
    with pytest.raises(pytest.skip.Exception, match="no such thing"):
        missing("no such thing")
    monkeypatch.setenv("CI", "true")
    with pytest.raises(pytest.fail.Exception, match="no such thing"):
        missing("no such thing")


def test_the_real_ones_run():
    for name in ("storescu", "findscu", "movescu", "getscu", "storescp", "echoscu", "dcmdump", "dcmodify"):
        assert dcmtk.tool(name).name == name
