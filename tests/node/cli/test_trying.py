from pathlib import Path

import pytest

from tests.node.cli.test_rules import CT, WRONG, add
from tests.support.files import Commands, write_files
from tests.support.node import write_config
from tests.support.samples import ROOT, ct, mr

FIRST = f"{ROOT}.1.1.1"


@pytest.fixture
def commands(tmp_path: Path, archive_url: str) -> Commands:
    made = Commands(write_config(tmp_path, archive_url))
    add(made, "pacs")
    return made


@pytest.fixture
def draft(tmp_path: Path) -> Path:
    path = tmp_path / "draft.toml"
    path.write_text(CT)
    return path


def test_files_are_explained(commands: Commands, draft: Path, tmp_path: Path):
    folder = write_files(tmp_path / "files", ct(1), mr(1))
    assert commands.fails("rules", "try", folder / "IM0001").startswith("no rules are active")
    said = commands.ok("rules", "try", "--draft", draft, folder / "IM0001", folder / "IM0002")
    assert said.splitlines() == [
        f"{folder / 'IM0001'}: instance {FIRST}",
        "  fired           CT",
        "                  true    Modality == \"CT\"  (Modality is 'CT')",
        "                  -> deliver to pacs",
        "  In all: deliver to pacs",
        "",
        f"{folder / 'IM0002'}: instance {ROOT}.1.2.1",
        "  not fired       CT",
        "                  false   Modality == \"CT\"  (Modality is 'MR')",
        "  In all: nothing would be done",
    ]
    sender = ("--calling-ae", "PACS", "--called-ae", "ISO", "--address", "10.0.0.1")
    (data,) = commands.json("rules", "try", "--draft", draft, folder / "IM0001", *sender)
    assert (data["level"], data["uid"], data["actions"]) == ("instance", FIRST, [])
    assert data["decisions"][0]["dropped"][0]["peer"] == "pacs"
    assert commands.json("rules", "history") == []


def test_what_is_stored_is_explained(commands: Commands, draft: Path, tmp_path: Path):
    commands.ok("import", write_files(tmp_path / "files", ct(1)))
    commands.ok("rules", "apply", draft)
    assert f"instance {FIRST}\n  fired           CT\n" in commands.ok("rules", "try", "--stored", FIRST)
    series = commands.ok("rules", "try", "--stored", f"{ROOT}.1.1")
    assert series == "No rule is asked about such a thing.\n"
    assert "no instance, series or study" in commands.fails("rules", "try", "--stored", "1.2.3")


def test_the_past_is_tried(commands: Commands, draft: Path, tmp_path: Path):
    folder = write_files(tmp_path / "files", ct(1), ct(2), mr(1))
    for path in sorted(folder.iterdir()):  # one after the other
        commands.ok("import", path)
    commands.ok("rules", "apply", draft)
    assert "would have done the same" in commands.ok("rules", "try", "--past", "7d")
    rule = CT.replace('Modality == "CT"', 'DeviceSerialNumber == "7" or Modality == "MR"')
    draft.write_text(rule)
    said = commands.ok("rules", "try", "--past", "7d", "--draft", draft).splitlines()
    assert said[0].endswith(": 3 instances in 1 study.")
    assert said[1:] == [
        "  CT  (on instance)",
        "    fired    1 instance in 1 study",
        "    unknown  2 instances in 1 study",
        "             2 times: DeviceSerialNumber is missing",
        "Otherwise than the active rules, in 1 study:",
        "  deliver to pacs",
        f"    + 1 instance in 1 study, for example {ROOT}.1.2.1",
        f"    - 2 instances in 1 study, for example {FIRST}, {ROOT}.1.1.2",
        "  deliver to pacs, held for a person",
        f"    + 2 instances in 1 study, for example {FIRST}, {ROOT}.1.1.2",
    ]
    data = commands.json("rules", "try", "--past", "7d", "--draft", draft)
    assert (data["instances"], data["rules"][0]["unknown"]["number"], len(data["changes"])) == (3, 2, 2)
    none = commands.ok("rules", "try", "--past", "2020-01-01", "--until", "2020-01-02")
    assert none.splitlines()[0].endswith(": 0 instances in 0 studies.")
    assert "ends before it begins" in commands.fails("rules", "try", "--past", "1d", "--until", "2d")


def test_one_thing_is_tried_at_a_time(commands: Commands, draft: Path):
    assert commands("rules", "try").exit_code == 2
    assert commands("rules", "try", "--stored", "1.2", "--past", "7d").exit_code == 2
    draft.write_text(WRONG)
    wrong = commands("rules", "try", "--past", "7d", "--draft", draft)
    assert wrong.exit_code == 1
    assert "unknown attribute Modalty" in wrong.stderr
