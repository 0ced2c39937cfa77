import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from sqlalchemy import text

from node.config import Config, load
from node.core.errors import UserError
from node.root import CRASH_LEAVES, Node, recover
from storage.archive import Archive
from storage.errors import StorageError
from storage.records.arrival import Origin, Way
from storage.records.history import Quarantined
from storage.records.network import Peer
from tests.support.arrivals import placed, put
from tests.support.node import write_config
from tests.support.opened import NOW, has


def config_of(folder: Path, url: str = "", **tables: dict[str, object]) -> Config:
    return load(write_config(folder, url, **tables), environ={})


def test_the_first_start_makes_everything(tmp_path: Path, empty_url: str):
    config = config_of(tmp_path, empty_url)
    with Node.open(config) as node:
        assert node.config is config
        assert node.archive.is_current()
        assert node.peers.list() == []
    assert config.data_dir.is_dir()
    assert config.data_dir.stat().st_mode & 0o007 == 0


def test_the_next_start_finds_it(tmp_path: Path, archive_url: str):
    config = config_of(tmp_path, archive_url)
    with Node.open(config) as node:
        node.peers.add("ct1", ae_title="CT1", host="h", port=104)
    with Node.open(config) as node:
        assert [peer.name for peer in node.peers.list()] == ["ct1"]


STARTING = """
import sys
from pathlib import Path
from node.config import load
from node.root import Node
Node.open(load(Path(sys.argv[1]), {})).close()
"""


def test_several_processes_may_start_at_once(tmp_path: Path, empty_url: str):
    config = config_of(tmp_path, empty_url)
    path = str(tmp_path / "config.toml")
    started = [subprocess.Popen([sys.executable, "-c", STARTING, path]) for _ in range(3)]
    assert [process.wait(120) for process in started] == [0, 0, 0]
    with Node.open(config) as node:
        assert node.archive.is_current()


def test_a_data_folder_that_cannot_be_made(tmp_path: Path):
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match=r"node\.data_dir: .*Not a directory"):
        Node.open(config_of(tmp_path, node={"data_dir": str(tmp_path / "file" / "data")}))


@pytest.mark.parametrize(
    "tables",
    [
        {"database": {"url": "mysql://h/x"}},
        {"database": {"url": "postgresql+psycopg2://127.0.0.1:9/x"}},
        {"blobs": {"url": "ftp://h/x"}},
    ],
)
def test_a_url_that_cannot_be_used(tmp_path: Path, tables: dict[str, dict[str, object]]):
    before = threading.active_count()
    with pytest.raises(StorageError):
        Node.open(config_of(tmp_path, **tables))
    assert threading.active_count() == before


DYING = """
import os, sys
from pathlib import Path
from storage.blobs.open import open_blobs
store = open_blobs("", Path(sys.argv[1]))
writer = store.create()
writer.write([b"never acknowledged"])
print(writer.place(), flush=True)
store.sync([writer.key])
os._exit(9)
"""


def test_what_a_dead_process_placed_without_a_record_is_dropped(tmp_path: Path, archive_url: str):
    config = config_of(tmp_path, archive_url)
    with Node.open(config) as node:
        kept = placed(node.blobs, b"acknowledged")
        put(node.archive, kept)
    died = subprocess.run(
        [sys.executable, "-c", DYING, str(config.data_dir)], capture_output=True, text=True, check=False
    )
    assert died.returncode == 9
    with Node.open(config) as node:
        assert not has(node.blobs, died.stdout.strip())
        assert has(node.blobs, kept.blob.key)


class Recovered:
    """A blob store that finds placed blobs of dead processes."""

    def __init__(self, count: int = 1) -> None:
        self.count = count
        self.deleted: list[str] = []

    def recover(self) -> list[str]:
        return [f"instances/2026/0301/1200/x-{n}" for n in range(self.count)]

    def delete(self, key: str) -> None:
        self.deleted.append(key)


def test_a_commit_that_a_dead_process_sent_is_waited_for(postgres_url: str):
    archive = Archive.open(postgres_url)
    blobs = Recovered()
    with archive.begin() as late:  # the server is at work on it, though its client is gone
        late.quarantine.add(Quarantined(blobs.recover()[0], 1, "", "cut off", Origin(Way.DIMSE), NOW))
        thread = threading.Thread(target=recover, args=(archive, blobs))
        thread.start()
        _wait_for_a_lock(archive)
        late.commit()
    thread.join(60)
    assert blobs.deleted == []
    archive.close()


def _wait_for_a_lock(archive: Archive) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        with archive.read() as tx:
            if tx.connection.execute(text("SELECT count(*) FROM pg_locks WHERE NOT granted")).scalar_one():
                return
        time.sleep(0.02)
    pytest.fail("nobody waits")


def test_what_nobody_committed_is_dropped_on_both_databases(archive: Archive):
    blobs = Recovered()
    recover(archive, blobs)  # type: ignore[arg-type]
    assert blobs.deleted == blobs.recover()


def test_more_than_a_crash_leaves_is_left_to_a_person(archive: Archive):
    blobs = Recovered(CRASH_LEAVES + 1)  # as after putting an older copy of the database back
    recover(archive, blobs)  # type: ignore[arg-type]
    assert blobs.deleted == []


def test_a_node_can_be_opened_without_dropping_anything(tmp_path: Path, archive_url: str):
    config = config_of(tmp_path, archive_url)
    command = [sys.executable, "-c", DYING, str(config.data_dir)]
    died = subprocess.run(command, capture_output=True, text=True, check=False)
    with Node.open(config, recovering=False) as node:
        assert has(node.blobs, died.stdout.strip())


def test_it_is_closed_with_everything_written(tmp_path: Path, archive_url: str):
    node = Node.open(config_of(tmp_path, archive_url))
    node.callers.note("CT1", "a", [], refused=False)
    with node.archive.begin() as tx:
        tx.peers.add(Peer("x", "X", "h", 1, NOW))
        tx.commit()
    node.close()
    with Node.open(config_of(tmp_path, archive_url)) as again:
        assert [caller.ae_title for caller in again.callers.list()] == ["CT1"]
