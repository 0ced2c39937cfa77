"""A loop looks when it is time and when it is woken, and nothing but its end ends it."""

import threading
from collections.abc import Callable, Iterator

import pytest

from node.run import loops
from node.run.loops import Loop
from storage.archive import Archive
from storage.errors import Unavailable
from tests.support.delivering import until

Start = Callable[[Callable[[], float]], Loop]


@pytest.fixture
def start(archive: Archive) -> Iterator[Start]:
    made: list[Loop] = []

    def begin(look: Callable[[], float]) -> Loop:
        loop = Loop("test", look, archive.waker())
        made.append(loop)
        loop.start()
        return loop

    yield begin
    for loop in made:
        loop.stop()


def test_it_looks_again_at_once_or_when_it_is_time(start: Start) -> None:
    sleeps = iter([0.0, 0.0, 0.05])
    looked = threading.Semaphore(0)

    def look() -> float:
        looked.release()
        return next(sleeps, 3600.0)

    start(look)
    for _ in range(4):
        assert looked.acquire(timeout=60)


def test_it_is_woken_by_a_bell(start: Start, archive: Archive) -> None:
    looks: list[int] = []

    def look() -> float:
        looks.append(1)
        return 3600.0

    start(look)
    until(lambda: len(looks) >= 2)  # the second when it has begun to listen
    seen = len(looks)

    def rung() -> bool:
        with archive.begin() as tx:
            tx.ring()
            tx.commit()
        return len(looks) > seen

    until(rung)


@pytest.mark.parametrize("error", [Unavailable("the database is away"), ValueError("a fault of ours")])
def test_nothing_that_is_raised_ends_it(
    start: Start, error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loops, "_AWAY", 0.01)
    looks: list[int] = []

    def look() -> float:
        looks.append(1)
        if len(looks) < 4:
            raise error
        return 3600.0

    start(look)
    until(lambda: len(looks) >= 4)


def test_its_end_waits_for_the_look_that_is_being_taken(archive: Archive) -> None:
    begun, done = threading.Event(), threading.Event()

    def look() -> float:
        begun.set()
        done.wait(0.2)
        done.set()
        return 3600.0

    loop = Loop("test", look, archive.waker())
    loop.start()
    begun.wait(60)
    loop.stop()
    assert done.is_set()
