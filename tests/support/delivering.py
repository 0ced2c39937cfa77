"""Deliveries for tests: instances in the archive, queued for peers, and a dispatcher that delivers them."""

import contextlib
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from pydicom.dataset import Dataset

from node.config import Config, load
from node.core import clock
from node.delivery.dispatcher import Dispatcher
from node.root import Node
from node.run.loops import Loop
from storage.records.arrival import Arrival, BlobRef
from storage.records.deliveries import Attempt, Delivery, DeliveryState, NewDelivery
from storage.records.network import Peer
from tests.support.arrivals import ORIGIN, place, put
from tests.support.node import write_config
from tests.support.samples import EXPLICIT, encode

SOON = 60.0
"""Seconds in which something must come; nothing is measured by it."""

QUICK = {"backoff_first": 0.05, "backoff_ceiling": 0.2, "idle_seconds": 0.2}


def until(found: Callable[[], object], what: Callable[[], object] = lambda: "it did not come") -> None:
    """Wait until `found` says something true."""
    deadline = time.monotonic() + SOON
    while not found():
        assert time.monotonic() < deadline, what()
        time.sleep(0.01)


def quick_config(folder: Path, url: str, **tables: dict[str, object]) -> Config:
    """The configuration of a node that does not wait long."""
    delivery = {**QUICK, **tables.pop("delivery", {})}
    dicom = {"connect_timeout": 5, "response_timeout": 5, "drain_timeout": 5, **tables.pop("dicom", {})}
    return load(write_config(folder, url, delivery=delivery, dicom=dicom, **tables), environ={})


class Sender:
    """A node with instances in it and a dispatcher.

    Attributes
    ----------
    rows
        SOP Instance UID to the rows of instance, series and study.
    """

    def __init__(self, node: Node) -> None:
        self.node = node
        self.rows: dict[str, Any] = {}
        self._numbers: dict[str, int] = {}

    def keep(self, *datasets: Dataset, syntax: str = EXPLICIT) -> list[str]:
        """Store these; return their SOP Instance UIDs."""
        return self.keep_encoded([(dataset, encode(dataset, syntax)) for dataset in datasets], syntax)

    def keep_encoded(self, datasets: Sequence[tuple[Dataset, bytes]], syntax: str) -> list[str]:
        """Store these, of which the bytes are given."""
        arrivals = [_arrival(dataset, place(self.node.blobs, data), syntax) for dataset, data in datasets]
        for arrival, recorded in zip(arrivals, put(self.node.archive, *arrivals), strict=True):
            self.rows[arrival.sop_instance_uid] = recorded.place
            self._numbers[arrival.sop_instance_uid] = int(arrival.attributes["InstanceNumber"])
        return [arrival.sop_instance_uid for arrival in arrivals]

    def peer(self, name: str, port: int, ae_title: str = "PEER") -> None:
        """Make a peer known."""
        with self.node.archive.begin() as tx:
            tx.peers.add(Peer(name, ae_title, "127.0.0.1", port, clock.now()))
            tx.commit()

    def move(self, name: str, port: int) -> None:
        """Say where a peer listens now."""
        with self.node.archive.begin() as tx:
            tx.peers.remove(name)
            tx.peers.add(Peer(name, "PEER", "127.0.0.1", port, clock.now()))
            tx.commit()

    def queue(self, name: str, uids: Sequence[str], **settings: Any) -> None:
        """Queue instances for a destination."""
        priority = settings.pop("priority", 50)
        news = [
            NewDelivery(
                instance_row=self.rows[uid].instance_row,
                series_row=self.rows[uid].series_row,
                study_row=self.rows[uid].study_row,
                instance_number=self._numbers[uid],
                destination=name,
                priority=priority,
                queued_at=clock.now(),
                rules=("test",),
                **settings,
            )
            for uid in uids
        ]
        with self.node.archive.begin() as tx:
            tx.deliveries.add(news)
            tx.commit()

    def set(self, name: str, **settings: Any) -> None:
        """Change settings of a destination."""
        with self.node.archive.begin() as tx:
            tx.destinations.set(name, **settings)
            tx.commit()

    def deliveries(self, name: str) -> dict[str, Delivery]:
        """What a destination is to get and has got, by SOP Instance UID."""
        with self.node.archive.read() as tx:
            return {each.sop_instance_uid: each for each in tx.ledger.list(destination=name, limit=10_000)}

    def states(self, name: str) -> dict[str, str]:
        """The state of each, by SOP Instance UID."""
        return {uid: each.state.value for uid, each in self.deliveries(name).items()}

    def attempts(self, delivery: Delivery) -> Sequence[Attempt]:
        """Earlier attempts at a delivery."""
        with self.node.archive.read() as tx:
            return tx.ledger.attempts(delivery.id)

    def destination(self, name: str) -> Any:
        """A destination as it stands."""
        with self.node.archive.read() as tx:
            return tx.destinations.get(name)

    def wait(self, name: str, state: DeliveryState, uids: Sequence[str] = ()) -> dict[str, Delivery]:
        """Wait until these, or all, are in `state`; return all."""

        def there() -> bool:
            found = self.deliveries(name)
            return bool(found) and all(found[uid].state is state for uid in uids or found)

        until(there, lambda: {uid: (each.state, each.words) for uid, each in self.deliveries(name).items()})
        return self.deliveries(name)

    @contextlib.contextmanager
    def delivering(self, worker: str = "w1", lease: float = 20.0) -> Iterator[Dispatcher]:
        """Deliver for the block."""
        dispatcher = Dispatcher(self.node, worker, timedelta(seconds=lease))
        loop = Loop("delivery", dispatcher.look, self.node.archive.waker())
        loop.start()
        try:
            yield dispatcher
        finally:
            loop.stop()
            dispatcher.stop()


def _arrival(dataset: Dataset, blob: BlobRef, syntax: str) -> Arrival:
    keywords = ("PatientID", "PatientName", "Modality", "InstanceNumber", "SeriesNumber", "StudyDate")
    return Arrival(
        sop_instance_uid=str(dataset.SOPInstanceUID),
        sop_class_uid=str(dataset.SOPClassUID),
        study_instance_uid=str(dataset.StudyInstanceUID),
        series_instance_uid=str(dataset.SeriesInstanceUID),
        transfer_syntax_uid=syntax,
        attributes={keyword: str(dataset.get(keyword, "")) for keyword in keywords},
        blob=blob,
        origin=ORIGIN,
        received_at=clock.now(),
    )


@pytest.fixture
def start_sender(tmp_path: Path, archive_url: str) -> Iterator[Callable[..., Sender]]:
    """Make senders of one archive: `start_sender(delivery={"batch": 5})`; on both databases."""
    with contextlib.ExitStack() as stack:

        def start(**tables: dict[str, object]) -> Sender:
            node = Node.open(quick_config(tmp_path, archive_url, **tables))
            return Sender(stack.enter_context(node))

        yield start


@pytest.fixture
def sender(start_sender: Callable[..., Sender]) -> Sender:
    """A node with default settings that does not wait long."""
    return start_sender()
