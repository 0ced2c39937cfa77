"""What one process queues is picked up by an idle worker of another at once: nobody has to look for it."""

import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from node.delivery.dispatcher import Dispatcher
from node.run import loops
from node.run.loops import Loop
from storage.records.deliveries import DeliveryState
from tests.support.caller import call, store
from tests.support.delivering import Sender
from tests.support.forwarding import put_forwarding_in_force
from tests.support.node import NodeProcess
from tests.support.receiving import receiving
from tests.support.samples import ct, encode

HOUR = 3600.0
"""Longer than any test may take: who sleeps so long has been woken when it acts."""


class _Sleeper:
    """A dispatcher that never looks by itself.

    Attributes
    ----------
    listens
        Set once it has looked while it was listening: what is queued from then on must wake it.
    """

    def __init__(self, dispatcher: Dispatcher) -> None:
        self.listens = threading.Event()
        self._dispatcher = dispatcher
        self._looks = 0

    def look(self) -> float:
        self._looks += 1
        wait = self._dispatcher.look()
        if self._looks > 1:  # the first wait ends at once, when it begins to listen
            self.listens.set()
        return HOUR if wait else 0.0


def test_an_idle_worker_is_woken_by_an_arrival_in_another_process(
    monkeypatch: pytest.MonkeyPatch,
    start_sender: Callable[..., Sender],
    start_process: Callable[..., NodeProcess],
    tmp_path: Path,
) -> None:
    monkeypatch.setattr(loops, "_LONGEST", HOUR)
    with receiving() as peer:
        sender = start_sender()
        put_forwarding_in_force(sender.node.archive, {"pacs": peer.port})
        process = start_process(tmp_path / "config.toml")
        dispatcher = Dispatcher(sender.node, "sleeper")
        sleeper = _Sleeper(dispatcher)
        loop = Loop("delivery", sleeper.look, sender.node.archive.waker())
        loop.start()
        try:
            assert sleeper.listens.wait(60)
            for number in (1, 2, 3):  # it does not hold the destination yet, then does and is idle
                dataset = ct(number)
                with call(process.port) as channel:
                    assert store(channel, encode(dataset), str(dataset.SOPInstanceUID)) == (0, "")
                peer.wait(lambda number=number: len(peer.receptions) == number)
                sender.wait("pacs", DeliveryState.DELIVERED)
        finally:
            loop.stop()
            dispatcher.stop()
        assert process.stop() == 0
