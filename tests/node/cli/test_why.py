import time
from pathlib import Path

import pytest

from node.config import load
from node.root import Node
from tests.node.cli.test_rules import CT, add
from tests.support.files import Commands, write_files
from tests.support.node import write_config
from tests.support.samples import ROOT, ct, mr

STUDY = f"{ROOT}.1"
FIRST = f"{STUDY}.1.1"
MORE = """
[[rule]]
name = "serial"
when = 'DeviceSerialNumber == "7"'
then = [{ action = "route", to = "pacs" }]

[[rule]]
name = "labels"
when = 'Modality == "CT"'
then = [{ action = "tag", label = "ct" }, { action = "assign", centre = "North" }]

[[rule]]
name = "study"
on = "study"
when = "study.instances > 0"
then = [{ action = "hold", reason = "look first" }]
"""


@pytest.fixture
def commands(tmp_path: Path, archive_url: str) -> Commands:
    made = Commands(write_config(tmp_path, archive_url, rules={"quiet_seconds": 1}))
    add(made, "pacs")
    return made


def test_without_rules_it_says_what_to_do(commands: Commands, tmp_path: Path):
    commands.ok("import", write_files(tmp_path / "files", ct(1)))
    said = commands.ok("why", FIRST)
    assert f"Instance {FIRST}: CT Image Storage\n" in said
    assert "No rule was asked about it: no rules are active. isocentre rules apply FILE makes some so" in said
    assert "Deliveries: none" in said
    assert "no instance or study of this UID" in commands.fails("why", "1.2.3")


def test_it_tells_the_whole_story(commands: Commands, tmp_path: Path):
    rules = tmp_path / "rules.toml"
    rules.write_text(CT + MORE.replace("", ""))
    commands.ok("rules", "apply", rules)
    commands.ok("import", write_files(tmp_path / "files", ct(1), mr(1)))
    lines = commands.ok("why", FIRST).splitlines()
    assert "Labels: ct" in lines
    assert any(line.startswith("Given to: centre North (by labels, ") for line in lines)
    assert any(line.startswith("Still growing: ") for line in lines)
    decided = next(line for line in lines if line.startswith("Decided "))
    assert decided.endswith(":")
    assert "about the instance, revision 1 by " in decided
    assert "  fired           CT" in lines
    assert "  unknown         serial: DeviceSerialNumber is missing" in lines
    assert any(line.startswith("  pacs: queued (asked for by CT, serial, ") for line in lines)
    (data,) = commands.json("why", FIRST)
    assert data["rulings"][0]["rules"][0]["trace"]["values"] == {"Modality": "CT"}
    assert data["deliveries"][0]["delivery"]["state"] == "queued"
    held = commands.ok("why", f"{STUDY}.2.1")
    assert "  pacs: held for a person: rule serial is unknown: DeviceSerialNumber is missing" in held
    assert "  not fired       CT\n  unknown" in held
    assert "  not fired       CT\n                  false" in commands.ok("why", f"{STUDY}.2.1", "--all")


def test_it_tells_of_a_study(commands: Commands, tmp_path: Path):
    rules = tmp_path / "rules.toml"
    rules.write_text(CT + MORE.replace("", ""))
    commands.ok("rules", "apply", rules)
    commands.ok("import", write_files(tmp_path / "files", ct(1), mr(1)))
    settle(commands)
    said = commands.ok("why", STUDY)
    assert said.startswith(f"Study {STUDY}: 2 instances, 2 series of CT, MR\n")
    assert "  fired           CT\n" in said
    assert "                  1 instance, by revision 1; for example " in said
    assert "ON HOLD since " in said
    assert "by study, the study: look first" in said
    assert f"about the study {STUDY}, revision 1 by " in said
    assert "  pacs: 2 held\n" in said  # what was queued before the hold waits too
    assert f"\n  {FIRST}\n    pacs: held for a person: look first (asked for by CT, serial, " in said
    assert commands.json("why", STUDY)["deliveries"] == {"pacs": {"held": 2}}


def settle(commands: Commands) -> None:
    from node.rulings.settler import Settler

    with Node.open(load(commands.config, environ={})) as node:
        settler = Settler(node.archive, node.blobs, node.book, node.config.rules)
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            settler.look()
            with node.archive.read() as tx:
                if tx.settling.next_due() is None:
                    return
            time.sleep(0.05)
    raise AssertionError("it does not settle")
