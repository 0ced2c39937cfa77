import multiprocessing

import pytest

from storage.blobs.keys import KeyMaker, check_key, is_key, minute_folder, new_token
from storage.errors import NotFound


def test_a_key_tells_the_minute_and_the_writer():
    now = 951868799.9  # 2000-02-29 23:59:59.9
    maker = KeyMaker(clock=lambda: now, token="0123456789ab")
    assert maker.next("instances") == "instances/2000/0229/2359/0123456789ab-0"
    now += 0.1
    assert maker.next("quarantine") == "quarantine/2000/0301/0000/0123456789ab-1"
    assert maker.next("instances") == "instances/2000/0301/0000/0123456789ab-2"


def test_what_is_made_is_a_key():
    maker = KeyMaker()
    for _ in range(300):
        key = maker.next("instances")
        assert is_key(key)
        assert check_key(key) == key


def test_no_two_makers_have_a_token():
    assert len({new_token() for _ in range(1000)}) == 1000


def test_an_error_does_not_repeat_a_long_text():
    with pytest.raises(NotFound) as caught:
        check_key("x" * 100_000)
    assert len(str(caught.value)) < 200


def test_a_forked_child_knows_that_the_maker_is_its_parents():
    maker = KeyMaker()
    assert not maker.is_inherited
    context = multiprocessing.get_context("fork")
    queue = context.SimpleQueue()
    child = context.Process(target=lambda: queue.put(maker.is_inherited))
    child.start()
    child.join()
    assert queue.get() is True


def test_folders_sort_as_time_does():
    minutes = range(0, 60_000_000, 7_919_000)
    folders = [minute_folder("instances", minute) for minute in minutes]
    assert folders == sorted(folders)
