import re
import shutil
import subprocess

import click
import pytest

from node.cli.main import main
from tests.house.sources import ROOT

UNITS = sorted((ROOT / "systemd").glob("*.service"))
TARGET = ROOT / "systemd" / "isocentre.target"
INSTALLED = "/opt/isocentre/.venv/bin/isocentre"


@pytest.fixture
def analyze():
    """Run systemd-analyze, where there is one."""
    program = shutil.which("systemd-analyze")
    if program is None:
        pytest.skip("systemd is not installed")

    def run(*arguments):
        return subprocess.run([program, *arguments], capture_output=True, text=True, check=False, timeout=60)

    return run


def setting(unit, name):
    (value,) = re.findall(rf"^{name}=(.*)$", unit.read_text(), re.MULTILINE)
    return value


def test_there_is_one_for_each_process():
    assert [unit.name for unit in UNITS] == [
        f"isocentre-{name}.service" for name in ("console", "scheduler", "scp", "worker")
    ]


def test_they_verify(tmp_path, analyze):
    fake = tmp_path / "isocentre"
    fake.symlink_to("/bin/true")
    for unit in (*UNITS, TARGET):
        text = unit.read_text()
        assert unit is TARGET or INSTALLED in text
        (tmp_path / unit.name).write_text(text.replace(INSTALLED, str(fake)))
    run = analyze("verify", "--man=no", *sorted(str(path) for path in tmp_path.glob("isocentre*.*")))
    ours = [line for line in (run.stdout + run.stderr).splitlines() if "isocentre" in line]
    assert ours == []
    assert run.returncode == 0, run.stderr


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.stem)
def test_little_is_exposed(unit, analyze):
    run = analyze("security", "--offline=true", "--threshold=20", str(unit))  # tenths
    if "unrecognized option" in run.stderr or "Unknown" in run.stderr:
        pytest.skip("this systemd judges no unit that is not loaded")
    assert run.returncode == 0, run.stdout[-2000:] + run.stderr


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.stem)
def test_each_starts_a_command_that_there_is(unit):
    start, name, option, path = setting(unit, "ExecStart").split()
    assert (start, option, path) == (INSTALLED, "--config", "/etc/isocentre/config.toml")
    assert name in main.list_commands(click.Context(main))
    assert unit.stem == f"isocentre-{name}"


def test_the_target_starts_them_all():
    assert sorted(setting(TARGET, "Wants").split()) == [unit.name for unit in UNITS]


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.stem)
def test_all_share_one_state_that_only_their_user_sees(unit):
    assert setting(unit, "User") == setting(unit, "Group") == setting(unit, "StateDirectory") == "isocentre"
    assert setting(unit, "StateDirectoryMode") == "0700"
    assert setting(unit, "UMask") == "0077"
    assert setting(unit, "LimitCORE") == "0"
    assert "RemoveIPC" not in unit.read_text()  # stopping one would take shared memory from the others
    users = (ROOT / "systemd" / "isocentre.sysusers.conf").read_text()
    assert re.search(r"^u isocentre ", users, re.MULTILINE)
