from collections.abc import Iterator
from pathlib import Path

import pytest

from storage.archive import Archive
from storage.records.rulings import Held
from tests.support.deliveries import NOW, instances, queue, states
from tests.support.files import Commands
from tests.support.node import write_config

WHY = "a person should see it"


@pytest.fixture
def run(tmp_path: Path, archive_url: str) -> Commands:
    return Commands(write_config(tmp_path, archive_url))


@pytest.fixture
def archive(archive_url: str) -> Iterator[Archive]:
    opened = Archive.open(archive_url)
    yield opened
    opened.close()


def hold(archive: Archive) -> int:
    """A study of two instances whose deliveries are held; return the number of the hold."""
    places = instances(archive, each=2)
    queue(archive, places, held=WHY)
    with archive.begin() as tx:
        tx.holds.add(Held("study", places[0].study_row, places[0].study_row, WHY, "odd ones", NOW))
        (held,) = tx.holds.list()
        tx.commit()
    return held.id


def test_they_are_listed(run: Commands, archive: Archive):
    assert run.ok("holds", "list") == "Nothing is held.\n"
    number = hold(archive)
    _, line = run.ok("holds", "list").splitlines()
    assert line.split()[:3] == [str(number), "study", "1.2.1"]
    assert f"{WHY}  odd ones" in line
    assert run.json("holds", "list", "--all")[0]["released_at"] is None


def test_one_is_released(run: Commands, archive: Archive):
    number = hold(archive)
    assert (
        run.ok("holds", "release", number) == f"Hold {number} is released: 2 deliveries and 0 jobs go on.\n"
    )
    assert states(archive) == ["queued", "queued"]
    assert run.ok("holds", "list") == "Nothing is held.\n"
    assert "none that is open" in run.fails("holds", "release", number)


def test_one_is_rejected(run: Commands, archive: Archive):
    number = hold(archive)
    done = run.json("holds", "reject", number)
    assert (done["deliveries"], done["jobs"], done["hold"]["id"]) == (2, 0, number)
    assert states(archive) == ["cancelled", "cancelled"]
