import os
from datetime import timedelta
from pathlib import Path

import pytest

from node.core import clock
from node.jobs import scrub
from node.jobs.task import Stopped, Task
from node.root import Node
from storage.blobs.protocol import BlobReader
from storage.errors import Unavailable
from storage.records.trail import Event
from tests.support.arrivals import arrival, placed, put
from tests.support.opened import claim, enqueue, keep, path_of, quarantine


def night(node: Node) -> Task:
    """Run one night's job to its end."""
    enqueue(node, "scrub")
    task = Task(node, claim(node, "scrub"))
    scrub.run(task)
    return task


def place(node: Node) -> scrub.Place:
    with node.archive.read() as tx:
        return scrub.Place.read(tx.bookmarks.get(scrub.BOOKMARK), clock.now())


def events(node: Node, kind: str = "instance.damaged") -> list[Event]:
    with node.archive.read() as tx:
        return tx.events.list(kind=kind)


def flip(path: Path) -> None:
    """Change one bit of the last byte."""
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.chmod(0o600)
    path.write_bytes(content)


def later(monkeypatch: pytest.MonkeyPatch, **delta: float) -> None:
    now = clock.now()
    monkeypatch.setattr(clock, "now", lambda: now + timedelta(**delta))


def whole_round(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    for _ in range(4):
        night(node)
        later(monkeypatch, days=1)


def test_an_empty_archive_is_read_at_once(node: Node):
    night(node)
    assert events(node) == []
    assert place(node).left == 0


def test_what_is_as_it_was_is_left_alone(node: Node):
    keys = keep(node, 3)
    before = [path_of(node, key).stat().st_mtime_ns for key in keys]
    for _ in range(5):
        night(node)
    assert events(node) == []
    assert [path_of(node, key).stat().st_mtime_ns for key in keys] == before


def test_the_whole_archive_is_read_in_the_days_configured(node: Node, monkeypatch: pytest.MonkeyPatch):
    keys = keep(node, 10)  # in 4 days: 3, 3, 2, 2
    for key in keys:
        flip(path_of(node, key))
    seen = []
    for _ in range(4):
        night(node)
        seen.append(len(events(node)))
        later(monkeypatch, days=1)
    assert seen == [3, 6, 8, 10]
    assert len({event.sop_instance_uid for event in events(node)}) == 10
    night(node)  # another round begins
    assert len(events(node)) == 13


def test_missed_nights_are_made_up_for(node: Node, monkeypatch: pytest.MonkeyPatch):
    for key in keep(node, 10):
        flip(path_of(node, key))
    night(node)
    later(monkeypatch, days=3.5)
    night(node)
    assert len(events(node)) == 10


def test_what_came_after_the_round_began_is_read_too(node: Node, monkeypatch: pytest.MonkeyPatch):
    keep(node, 4)
    night(node)
    for key in keep(node, 2, study=2):
        flip(path_of(node, key))
    for _ in range(3):
        later(monkeypatch, days=1)
        night(node)
    assert len(events(node)) == 2


def test_every_kind_of_damage_is_told(node: Node, monkeypatch: pytest.MonkeyPatch):
    changed, cut, gone, good = (path_of(node, key) for key in keep(node, 4))
    flip(changed)
    os.truncate(cut, cut.stat().st_size - 1)
    gone.unlink()
    whole_round(node, monkeypatch)
    faults = {event.sop_instance_uid: event.detail for event in events(node)}
    assert {uid: detail["fault"] for uid, detail in faults.items()} == {
        "1.2.1.1.0": "damaged",
        "1.2.1.1.1": "damaged",
        "1.2.1.1.2": "missing",
    }
    assert "SHA-256" in faults["1.2.1.1.0"]["words"]
    assert events(node)[0].study_instance_uid == "1.2.1"
    assert good.exists()


def test_conflicts_and_the_quarantine_are_read_too(node: Node, monkeypatch: pytest.MonkeyPatch):
    keep(node, 1)
    other = placed(node.blobs, b"another dataset", number=0, as_conflict=True)
    put(node.archive, other)
    put(node.archive, arrival(number=7, PatientID="P2", blob=other.blob))  # another patient, same study
    flip(path_of(node, other.blob.key))
    flip(path_of(node, quarantine(node)))
    whole_round(node, monkeypatch)
    assert [event.sop_instance_uid for event in events(node, "conflict.damaged")] == ["1.2.1.1.0"]
    assert [event.detail["fault"] for event in events(node, "quarantine.damaged")] == ["damaged"]


def test_a_job_that_was_interrupted_goes_on_where_it_stopped(node: Node, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(scrub, "_PAGE", 2)
    keys = keep(node, 20)  # 5 a night
    flip(path_of(node, keys[0]))
    enqueue(node, "scrub")
    task = Task(node, claim(node, "scrub"))
    advance = scrub._advance

    def stop_after(task: Task, *rest: object) -> scrub.Place:
        task.stop()
        return advance(task, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(scrub, "_advance", stop_after)
    with pytest.raises(Stopped):
        scrub.run(task)
    assert (place(node).left, len(events(node))) == (3, 1)
    monkeypatch.setattr(scrub, "_advance", advance)
    scrub.run(Task(node, task.job))
    assert (place(node).left, len(events(node))) == (0, 1)
    assert place(node).row == 5


def test_an_interruption_is_noticed_within_a_blob(node: Node):
    keep(node, 1)
    enqueue(node, "scrub")
    task = Task(node, claim(node, "scrub"))
    task.stop()
    with pytest.raises(Stopped):
        scrub.run(task)
    assert place(node).left == 1


def test_a_record_removed_meanwhile_is_no_damage(node: Node):
    (key,) = keep(node, 1)
    path_of(node, key).unlink()
    enqueue(node, "scrub")
    task = Task(node, claim(node, "scrub"))
    begun = scrub._begin(task)
    with node.archive.read() as tx:
        items = scrub._instances(tx, 0, 10)
    faults = dict(scrub._faults(task, items))
    with node.archive.begin() as tx:
        tx.connection.exec_driver_sql("DELETE FROM arrival")
        tx.connection.exec_driver_sql("DELETE FROM instance")
        tx.commit()
    assert len(faults) == 1
    scrub._advance(task, begun, items, faults)
    assert events(node) == []


def test_one_blob_that_cannot_be_read_is_damage_and_many_are_an_outage(
    node: Node, monkeypatch: pytest.MonkeyPatch
):
    keys = keep(node, 20)  # 5 a night
    sick = set(keys)
    open_blob = node.blobs.open

    def open_sick(key: str) -> BlobReader:
        if key in sick:
            raise Unavailable("blob store: Input/output error while reading")
        return open_blob(key)

    monkeypatch.setattr(node.blobs, "open", open_sick)
    enqueue(node, "scrub")
    task = Task(node, claim(node, "scrub"))
    with pytest.raises(Unavailable):
        scrub.run(task)
    assert events(node) == []
    assert place(node).row == 0
    sick -= {keys[1], keys[4]}
    scrub.run(task)
    assert [event.sop_instance_uid for event in events(node)] == ["1.2.1.1.0", "1.2.1.1.2", "1.2.1.1.3"]
    assert "cannot be read" in events(node)[0].detail["words"]
