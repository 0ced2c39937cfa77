"""What is acknowledged comes into the index, once, whatever happens in between."""

import os
import subprocess
import sys
import threading
import time

import pytest

from node.indexing import indexer as indexers
from node.indexing.batch import Stopped
from node.root import Node
from storage.errors import Unavailable
from storage.records.arrival import Arrival, Verdict
from tests.support.arrivals import rows
from tests.support.noted import Noted


def assert_indexed(noted: Noted, *arrivals: Arrival) -> None:
    for each in arrivals:
        assert noted.blob_of(each.sop_instance_uid) == each.blob
    assert rows(noted.archive, "SELECT count(*) FROM instance") == [(len(arrivals),)]
    noted.assert_clean()


def test_what_is_acknowledged_comes_into_the_index(noted: Noted):
    made = [noted.acknowledge(n) for n in range(150)]
    assert noted.blob_of(made[0].sop_instance_uid) is None
    noted.look()
    assert_indexed(noted, *made)
    assert noted.log.pages.behind() == 0
    assert noted.journal.settle(0)


def test_one_that_begins_anew_goes_on_where_the_last_one_was(noted: Noted):
    first = noted.acknowledge(1)
    noted.look()
    noted.indexer.close()
    second = noted.acknowledge(2)
    noted.indexer = noted.another()
    noted.look()
    assert_indexed(noted, first, second)
    assert rows(noted.archive, "SELECT count(*) FROM arrival") == [(2,)]


def test_it_wakes_when_something_comes_and_when_somebody_waits(noted: Noted):
    thread = threading.Thread(target=noted.indexer.run)
    thread.start()
    for n in range(20):
        noted.acknowledge(n)
        if n % 5 == 0:
            assert noted.journal.settle(60)
    assert noted.journal.settle(60)
    noted.indexer.stop()
    thread.join(60)
    assert rows(noted.archive, "SELECT count(*) FROM instance") == [(20,)]
    noted.indexer = noted.another()


def test_what_a_dead_process_left_is_taken_and_its_log_forgotten(noted: Noted):
    made = [noted.acknowledge(n) for n in range(70)]
    noted.die()
    noted.restart()
    assert_indexed(noted, *made)
    assert noted.log.pages.tokens() == []
    assert rows(noted.archive, "SELECT count(*) FROM bookmark WHERE substr(name, 1, 4) = 'log '") == [(0,)]
    noted.restart()
    assert_indexed(noted, *made)


def test_what_came_only_in_part_is_left_out(noted: Noted):
    whole = noted.acknowledge(1)
    torn = noted.acknowledge(2)
    (token,) = noted.log.pages.tokens()
    name = torn.blob.key.split("-")
    path = noted.config.data_dir / "blobs" / ".log" / token / name[2]
    with open(path, "r+b") as file:
        file.seek(int(name[3], 16) + 256 + 6)
        file.write(b"\0")
    noted.die()
    noted.restart()
    assert noted.blob_of(whole.sop_instance_uid) == whole.blob
    assert noted.blob_of(torn.sop_instance_uid) is None


def test_a_page_whose_numbers_the_power_cut_took_does_not_matter(noted: Noted):
    made = [noted.acknowledge(n) for n in range(3)]
    (token,) = noted.log.pages.tokens()
    noted.die()
    (noted.config.data_dir / "blobs" / ".log" / ".pages" / token).write_bytes(bytes(4096))
    noted.restart()
    assert_indexed(noted, *made)


def test_an_older_database_gets_what_the_logs_have_beyond_it(noted: Noted):
    made = [noted.acknowledge(1)]
    noted.look()
    with noted.archive.begin() as tx:  # as it was before
        tx.discards.discard(1, "a test", "a test", made[0].received_at)
        tx.connection.exec_driver_sql("DELETE FROM bookmark")
        tx.commit()
    made.append(noted.acknowledge(2))
    noted.die()
    noted.restart()
    assert_indexed(noted, *made)


def test_while_another_leads_a_start_leaves_it_to_that_one(noted: Noted, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(indexers, "_GRACE", 0.1)
    made = noted.acknowledge(1)
    noted.die()
    with noted.log.pages.lead(wait=False) as leads:
        assert leads
        noted.restart()
    assert noted.blob_of(made.sop_instance_uid) is None
    noted.restart()
    assert_indexed(noted, made)


def test_a_start_does_not_wait_for_ever(noted: Noted, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(indexers, "_PATIENCE", 0.2)
    made = noted.acknowledge(1)
    noted.die()

    def full(*_: object) -> None:
        raise Unavailable("the database does not take it")

    with monkeypatch.context() as patch:
        patch.setattr("storage.repos.arrivals.ArrivalsRepo.record", full)
        noted.restart()
    noted.restart()
    assert_indexed(noted, made)


def test_a_database_that_is_away_costs_time_and_nothing_else(noted: Noted, monkeypatch: pytest.MonkeyPatch):
    made = [noted.acknowledge(n) for n in range(5)]
    real, tries = noted.lazy.begin, []

    def away(**options: bool) -> object:
        tries.append(1)
        if len(tries) < 4:
            raise Unavailable("away")
        return real(**options)

    monkeypatch.setattr(noted.lazy, "begin", away)
    noted.look()
    assert len(tries) >= 4
    assert_indexed(noted, *made)


def test_waiting_for_the_database_ends_when_it_is_told_to_stop(noted: Noted, monkeypatch: pytest.MonkeyPatch):
    made = noted.acknowledge(1)

    def away(**_: bool) -> object:
        noted.indexer.stop()
        raise Unavailable("away")

    with monkeypatch.context() as patch:
        patch.setattr(noted.lazy, "begin", away)
        with pytest.raises(Stopped):
            noted.look()
    noted.indexer.close()
    noted.indexer = noted.another()
    noted.look()
    assert_indexed(noted, made)


DYING = """
import os, sys
from pathlib import Path
from node.config import load
from tests.support.noted import Noted
noted = Noted(load(Path(sys.argv[1]), environ={}))
for n in range(30):
    print(noted.acknowledge(n).sop_instance_uid, flush=True)
name, _, method = sys.argv[2].rpartition(".")
module, _, owner = name.rpartition(".")
target = getattr(__import__(module, fromlist=[owner]), owner)
real = getattr(target, method)
def dying(*args, **options):
    if sys.argv[3] == "after":
        real(*args, **options)
    os._exit(9)
setattr(target, method, dying)
noted.look()
"""


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("step", ["storage.transaction.Transaction.commit", "node.indexing.source.Log.saved"])
def test_dying_between_any_two_steps_neither_loses_nor_doubles(noted: Noted, step: str, when: str):
    config = noted.config.data_dir.parent / "config.toml"
    died = subprocess.run(
        [sys.executable, "-c", DYING, str(config), step, when],
        capture_output=True,
        text=True,
        check=False,
        cwd=os.getcwd(),
    )
    assert died.returncode == 9, died.stderr
    uids = died.stdout.split()
    assert len(uids) == 30
    noted.restart()
    assert all(noted.blob_of(uid) for uid in uids)
    assert rows(noted.archive, "SELECT count(*) FROM arrival") == [(30,)]
    noted.assert_clean()


def test_duplicates_keep_one_blob(noted: Noted):
    first = noted.acknowledge(1)
    noted.acknowledge(1)
    noted.look()
    noted.acknowledge(1)
    noted.look()
    assert list(noted.log.keys()) == [first.blob.key]
    assert rows(noted.archive, "SELECT verdict FROM arrival ORDER BY id") == [
        (Verdict.STORED.value,),
        (Verdict.DUPLICATE.value,),
        (Verdict.DUPLICATE.value,),
    ]
    assert_indexed(noted, first)


def test_another_content_is_a_conflict_and_both_are_kept(noted: Noted):
    first = noted.acknowledge(1, b"one")
    noted.acknowledge(1, b"another")
    other = noted.acknowledge(2)
    noted.look()
    assert_indexed(noted, first, other)
    assert len(list(noted.log.keys())) == 3
    with noted.archive.read() as tx:
        assert len(tx.conflicts.list(limit=10)) == 1


def test_a_node_with_a_journal_waits_for_nobody_when_it_closes(noted: Noted):
    with Node.open(noted.config) as node:
        node.keep_notes()
        assert node.ingest.settle()


def test_what_the_database_lost_while_nothing_came_is_noticed(noted: Noted, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(indexers, "_FLUSHED", 0.0)
    monkeypatch.setattr(indexers, "_AWAY", 0.01)
    monkeypatch.setattr(indexers, "_LOOK_AGAIN", 0.05)
    made = noted.acknowledge(1)
    noted.look()
    with noted.archive.begin() as tx:  # as a server that was killed comes back
        tx.discards.discard(1, "a test", "a test", made.received_at)
        tx.connection.exec_driver_sql("DELETE FROM bookmark")
        tx.commit()
    thread = threading.Thread(target=noted.indexer.run)
    thread.start()
    deadline = time.monotonic() + 60
    while noted.blob_of(made.sop_instance_uid) is None and time.monotonic() < deadline:
        time.sleep(0.02)
    noted.indexer.stop()
    thread.join(60)
    noted.indexer = noted.another()
    assert_indexed(noted, made)
