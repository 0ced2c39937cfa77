from node.intake.buffers import BUFFER, CAPACITY, Buffers
from node.intake.part10 import META_MAX


def test_a_buffer_has_room_for_the_header_and_the_dataset():
    assert len(Buffers().take()) == CAPACITY == META_MAX + BUFFER


def test_a_buffer_is_used_again():
    buffers = Buffers()
    one = buffers.take()
    assert buffers.take() is not one
    buffers.give(one)
    assert buffers.take() is one


def test_only_a_few_are_kept():
    buffers = Buffers()
    taken = [buffers.take() for _ in range(40)]
    for each in taken:
        buffers.give(each)
    again = [buffers.take() for _ in range(40)]
    assert 0 < sum(any(each is one for one in taken) for each in again) < 40
