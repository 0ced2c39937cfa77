from datetime import UTC, datetime, timedelta

import click
import pytest

from node.cli.moments import moment
from node.core import clock

NOW = datetime(2026, 3, 10, 12, 0, tzinfo=UTC)
OPTION = click.Option(["--from"])


def read(text: str | None) -> datetime | None:
    return moment(click.Context(click.Command("x")), OPTION, text)


@pytest.fixture(autouse=True)
def _still(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clock, "now", lambda: NOW)


@pytest.mark.parametrize(
    ("text", "ago"),
    [
        ("45s", timedelta(seconds=45)),
        ("90m", timedelta(minutes=90)),
        ("6 h", timedelta(hours=6)),
        (" 7d ", timedelta(days=7)),
        ("2w", timedelta(weeks=2)),
    ],
)
def test_so_long_ago(text: str, ago: timedelta):
    assert read(text) == NOW - ago


def test_by_the_clock_on_the_wall():
    wall = datetime(2026, 3, 1, 14, 30).astimezone()
    assert read("2026-03-01T14:30") == wall
    assert read("2026-03-01") == wall.replace(hour=0, minute=0)
    assert read("2026-03-01T14:30+02:00") == datetime(2026, 3, 1, 12, 30, tzinfo=UTC)
    assert read(None) is None


@pytest.mark.parametrize("text", ["", "yesterday", "7", "7y", "2026-13-01", "999999w", "-3h"])
def test_what_is_no_moment(text: str):
    with pytest.raises(click.BadParameter, match="is no moment"):
        read(text)
