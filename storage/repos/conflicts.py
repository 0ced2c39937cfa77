"""Arrivals that disagree with what the archive has; `storage.repos.arrivals` adds them."""

from typing import Any

from sqlalchemy import Connection, select

from storage.records.history import Conflict, ConflictKind
from storage.records.tables import conflict, instance, study
from storage.repos.rows import blob_of, origin_of

_SELECT = (
    select(conflict, study.c.study_instance_uid, instance.c.sop_instance_uid)
    .join(study, study.c.id == conflict.c.study_row)
    .join(instance, instance.c.id == conflict.c.instance_row)
    .order_by(conflict.c.id)
)


class ConflictsRepo:
    """The table of conflicts."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def list(
        self,
        study_uid: str | None = None,
        unresolved: bool = True,
        *,
        after: int = 0,
        limit: int = 1000,
    ) -> list[Conflict]:
        """Return up to `limit` conflicts in the order they were found, those whose id is above `after`.

        Parameters
        ----------
        study_uid
            Of this study only.
        unresolved
            Only those that nobody has decided.
        """
        query = _SELECT.where(conflict.c.id > after).limit(limit)
        if study_uid is not None:
            query = query.where(study.c.study_instance_uid == study_uid)
        if unresolved:
            query = query.where(conflict.c.resolved_at.is_(None))
        return [_conflict(row) for row in self._connection.execute(query)]


def _conflict(row: Any) -> Conflict:
    return Conflict(
        id=row.id,
        kind=ConflictKind(row.kind),
        study_instance_uid=row.study_instance_uid,
        sop_instance_uid=row.sop_instance_uid,
        transfer_syntax_uid=row.transfer_syntax_uid,
        blob=blob_of(row),
        attributes=row.attributes,
        origin=origin_of(row),
        received_at=row.received_at,
        resolved_at=row.resolved_at,
        resolution=row.resolution,
    )
