"""Numbers about the archive as a whole: for the status page, for metrics, and to share out long work."""

from collections.abc import Sequence
from datetime import datetime
from enum import Enum

from sqlalchemy import Connection, distinct, exists, func, select

from storage.records.tables import arrival, conflict, event, instance, quarantine, study
from storage.records.totals import Totals, Traffic

DAMAGED = "instance.damaged"
"""Kind of the event that records an instance whose bytes are missing or changed."""

MENDED = "instance.mended"
"""Kind of the event that records that the same instance was sent again and took the place of its bytes."""


class Part(Enum):
    """A table whose rows refer to blobs."""

    INSTANCES = "instances"
    CONFLICTS = "conflicts"
    QUARANTINE = "quarantine"


_TABLES = {Part.INSTANCES: instance, Part.CONFLICTS: conflict, Part.QUARANTINE: quarantine}


class TotalsRepo:
    """Counts, in one transaction."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def totals(self) -> Totals:
        """Return how much there is. Its cost grows with the studies, not with the instances."""
        studies = select(func.count(), func.coalesce(func.sum(study.c.number_of_instances), 0))
        count, instances = self._connection.execute(studies.select_from(study)).one()
        undecided = select(func.count()).select_from(conflict).where(conflict.c.resolved_at.is_(None))
        later = event.alias()
        mended = exists().where(
            later.c.sop_instance_uid == event.c.sop_instance_uid,
            later.c.kind == MENDED,
            later.c.id > event.c.id,
        )
        damaged = select(func.count(distinct(event.c.sop_instance_uid))).where(
            event.c.kind == DAMAGED, ~mended
        )
        return Totals(
            studies=count,
            instances=int(instances),
            conflicts=self._connection.execute(undecided).scalar_one(),
            quarantined=self.after(Part.QUARANTINE, 0),
            damaged=self._connection.execute(damaged).scalar_one(),
        )

    def traffic(self, since: datetime, limit: int = 50) -> Sequence[Traffic]:
        """Return what came since then by calling AE title, the latest caller first."""
        last = func.max(arrival.c.received_at, type_=arrival.c.received_at.type).label("last")
        query = (
            select(arrival.c.calling_ae, arrival.c.way, func.count().label("arrivals"), last)
            .where(arrival.c.received_at >= since)
            .group_by(arrival.c.calling_ae, arrival.c.way)
            .order_by(last.desc())
            .limit(limit)
        )
        return [Traffic(**row) for row in self._connection.execute(query).mappings()]

    def after(self, part: Part, row: int) -> int:
        """Return how many rows `part` has whose number is above `row`."""
        table = _TABLES[part]
        query = select(func.count()).select_from(table).where(table.c.id > row)
        return self._connection.execute(query).scalar_one()
