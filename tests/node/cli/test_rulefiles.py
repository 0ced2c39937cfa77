import getpass
from pathlib import Path
from unittest.mock import patch

import pytest

from node.cli.output import Output
from node.cli.rulefiles import author, placed, read, refuse
from node.core.errors import UserError
from rules.problems import Problem

PROBLEM = Problem(3, 9, 'rule "CT".when', "unknown attribute Modalty", "Modality")


def test_a_file_is_read(tmp_path: Path):
    path = tmp_path / "rules.toml"
    path.write_bytes("# Größe\r\n".encode())
    assert read(path) == "# Größe\r\n"
    path.write_bytes(b"# \xff")
    with pytest.raises(UserError, match="it is not UTF-8 \\(byte 3\\)"):
        read(path)
    with pytest.raises(UserError, match="No such file"):
        read(tmp_path / "none")


def test_the_author_is_the_user():
    assert author() == getpass.getuser()
    with patch("getpass.getuser", side_effect=KeyError("uid not found")):
        assert author().startswith("user ")


def test_a_problem_has_its_place():
    where = '3:9: rule "CT".when: unknown attribute Modalty (expected Modality)'
    assert placed(Path("r.toml"), PROBLEM) == f"r.toml:{where}"
    assert placed(None, PROBLEM) == where
    assert placed(Path("r.toml"), Problem(0, 0, "x", "y")) == "x: y"


def test_rules_are_refused_with_all_that_is_wrong(capsys: pytest.CaptureFixture[str]):
    with pytest.raises(UserError, match="the rules have 1 error; nothing was changed"):
        refuse(Path("r.toml"), [PROBLEM], Output(False))
    assert capsys.readouterr().err == f"{placed(Path('r.toml'), PROBLEM)}\n"
    with pytest.raises(UserError):
        refuse(Path("r.toml"), [PROBLEM], Output(True))
    assert '"line": 3' in capsys.readouterr().out
