from collections.abc import Iterator
from pathlib import Path

import pytest

from storage.archive import Archive
from tests.support.deliveries import NOW, claim, finish, instances, lease, queue, states, waiting
from tests.support.files import Commands
from tests.support.node import write_config


@pytest.fixture
def run(tmp_path: Path, archive_url: str) -> Commands:
    return Commands(write_config(tmp_path, archive_url))


@pytest.fixture
def archive(archive_url: str) -> Iterator[Archive]:
    opened = Archive.open(archive_url)
    yield opened
    opened.close()


def test_they_are_listed_and_shown(run: Commands, archive: Archive):
    assert run.ok("deliveries", "list") == "There are no such deliveries.\n"
    (number,) = queue(archive, instances(archive))
    head, line = run.ok("deliveries", "list", "--to", "north", "--state", "queued").splitlines()
    assert head.split()[:4] == ["ID", "TO", "STATE", "SOP"]
    assert line.split()[:4] == [str(number), "north", "queued", "1.2.1.1.1"]
    assert run.json("deliveries", "list", "--study", "1.2.1", "--limit", 1)[0]["rules"] == ["a rule"]
    assert run.json("deliveries", "list", "--instance", "1.2.1.1.1", "--after", number) == []
    assert run("deliveries", "list", "--state", "lost").exit_code == 2
    assert "there is none" in run.fails("deliveries", "show", number + 1)


def test_one_is_shown_with_its_attempts(run: Commands, archive: Archive):
    (number,) = queue(archive, instances(archive))
    home = lease(archive)
    finish(archive, [waiting(claim(archive, home.id)[0], NOW)])
    shown = run.ok("deliveries", "show", number)
    assert "status              0xA700" in shown
    assert "rules               a rule" in shown
    with archive.begin() as tx:
        tx.deliveries.promote(home.id, NOW)
        tx.commit()
    shown = run.ok("deliveries", "show", number)
    assert "attempt 1           2026-03-01 12:00:00Z waiting (0xA700) out of resources" in shown
    assert run.json("deliveries", "show", number)["earlier"][0]["status"] == 0xA700


def test_they_are_cancelled_and_tried_again(run: Commands, archive: Archive):
    ids = queue(archive, instances(archive, each=3))
    assert run.ok("deliveries", "cancel", ids[0]) == "1 delivery is cancelled.\n"
    assert run.ok("deliveries", "cancel", "--study", "1.2.1") == "2 deliveries are cancelled.\n"
    assert run.json("deliveries", "retry", ids[0], ids[1]) == {"queued": 2}
    again = ("deliveries", "retry", "--all", "--to", "north")
    assert run.ok(*again, "--state", "dead") == "0 deliveries are queued again.\n"
    assert run.ok(*again) == "0 deliveries are queued again.\n"  # a person wanted it not to go
    assert run.ok(*again, "--state", "cancelled") == "1 delivery is queued again.\n"
    assert states(archive) == ["queued"] * 3


def test_they_are_released(run: Commands, archive: Archive):
    ids = queue(archive, instances(archive, each=2), held="look at it")
    assert run.ok("deliveries", "release", ids[0]) == "1 delivery is released.\n"
    assert run.json("deliveries", "release", "--study", "1.2.1") == {"released": 1}


def test_what_is_not_clear_is_not_done(run: Commands, archive: Archive):
    (number,) = queue(archive, instances(archive))
    for said in ([], [number, "--all", "--to", "north"], ["--all"], ["--to", "north"], [number, "--to", "x"]):
        assert "say which deliveries" in run.fails("deliveries", "retry", *said)
    assert "say which deliveries" in run.fails("deliveries", "cancel")
    assert "either numbers" in run.fails("deliveries", "cancel", number, "--to", "north")
    assert "say which deliveries" in run.fails("deliveries", "release")
    assert "either numbers" in run.fails("deliveries", "release", number, "--study", "1.2.1")
    assert "it is queued, so it cannot be tried again" in run.fails("deliveries", "retry", number)
    assert states(archive) == ["queued"]
