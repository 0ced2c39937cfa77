"""The receivers that are measured, and how they are met: Nagle's algorithm on or off, plain or by TLS."""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from benchmarks import certificate, peers, postgres
from benchmarks.certificate import Certificate
from benchmarks.report import OURS

TWO = f"{OURS}, 2 processes"
ORTHANC = "Orthanc"
STORESCP = "dcmtk storescp (no index, no sync)"
DCMQRSCP = "dcmtk dcmqrscp (flat index, no sync)"

Receiver = contextlib.AbstractContextManager[peers.Peer]


@dataclass(frozen=True)
class Way:
    """How sender and receivers meet.

    Attributes
    ----------
    sender, peers
        Nagle's algorithm is off (TCP_NODELAY=1) at the sender, and at the receivers other than ours, which
        turns it off itself.
    """

    title: str
    sender: bool
    peers: bool
    tls: bool = False

    def waits(self, name: str) -> bool:
        """Tell whether a receiver waits 40 ms for each message: then few show the same as many."""
        return not self.sender and not name.startswith(OURS)


SHIPPED = Way("everyone as shipped", sender=False, peers=False)
SENDER = Way("sender as shipped, TCP_NODELAY=1 for the peers", sender=False, peers=True)
FAST = Way("TCP_NODELAY=1 for sender and peers", sender=True, peers=True)
TLS = Way("by TLS, TCP_NODELAY=1 for sender and peers", sender=True, peers=True, tls=True)


class Receivers:
    """All receivers that are installed; says what is not."""

    def __init__(self, folder: Path) -> None:
        self._tls = certificate.make(folder / "tls")
        if self._tls is None:
            print("  the openssl program is not installed: TLS is left out")
        self._cluster: postgres.Cluster | None = None
        try:
            self._cluster = postgres.Cluster(folder / "postgres")
        except postgres.Missing as missing:
            print(f"  {missing}: PostgreSQL is left out")
        for name in (ORTHANC, "storescp", "dcmqrscp"):
            if not peers.program(name):
                print(f"  {name} is not installed: left out")

    def met(self, way: Way, folder: Path) -> Iterator[tuple[str, Receiver]]:
        """Yield the names of those that are met in this way, ours first, and how to run them in `folder`."""
        tls = self._tls if way.tls else None
        if way.tls and tls is None:
            return
        yield OURS, peers.isocentre(folder, tls=tls)
        if not way.tls and way is not SENDER:
            yield TWO, peers.isocentre(folder, processes=2)
            if self._cluster:
                for processes, suffix in ((1, ""), (2, ", 2 processes")):
                    node = _on_postgres(self._cluster, folder, processes)
                    yield f"{OURS}, PostgreSQL{suffix}", node
        yield from _others(way, folder, tls)


def _others(way: Way, folder: Path, tls: Certificate | None) -> Iterator[tuple[str, Receiver]]:
    if peers.program("Orthanc"):
        yield ORTHANC, peers.orthanc(folder, way.peers, tls=tls)
    if peers.program("storescp"):
        yield STORESCP, peers.storescp(folder, way.peers, tls=tls)
    if peers.program("dcmqrscp") and not way.tls and way is not SENDER:
        yield DCMQRSCP, peers.dcmqrscp(folder, way.peers)


@contextlib.contextmanager
def _on_postgres(cluster: postgres.Cluster, folder: Path, processes: int) -> Iterator[peers.Peer]:
    """This node with its records in PostgreSQL, whose processes count as the node's."""
    with cluster.running() as server, peers.isocentre(folder, url=server.url, processes=processes) as peer:
        peer.beside.append(server.pid)
        yield peer
