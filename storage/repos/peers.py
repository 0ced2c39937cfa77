"""Nodes that an administrator named."""

from typing import Any

from sqlalchemy import Connection, delete, select
from sqlalchemy.exc import IntegrityError

from storage.errors import Exists
from storage.records.network import Peer
from storage.records.tables import peer

_COLUMNS = [column for column in peer.c if column.name != "id"]


class PeersRepo:
    """The table of peers."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def add(self, new: Peer) -> None:
        """Add a peer.

        Raises
        ------
        Exists
            There is one of this name. The transaction can go on.
        """
        values = {column.name: getattr(new, column.name) for column in _COLUMNS}
        try:
            with self._connection.begin_nested():
                self._connection.execute(peer.insert(), values)
        except IntegrityError:
            raise Exists(f"peer {new.name!r} exists") from None

    def get(self, name: str) -> Peer | None:
        """Return the peer of this name."""
        row = self._connection.execute(select(*_COLUMNS).where(peer.c.name == name)).first()
        return _peer(row) if row else None

    def by_ae(self, ae_title: str) -> list[Peer]:
        """Return the peers of this AE title, by name; several nodes may share one."""
        query = select(*_COLUMNS).where(peer.c.ae_title == ae_title).order_by(peer.c.name)
        return [_peer(row) for row in self._connection.execute(query)]

    def list(self) -> list[Peer]:
        """Return all peers, by name."""
        query = select(*_COLUMNS).order_by(peer.c.name)
        return [_peer(row) for row in self._connection.execute(query)]

    def remove(self, name: str) -> bool:
        """Remove a peer; False when there is none of this name."""
        return self._connection.execute(delete(peer).where(peer.c.name == name)).rowcount > 0


def _peer(row: Any) -> Peer:
    return Peer(**row._mapping)
