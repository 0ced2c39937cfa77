import getpass
from pathlib import Path

import pytest

from node.config import load
from node.root import Node
from storage.records.rulings import Role
from tests.support.files import Commands, write_files
from tests.support.node import write_config
from tests.support.samples import ct, mr

CT = """
[[rule]]
name = "CT"
when = 'Modality == "CT"'
then = [{ action = "route", to = "pacs" }]
"""
WRONG = CT.replace("Modality", "Modalty").replace('"pacs"', '"pasc"')


@pytest.fixture
def commands(tmp_path: Path, archive_url: str) -> Commands:
    return Commands(write_config(tmp_path, archive_url))


@pytest.fixture
def rules(tmp_path: Path, commands: Commands) -> Path:
    """A rule file whose peer is known."""
    add(commands, "pacs")
    path = tmp_path / "rules.toml"
    path.write_text(CT)
    return path


def add(commands: Commands, name: str) -> None:
    commands.ok("peer", "add", name, "--ae-title", name.upper(), "--host", "127.0.0.1", "--port", "104")


def test_rules_are_checked(commands: Commands, rules: Path):
    assert commands.ok("rules", "check", rules) == "The rules are right: 1 rule.\n"
    assert commands.json("rules", "check", rules) == {"rules": 1, "problems": [], "peers_checked": True}
    rules.write_text(WRONG)
    wrong = commands("rules", "check", rules)
    assert wrong.exit_code == 1
    assert wrong.stdout == f'{rules}:4:9: rule "CT".when: unknown attribute Modalty (expected Modality)\n'
    assert wrong.stderr == f"isocentre: {rules}: 1 error\n"
    rules.write_text(CT.replace('"pacs"', '"pasc"'))
    assert f'{rules}:5:34: rule "CT".then.to' in commands("rules", "check", rules).stdout
    rules.write_text(CT.replace('"CT"\'', '"ct"\''))
    assert "warning: " in commands.ok("rules", "check", rules)


def test_rules_are_checked_without_a_database(tmp_path: Path):
    commands = Commands(write_config(tmp_path, f"sqlite:///{tmp_path / 'none' / 'index.db'}"))
    path = tmp_path / "rules.toml"
    path.write_text(CT)
    said = commands.ok("rules", "check", path).splitlines()
    assert said == [
        "The names of peers were not checked: there is no database yet.",
        "The rules are right: 1 rule.",
    ]
    assert commands.json("rules", "check", path)["peers_checked"] is False
    assert not (tmp_path / "none").exists()
    path.write_text(WRONG)
    assert "unknown attribute Modalty" in commands("rules", "check", path).stdout
    away = Commands(write_config(tmp_path, "postgresql+psycopg2://u:p@127.0.0.1:1/none"))
    path.write_text(CT)
    assert "were not checked: " in away.ok("rules", "check", path)


def test_rules_are_applied_and_taken_back(commands: Commands, rules: Path):
    me = getpass.getuser()
    assert commands.fails("rules", "show").startswith("no rules are active")
    said = commands.ok("rules", "apply", rules, "--note", "at last")
    assert said.splitlines()[:2] == ["Revision 1 is active from now on (before: none).", "  + CT"]
    again = "Revision 1 is active already, with the same text. Nothing changed.\n"
    assert commands.ok("rules", "apply", rules) == again
    shown = commands.ok("rules", "show").splitlines()
    assert shown[0].startswith(f"Revision 1 by {me}, ")
    assert shown[0].endswith(": at last")
    assert shown[1:] == ["", "CT  (on instance)", '  when     Modality == "CT"', "  then     deliver to pacs"]
    assert commands.ok("rules", "show", "--source") == CT
    rules.write_text(CT.replace('"CT"\'', '"MR"\''))
    changed = commands.ok("rules", "apply", rules).splitlines()
    assert changed[1:] == ["  ~ CT", '  -   when: Modality == "CT"', '  +   when: Modality == "MR"']
    assert commands.ok("rules", "diff", 1, 2).splitlines() == [each[2:] for each in changed[1:]]
    assert commands.json("rules", "rollback")["revision"]["id"] == 1
    entries = commands.json("rules", "history")
    assert [(each["id"], each["roles"], each["author"]) for each in entries] == [
        (2, [], me),
        (1, ["active"], me),
    ]
    table = commands.ok("rules", "history").splitlines()
    assert table[0].split()[:3] == ["REVISION", "IN", "FORCE"]
    assert commands.fails("rules", "rollback").startswith("revision 1 replaced none")
    assert "rules rollback 1" in commands.ok("rules", "off")
    assert commands.ok("rules", "off") == "No rules were active.\n"


def test_wrong_rules_are_not_applied(commands: Commands, rules: Path):
    rules.write_text(WRONG)
    refused = commands("rules", "apply", rules)
    assert refused.exit_code == 1
    assert refused.stdout == ""
    assert refused.stderr.splitlines() == [
        f'{rules}:4:9: rule "CT".when: unknown attribute Modalty (expected Modality)',
        "isocentre: the rules have 1 error; nothing was changed",
    ]
    assert '"line": 4' in commands("rules", "apply", rules, "--json").stdout
    assert commands.json("rules", "history") == []
    assert "No such file" in commands.fails("rules", "apply", rules.with_name("none"))


def test_a_shadow_is_put_beside_and_taken_away(commands: Commands, rules: Path, tmp_path: Path):
    commands.ok("rules", "apply", rules)
    draft = tmp_path / "draft.toml"
    draft.write_text(CT.replace('== "CT"', 'in ["CT", "MR"]'))
    assert commands.fails("rules", "shadow", "show").startswith("no rules are in the shadow")
    said = commands.ok("rules", "shadow", draft)
    assert said.startswith("Revision 2 is in the shadow from now on (before: none).")
    commands.ok("import", write_files(tmp_path / "files", ct(1), mr(1)))
    shown = commands.ok("rules", "shadow", "show").splitlines()
    assert shown[0].endswith("beside 1: 2 decisions, 1 of them otherwise.")
    assert shown[1] == "  deliver to pacs"
    assert shown[2].startswith("    + 1 instance, for example ")
    assert commands.json("rules", "shadow", "show")["differing"] == 1
    with Node.open(load(commands.config, environ={})) as node, node.archive.read() as tx:
        assert tx.rulesets.in_force(Role.SHADOW) == 2
    assert commands.ok("rules", "shadow", "off") == "No rules are in the shadow from now on.\n"
