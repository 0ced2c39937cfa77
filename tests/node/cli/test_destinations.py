from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest

from node.services.reports import REPORT, Report
from storage.archive import Archive
from storage.records.deliveries import Tally
from storage.records.trail import Event
from tests.support.deliveries import NOW, claim, delivered, finish, instances, lease, queue, states
from tests.support.files import Commands
from tests.support.node import write_config


@pytest.fixture
def run(tmp_path: Path, archive_url: str) -> Commands:
    commands = Commands(write_config(tmp_path, archive_url))
    commands.ok("peer", "add", "north", "--ae-title", "NORTH", "--host", "127.0.0.1", "--port", 104)
    return commands


@pytest.fixture
def archive(run: Commands, archive_url: str) -> Iterator[Archive]:
    opened = Archive.open(archive_url)
    yield opened
    opened.close()


def test_they_are_listed_and_shown(run: Commands, archive: Archive):
    assert run.ok("destinations", "list").startswith("Nothing has been sent to any peer")
    queue(archive, instances(archive, each=2))
    head, line = run.ok("destinations", "list").splitlines()
    assert head.split()[:7] == ["NAME", "STATE", "QUEUED", "WAITING", "SENDING", "HELD", "DEAD"]
    assert line.split()[:7] == ["north", "queued", "2", "0", "0", "0", "0"]
    assert "2026-03-01 12:00:00Z" in line
    assert line.endswith("a worker is to take it up")
    shown = run.ok("destinations", "show", "north")
    assert "state         queued: a worker is to take it up" in shown
    assert "associations  1 (as configured)" in shown
    assert run.json("destinations", "show", "north")["settings"]["paused"] is False
    assert "is not known" in run.fails("destinations", "show", "south")


def test_what_is_set_is_shown(run: Commands):
    window = ["--hours", "22:00-06:00", "--hours", "12:00-13:00", "--weekday", "sun"]
    more = ["--associations", 3, "--rate", 2.5, "--syntax", "JPEGLosslessSV1", "--commitment"]
    shown = run.ok("destinations", "set", "north", *window, *more)
    assert "hours         22:00-06:00 and 12:00-13:00 and Sunday" in shown
    assert "rate          2.5 a second" in shown
    assert "syntaxes      1.2.840.10008.1.2.4.70" in shown
    assert "commitment    asked for" in shown
    again = run.json("destinations", "set", "north", "--any-time", "--any-syntax", "--no-commitment")
    assert (again["settings"]["window"], again["settings"]["syntaxes"]) == (None, [])
    assert (again["settings"]["associations"], again["settings"]["commitment"]) == (3, False)


def test_mistakes_are_told(run: Commands):
    assert "nothing is to be set" in run.fails("destinations", "set", "north")
    assert "associations" in run.fails("destinations", "set", "north", "--associations", 99)
    assert "--any-time" in run.fails("destinations", "set", "north", "--any-time", "--hours", "1:00-2:00")
    assert "--any-syntax" in run.fails("destinations", "set", "north", "--any-syntax", "--syntax", "x")
    assert run("destinations", "replay", "north").exit_code == 2
    assert run("destinations", "replay", "north", "--from", "soon").exit_code == 2


def test_it_is_paused_and_resumed(run: Commands):
    assert "is paused" in run.ok("destinations", "pause", "north")
    assert "paused by a person" in run.ok("destinations", "list")
    assert run.ok("destinations", "resume", "north") == "north is delivered to again.\n"
    assert run.json("destinations", "resume", "north")["paused"] is False


def test_a_window_of_time_is_replayed(run: Commands, archive: Archive):
    queue(archive, instances(archive, each=2))
    finish(archive, [delivered(each) for each in claim(archive, lease(archive).id)])
    window = ["--from", "2026-03-01T11:59+00:00", "--to", "2026-03-01T12:01+00:00"]
    assert run.ok("destinations", "replay", "north", *window) == "2 deliveries to north are queued again.\n"
    assert states(archive) == ["queued", "queued"]
    assert run.json("destinations", "replay", "north", *window) == {"destination": "north", "queued": 0}


def test_the_newest_report_is_printed(run: Commands, archive: Archive):
    assert run.ok("destinations", "report").startswith("There is no report yet")
    report = Report.of("north", date(2026, 3, 1), Tally(3, 2, 1, 0, 0, 0, 0, ("1.2.3",)))
    with archive.begin() as tx:
        tx.events.add(Event(NOW, REPORT, detail=report.plain()))
        tx.commit()
    queue(archive, instances(archive))
    line = "2026-03-01 north: received 3, forwarded 2, 1 open, missing [1.2.3]\n"
    assert run.ok("destinations", "report") == run.ok("destinations", "report", "north") == line
    assert run.json("destinations", "report", "north")[0]["received"] == 3
    assert "is not known" in run.fails("destinations", "report", "south")
