"""How soon a worker that has nothing to do begins to deliver what another process queues."""

import contextlib
import socket
import statistics
import threading
import time
from collections.abc import Iterator
from pathlib import Path

from benchmarks import peers
from benchmarks.data import write_load
from benchmarks.ingest import Load, send
from benchmarks.report import Table
from node.config import load
from node.core import clock
from scu.wire.channel import Channel
from scu.wire.command import CommandField, response_to
from scu.wire.errors import ReleaseRequested, WireError
from scu.wire.link import Link
from scu.wire.negotiate import Answer, choose, decode_request, encode_accept
from storage.archive import Archive
from storage.records.deliveries import NewDelivery
from storage.records.subjects import Subject
from storage.transaction import Transaction

_PATIENCE = 60.0  # seconds
_SYNTAXES = frozenset(("1.2.840.10008.1.2", "1.2.840.10008.1.2.1"))


class _Peer:
    """Takes everything, and notes when each C-STORE-RQ came."""

    def __init__(self) -> None:
        self.came: dict[str, float] = {}
        self._changed = threading.Condition()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._links: list[Link] = []
        threading.Thread(target=self._listen, daemon=True).start()

    def wait(self, uid: str) -> float:
        """Return the moment at which an instance was announced."""
        with self._changed:
            if not self._changed.wait_for(lambda: uid in self.came, _PATIENCE):
                raise RuntimeError(f"{uid} was not delivered within {_PATIENCE:.0f} s")
            return self.came[uid]

    def close(self) -> None:
        """Hang up."""
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for link in self._links:
            link.close()

    def _listen(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                sock, _ = self._listener.accept()
                threading.Thread(target=self._converse, args=(sock,), daemon=True).start()

    def _converse(self, sock: socket.socket) -> None:
        link = Link(sock, max_pdu=65536, idle_timeout=300, pdu_timeout=60)
        self._links.append(link)
        with contextlib.suppress(WireError):
            request = decode_request(bytes(link.next_pdu()[1]))
            contexts, refused = choose(
                request.proposals, {each.abstract_syntax: _SYNTAXES for each in request.proposals}
            )
            channel = Channel(link, contexts, request.max_pdu)
            link.send([encode_accept(request, Answer(contexts, refused, max_pdu=65536))])
            try:
                while True:
                    self._take(channel)
            except ReleaseRequested:
                channel.answer_release()
                link.linger(5)
        link.close()

    def _take(self, channel: Channel) -> None:
        message = channel.receive()
        if message.command.field == CommandField.C_STORE_RQ:
            with self._changed:
                self.came[message.command.affected_sop_instance_uid] = time.perf_counter()
                self._changed.notify_all()
        channel.skip_dataset()
        channel.send(message.context, response_to(message.command, 0x0000))


def measure(folder: Path, share: int) -> Table:
    """Return the median of the milliseconds from a commit to the C-STORE-RQ, of 50 one after the other."""
    count = max(50 // share, 5)
    table = Table(f"From the commit of a delivery to its C-STORE-RQ at the peer, median of {count}", "ms")
    loads = Load("39 KB", write_load(folder / "load", 1, count, 138, 1), count)
    # A worker that keeps its association is quicker than one that must call first.
    for column, idle, pause in (("association stands", 60.0, 0.1), ("new association", 0.05, 0.4)):
        with _node(folder / column.replace(" ", "-"), idle, loads) as (archive, peer):
            took = []
            for each in _subjects(archive):
                time.sleep(pause)
                took.append(_once(archive, peer, each))
        table.put("isocentre", column, statistics.median(took[1:]) * 1000)
    return table


@contextlib.contextmanager
def _node(folder: Path, idle: float, loads: Load) -> Iterator[tuple[Archive, _Peer]]:
    """Run a node with instances in it that go to nobody yet; its records, and the peer."""
    peer = _Peer()
    try:
        with peers.isocentre(folder, peer.port, command="serve", delivery={"idle_seconds": idle}) as node:
            send(loads, node, True)
            archive = Archive.open(load(node.folder / "config.toml", environ={}).database_url)
            with contextlib.closing(archive):
                yield archive, peer
    finally:
        peer.close()


def _subjects(archive: Archive) -> list[Subject]:
    with archive.read() as tx:
        found = [tx.subjects.by_uid(each.sop_instance_uid) for _, each in tx.instances.page(0, 1000)]
    return [each for each in found if each is not None]


def _once(archive: Archive, peer: _Peer, subject: Subject) -> float:
    """Queue one instance; return the seconds until it is announced to the peer."""
    with archive.begin() as tx:
        _queue(tx, subject)
        tx.commit()
        committed = time.perf_counter()
    return peer.wait(subject.sop_instance_uid) - committed


def _queue(tx: Transaction, subject: Subject) -> None:
    place = subject.place
    new = NewDelivery(
        place.instance_row,
        place.series_row,
        place.study_row,
        subject.instance_number,
        "benchdest",
        50,
        clock.now(),
        ("benchmark",),
    )
    tx.deliveries.add([new])
