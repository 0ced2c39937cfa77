"""Every threat that docs/security.md answers has its tests, and they exist."""

import ast
import re

from tests.house.sources import ROOT

TEXT = (ROOT / "docs" / "security.md").read_text(encoding="utf-8")
NAMED = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", TEXT)
THREATS = {1, 2, 3, 4, 7, 8, 11, 13, 16, 19, 20, 22, 23, 24, 25}
"""Of the project's table, those that touch what is there."""


def test_every_threat_has_a_row_with_a_test() -> None:
    rows = dict(re.findall(r"^\| T(\d+) (\|.*)$", TEXT, re.MULTILINE))
    assert {int(number) for number in rows} == THREATS
    assert [number for number, row in rows.items() if "`tests/" not in row] == []


def test_every_test_that_is_named_exists() -> None:
    wrong = []
    for path, name in NAMED:
        file = ROOT / path
        tree = ast.parse(file.read_text(encoding="utf-8")) if file.exists() else ast.Module([], [])
        if not any(isinstance(each, ast.FunctionDef) and each.name == name for each in ast.walk(tree)):
            wrong.append(f"{path}::{name}")
    assert len(NAMED) > len(THREATS)
    assert wrong == []
