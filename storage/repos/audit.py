"""Who did what. Entries are added and read, never changed."""

from typing import Any

from sqlalchemy import Connection, select

from storage.records.tables import audit
from storage.records.trail import AuditEntry

_PLAIN = ("at", "actor", "address", "action", "subject", "outcome")


class AuditRepo:
    """The table of the audit."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def add(self, entry: AuditEntry) -> None:
        """Record `entry`."""
        values = {name: getattr(entry, name) for name in _PLAIN}
        self._connection.execute(audit.insert(), values | {"detail": dict(entry.detail)})

    def list(
        self, *, before: int | None = None, limit: int = 1000, actor: str = "", subject: str = ""
    ) -> list[AuditEntry]:
        """Return up to `limit` entries, the latest first, those whose id is below `before`."""
        query = select(audit).order_by(audit.c.id.desc()).limit(limit)
        if before is not None:
            query = query.where(audit.c.id < before)
        if actor:
            query = query.where(audit.c.actor == actor)
        if subject:
            query = query.where(audit.c.subject == subject)
        return [_entry(row) for row in self._connection.execute(query)]


def _entry(row: Any) -> AuditEntry:
    return AuditEntry(id=row.id, detail=row.detail, **{name: getattr(row, name) for name in _PLAIN})
