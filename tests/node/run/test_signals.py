import os
import signal
import threading

from node.run.signals import STOPPING, Signals


def test_signals_are_waited_for():
    with Signals(*STOPPING) as signals:
        assert signals.wait(0) == frozenset()
        os.kill(os.getpid(), signal.SIGTERM)
        os.kill(os.getpid(), signal.SIGINT)
        came = signals.wait(60)
        while came != {signal.SIGTERM, signal.SIGINT}:
            came |= signals.wait(60)


def test_a_signal_ends_a_wait():
    with Signals(signal.SIGTERM) as signals:
        timer = threading.Timer(0.2, os.kill, [os.getpid(), signal.SIGTERM])
        timer.start()
        assert signals.wait(None) == {signal.SIGTERM}
        timer.join()


def test_what_was_set_before_is_set_again():
    before = {number: signal.getsignal(number) for number in STOPPING}
    with Signals(*STOPPING):
        assert all(signal.getsignal(number) != handler for number, handler in before.items())
    assert {number: signal.getsignal(number) for number in STOPPING} == before


def test_one_within_another_gives_back_the_outer_one():
    with Signals(signal.SIGTERM) as outer:
        with Signals(signal.SIGINT) as inner:
            os.kill(os.getpid(), signal.SIGINT)
            assert inner.wait(60) == {signal.SIGINT}
        os.kill(os.getpid(), signal.SIGTERM)
        assert outer.wait(60) == {signal.SIGTERM}
