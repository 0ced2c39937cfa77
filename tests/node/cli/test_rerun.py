"""`isocentre rules run` acts on what was there before the rules."""

from pathlib import Path

import pytest

from tests.node.cli.test_rules import CT, add
from tests.support.files import Commands, write_files
from tests.support.node import write_config
from tests.support.samples import ROOT, ct, mr


@pytest.fixture
def commands(tmp_path: Path, archive_url: str) -> Commands:
    made = Commands(write_config(tmp_path, archive_url))
    write_files(tmp_path / "files", ct(1), ct(2), mr(1))
    made.ok("import", tmp_path / "files")
    add(made, "pacs")
    (tmp_path / "rules.toml").write_text(CT)
    made.ok("rules", "apply", tmp_path / "rules.toml")
    return made


def test_a_study_that_came_before_the_rules(commands: Commands):
    assert commands.json("deliveries", "list") == []
    said = commands.ok("rules", "run", f"{ROOT}.1")
    assert said.startswith("Asked about 3 instances: 2 deliveries and 0 jobs")
    assert len(commands.json("deliveries", "list")) == 2


def test_one_instance(commands: Commands):
    asked = commands.json("rules", "run", f"{ROOT}.1.1.1")
    assert asked == {"instances": 1, "deliveries": 1, "jobs": 0, "studies": 0}
    assert [each["sop_instance_uid"] for each in commands.json("deliveries", "list")] == [f"{ROOT}.1.1.1"]


def test_what_is_not_here(commands: Commands):
    failed = commands("rules", "run", "1.2.3")
    assert failed.exit_code == 1
    assert "no instance or study" in failed.stderr
