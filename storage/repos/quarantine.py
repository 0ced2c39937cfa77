"""Datasets that were refused, kept with the reason."""

from typing import Any

from sqlalchemy import Connection, select

from storage.records.history import Quarantined
from storage.records.tables import quarantine
from storage.repos.rows import origin_of, origin_values

_PLAIN = (
    "blob_key",
    "blob_size",
    "digest",
    "reason",
    "received_at",
    "sop_class_uid",
    "sop_instance_uid",
    "transfer_syntax_uid",
)


class QuarantineRepo:
    """The table of the quarantine."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def add(self, refused: Quarantined) -> int:
        """Keep `refused`; return its id. Its blob must have been synced before the commit."""
        values = {name: getattr(refused, name) for name in _PLAIN} | origin_values(refused.origin)
        added = self._connection.execute(quarantine.insert().values(values).returning(quarantine.c.id))
        number: int = added.scalar_one()
        return number

    def holds(self, sop_instance_uid: str, digest: str) -> bool:
        """Say whether these bytes, under what their sender called them, are kept already."""
        query = select(quarantine.c.id).where(
            quarantine.c.sop_instance_uid == sop_instance_uid, quarantine.c.digest == digest
        )
        return self._connection.execute(query.limit(1)).first() is not None

    def list(self, *, after: int = 0, limit: int = 1000) -> list[Quarantined]:
        """Return up to `limit` of them in the order they came, those whose id is above `after`."""
        query = select(quarantine).where(quarantine.c.id > after).order_by(quarantine.c.id).limit(limit)
        return [_quarantined(row) for row in self._connection.execute(query)]


def _quarantined(row: Any) -> Quarantined:
    plain = {name: getattr(row, name) for name in _PLAIN}
    return Quarantined(origin=origin_of(row), id=row.id, **plain)
