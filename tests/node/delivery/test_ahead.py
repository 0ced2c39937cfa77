"""What is read ahead: in order, each once, and never more than may be held."""

import threading
import time
from datetime import UTC, datetime
from typing import cast

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from node.delivery import ahead
from node.delivery.ahead import HELD_MAX, THREAD_MIN, Ahead
from node.delivery.loading import Loaded, Loader, Unfit
from storage.records.arrival import BlobRef
from storage.records.objects import StoredInstance

BIG = 1 << 20


def instance(number: int, size: int) -> StoredInstance:
    blob = BlobRef(f"key {number}", 0, size, "")
    return StoredInstance("1.2", f"1.2.{number}", "1.2.840.10008.1.2", blob, "", "", datetime.now(UTC))


@pytest.fixture(autouse=True)
def cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ahead, "CORES_MIN", 1)


class Notes:
    """A loader that makes nothing, and notes who was asked for and by which thread."""

    def __init__(self, unfit: str = "") -> None:
        self.asked: list[str] = []
        self.threads: set[int] = set()
        self._unfit = unfit

    def load(self, asked: StoredInstance) -> Loaded:
        self.asked.append(asked.sop_instance_uid)
        self.threads.add(threading.get_ident())
        if asked.sop_instance_uid == self._unfit:
            raise Unfit("so it is")
        return cast(Loaded, asked.sop_instance_uid)


def opened(notes: Notes, sizes: list[int]) -> Ahead:
    return Ahead(cast(Loader, notes), [instance(number, size) for number, size in enumerate(sizes)])


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.sampled_from([0, 1000, THREAD_MIN, BIG, HELD_MAX + 1, 1 << 30]), max_size=12))
def test_all_come_in_order_each_once(sizes: list[int]) -> None:
    notes = Notes()
    with opened(notes, sizes) as source:
        got = []
        for _ in sizes:
            got.append(source.take())
            source.prepare()
        with pytest.raises(IndexError):
            source.take()
    assert got == notes.asked == [f"1.2.{number}" for number in range(len(sizes))]


def test_small_ones_need_no_thread() -> None:
    notes = Notes()
    with opened(notes, [1000] * 4) as source:
        source.take()
        assert notes.asked == ["1.2.0"]
        source.prepare()
        source.prepare()
        assert notes.asked == ["1.2.0", "1.2.1"]
        assert source.take() == "1.2.1"
    assert notes.threads == {threading.get_ident()}


def test_large_ones_are_read_by_another_thread_up_to_what_may_be_held() -> None:
    notes = Notes()
    with opened(notes, [BIG] * 20) as source:
        source.take()
        most = 1 + HELD_MAX // BIG
        while len(notes.asked) < most:
            time.sleep(0.001)
        time.sleep(0.05)
        assert len(notes.asked) == most
    assert len(notes.threads) == 2
    assert not [thread for thread in threading.enumerate() if thread.name == "read ahead"]


def test_where_cores_are_few_no_thread_is_started(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ahead, "CORES_MIN", 1 << 20)
    notes = Notes()
    with opened(notes, [BIG] * 3) as source:
        for _ in range(3):
            source.take()
            source.prepare()
    assert notes.threads == {threading.get_ident()}


def test_what_is_unfit_is_told_in_its_turn() -> None:
    with opened(Notes("1.2.2"), [BIG] * 4) as source:
        got = [source.take() for _ in range(4)]
    assert [isinstance(each, Unfit) for each in got] == [False, False, True, False]


def test_a_reader_that_fails_does_not_leave_anybody_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[object] = []
    monkeypatch.setattr(threading, "excepthook", lambda arguments: said.append(arguments.exc_type))
    monkeypatch.setattr(ahead, "_size", lambda _: 1 // 0)
    with opened(Notes(), [BIG] * 3) as source:
        source.take()
        with pytest.raises(IndexError):
            source.take()
    assert said == [ZeroDivisionError]
