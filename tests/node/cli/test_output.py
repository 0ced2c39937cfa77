import json
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest

from node.cli.output import Output, printable


@dataclass
class Thing:
    name: str
    at: datetime


AT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def test_a_result_in_words(capsys: pytest.CaptureFixture[str]):
    Output(False).result({"a": 1}, "one", "two")
    assert capsys.readouterr() == ("one\ntwo\n", "")


def test_a_result_for_machines(capsys: pytest.CaptureFixture[str]):
    Output(True).result({"thing": Thing("Müller", AT), "set": {"b", "a"}, "path": Path("/x")}, "words")
    said = json.loads(capsys.readouterr().out)
    assert said == {
        "thing": {"name": "Müller", "at": "2026-01-02T03:04:05+00:00"},
        "set": ["a", "b"],
        "path": "/x",
    }


ROWS = [
    {"name": "ct1", "tls": True, "asked": ("C-FIND", "C-STORE"), "at": AT, "from": {"ae": "X"}, "more": 1},
    {"name": "a-longer-name", "tls": False, "asked": (), "at": None, "from": {}, "more": 2},
]
COLUMNS = {"name": "NAME", "tls": "TLS", "asked": "ASKED", "at": "AT", "from.ae": "FROM"}


def test_a_table_lines_up(capsys: pytest.CaptureFixture[str]):
    Output(False).table(ROWS, COLUMNS, "nothing")
    assert capsys.readouterr().out == (
        "NAME           TLS  ASKED            AT                    FROM\n"
        "ct1            yes  C-FIND, C-STORE  2026-01-02 03:04:05Z  X\n"
        "a-longer-name  no                    -                     -\n"
    )


def test_a_table_for_machines_has_every_field(capsys: pytest.CaptureFixture[str]):
    Output(True).table(ROWS, COLUMNS, "nothing")
    said = json.loads(capsys.readouterr().out)
    assert [row["more"] for row in said] == [1, 2]


def test_an_empty_table(capsys: pytest.CaptureFixture[str]):
    Output(False).table([], COLUMNS, "There is nothing.")
    assert capsys.readouterr().out == "There is nothing.\n"
    Output(True).table([], COLUMNS, "There is nothing.")
    assert json.loads(capsys.readouterr().out) == []


def test_progress_is_silent_without_a_terminal(capsys: pytest.CaptureFixture[str]):
    with Output(True).progress("Working", 3) as advance:
        advance(1)
    with Output(False).progress("Working") as advance:
        advance(2)
    assert capsys.readouterr() == ("", "")


def test_a_stranger_does_not_command_the_terminal(capsys: pytest.CaptureFixture[str]):
    assert printable("\x1b[2J\r\nMüller\udcff 山田") == "?[2J??Müller? 山田"
    Output(False).table([{"name": "\x1b]0;x\x07"}], {"name": "NAME"}, "")
    Output(False).result(None, "a\x1bb")
    assert "\x1b" not in capsys.readouterr().out
