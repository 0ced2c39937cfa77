"""What happened to studies, series and instances, for those who follow."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, select

from storage.records.tables import event
from storage.records.trail import Event

_PLAIN = ("at", "kind", "study_instance_uid", "series_instance_uid", "sop_instance_uid")


class EventsRepo:
    """The table of events."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def add(self, happened: Event) -> None:
        """Record `happened`."""
        values = {name: getattr(happened, name) for name in _PLAIN}
        self._connection.execute(event.insert(), values | {"detail": dict(happened.detail)})

    def list(
        self,
        *,
        after: int = 0,
        limit: int = 1000,
        kind: str = "",
        study_instance_uid: str = "",
        sop_instance_uid: str = "",
    ) -> list[Event]:
        """Return up to `limit` events in the order of their ids, those above `after`.

        On PostgreSQL an id is taken before its transaction commits: an event may appear behind a later
        one that was seen already. Who must not miss any reads the last minutes again.
        """
        query = select(event).where(event.c.id > after).order_by(event.c.id).limit(limit)
        if kind:
            query = query.where(event.c.kind == kind)
        if study_instance_uid:
            query = query.where(event.c.study_instance_uid == study_instance_uid)
        if sop_instance_uid:
            query = query.where(event.c.sop_instance_uid == sop_instance_uid)
        return [_event(row) for row in self._connection.execute(query)]

    def latest(self, kind: str, limit: int) -> Sequence[Event]:
        """Return up to `limit` events of this kind, the newest first."""
        query = select(event).where(event.c.kind == kind).order_by(event.c.id.desc()).limit(limit)
        return [_event(row) for row in self._connection.execute(query)]


def _event(row: Any) -> Event:
    return Event(id=row.id, detail=row.detail, **{name: getattr(row, name) for name in _PLAIN})
