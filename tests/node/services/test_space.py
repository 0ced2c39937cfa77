import pytest

from node.services.space import Space
from storage.blobs.memory import MemoryStore
from storage.errors import OutOfSpace, Unavailable
from tests.support.ingest import Trouble, TroubledStore

MIB = 1 << 20


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def make(left: int | None, floor: int = MIB, held: int = 0) -> tuple[Space, Trouble, Clock]:
    trouble, clock = Trouble(left=left), Clock()
    return Space(TroubledStore(MemoryStore(), trouble), floor=floor, held=held, clock=clock), trouble, clock


def test_a_store_without_limit_has_room():
    space, _, _ = make(None)
    space.take(1 << 60)


def test_the_floor_is_left():
    space, _, _ = make(3 * MIB)
    space.take(2 * MIB)
    with pytest.raises(OutOfSpace):
        space.take(1)


def test_the_store_is_asked_at_most_ten_times_a_second():
    space, trouble, clock = make(10 * MIB)
    for _ in range(100):
        space.take(10)
    assert trouble.asked == 1
    clock.now += 0.11
    space.take(10)
    assert trouble.asked == 2


def test_space_that_comes_back_is_seen():
    space, trouble, clock = make(0)
    with pytest.raises(OutOfSpace):
        space.take(1)
    trouble.left = 10 * MIB
    clock.now += 0.11
    space.take(1)


def test_what_other_receptions_hold_is_reckoned_with():
    space, _, _ = make(3 * MIB, held=MIB)
    space.enter()
    space.enter()
    with pytest.raises(OutOfSpace):
        space.take(MIB + 1)
    space.leave()
    space.take(2 * MIB)


def test_a_store_that_cannot_say():
    space, trouble, _ = make(0)
    trouble.errors["free"] = Unavailable("gone")
    with pytest.raises(Unavailable):
        space.take(1)
