"""Peers: the nodes that an administrator has named, and which of them a caller is.

An AE title is a claim; a caller is a peer only when its address is one of the peer's host as well.
Admission asks for every association, so the peers are held in memory for `FRESH` seconds.
"""

import ipaddress
import re
import socket
import threading
from collections.abc import Mapping, Sequence

import structlog

from node.config.base import check_ae_title, check_host
from node.core import clock
from node.core.errors import UserError
from storage.archive import Archive
from storage.errors import Exists, StorageError
from storage.records.network import Peer

FRESH = 2.0
"""Seconds after which a change made by another process is seen at the latest."""

_NAMES_FRESH = 60.0  # seconds that the addresses of a host name are taken for granted
_NAMES_FAILED = 10.0  # seconds until a name without an address is asked for again
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")

_log = structlog.get_logger()


class Peers:
    """The peers of one archive. Safe for use by many threads at once."""

    def __init__(self, archive: Archive) -> None:
        self._archive = archive
        self._lock = threading.Lock()
        self._by_ae: Mapping[str, Sequence[Peer]] | None = None
        self._read_at = 0.0
        self._addresses: dict[str, tuple[float, frozenset[str]]] = {}

    def add(
        self,
        name: str,
        *,
        ae_title: str,
        host: str,
        port: int,
        tls: bool = False,
        may_query: bool = True,
        may_store: bool = True,
    ) -> Peer:
        """Name a node.

        Raises
        ------
        UserError
            The name is taken, or a value is none of its kind.
        """
        if not _NAME.fullmatch(name):
            raise UserError(
                f"{name!r}: a peer's name is 1 to 64 letters, digits, dots, dashes and underscores"
            )
        if not 1 <= port <= 65535:
            raise UserError(f"port {port}: expected 1 to 65535")
        try:
            peer = Peer(
                name, check_ae_title(ae_title), check_host(host), port, clock.now(), tls, may_query, may_store
            )
        except ValueError as error:
            raise UserError(f"peer {name}: {error}") from None
        try:
            with self._archive.begin() as tx:
                tx.peers.add(peer)
                tx.ring()  # something may wait to be delivered to it
                tx.commit()
        except Exists:
            raise UserError(
                f"peer {name}: there is one of that name; remove it first, or choose another"
            ) from None
        self._forget()
        return peer

    def get(self, name: str) -> Peer:
        """Return the peer of that name.

        Raises
        ------
        UserError
            There is none.
        """
        with self._archive.read() as tx:
            peer = tx.peers.get(name)
            names = [] if peer else [each.name for each in tx.peers.list()]
        if peer is None:
            known = f"known are {', '.join(names)}" if names else "add it with isocentre peer add"
            raise UserError(f"peer {name!r} is not known; {known}")
        return peer

    def list(self) -> Sequence[Peer]:
        """Return all peers in order of name."""
        with self._archive.read() as tx:
            return tx.peers.list()

    def remove(self, name: str) -> None:
        """Forget a peer. What it sent stays.

        Raises
        ------
        UserError
            There is none of that name.
        """
        with self._archive.begin() as tx:
            removed = tx.peers.remove(name)
            tx.ring()  # whoever has an association with it ends that
            tx.commit()
        if not removed:
            raise UserError(f"peer {name!r} is not known, so there is nothing to remove")
        self._forget()

    def by_ae(self, ae_title: str) -> Sequence[Peer]:
        """Return the peers with this AE title, in order of name, as of at most `FRESH` seconds ago."""
        return self._fresh().get(ae_title.strip(" "), ())

    def known(self, ae_title: str, address: str) -> Peer | None:
        """Return the peer that a caller is, None when it is none.

        Parameters
        ----------
        ae_title
            The calling AE title.
        address
            IP address that the connection comes from.
        """
        caller = _plain(address)
        return next((peer for peer in self.by_ae(ae_title) if caller in self._addresses_of(peer.host)), None)

    def _fresh(self) -> Mapping[str, Sequence[Peer]]:
        with self._lock:
            if self._by_ae is None or clock.monotonic() - self._read_at >= FRESH:
                self._read()
            return self._by_ae or {}

    def _read(self) -> None:
        try:
            peers = self.list()
        except StorageError as error:
            if self._by_ae is None:
                raise
            # Who was known a moment ago still is; it is told apart from what the database cannot do now.
            _log.warning("peers.stale", error=str(error))
        else:
            found: dict[str, list[Peer]] = {}
            for peer in peers:
                found.setdefault(peer.ae_title, []).append(peer)
            self._by_ae = found
        self._read_at = clock.monotonic()

    def _forget(self) -> None:
        with self._lock:
            self._by_ae = None

    def _addresses_of(self, host: str) -> frozenset[str]:
        """Return the addresses of `host`. Only callers with its peer's AE title wait for its name."""
        literal = _plain(host)
        if literal != host or _is_address(host):
            return frozenset((literal,))
        until, addresses = self._addresses.get(host, (0.0, frozenset()))
        if clock.monotonic() < until:
            return addresses
        addresses = _resolve(host)
        self._addresses[host] = (
            clock.monotonic() + (_NAMES_FRESH if addresses else _NAMES_FAILED),
            addresses,
        )
        return addresses


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _plain(address: str) -> str:
    """Return an address in its one spelling; IPv4 that came through an IPv6 socket as IPv4."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return address
    mapped = parsed.ipv4_mapped if isinstance(parsed, ipaddress.IPv6Address) else None
    return str(mapped or parsed)


def _resolve(host: str) -> frozenset[str]:
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        _log.warning("peers.unresolved", host=host)
        return frozenset()
    return frozenset(_plain(str(entry[4][0])) for entry in found)
