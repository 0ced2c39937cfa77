"""What rule sets decided about instances, series and studies."""

from collections.abc import Sequence
from datetime import datetime
from functools import cache

from sqlalchemy import Connection, RowMapping, select, update

from storage.records.rulings import Role, Ruling
from storage.records.tables import decision
from storage.sql.prepared import Inserter


class RulingsRepo:
    """The table of decisions, in one transaction."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def add(self, rulings: Sequence[Ruling]) -> None:
        """Record decisions, in their order; `Ruling.id` is left to the table."""
        rows = [
            {
                "level": each.level,
                "row": each.row,
                "role": each.role.value,
                "revision": each.revision,
                "at": each.at,
                "local": each.local,
                "seen": each.seen,
                "outcomes": each.outcomes,
                "stale_at": each.stale_at,
            }
            for each in rulings
        ]
        _insert(self._connection.dialect.name).run(self._connection, rows)

    def of(self, level: str, row: int, role: Role | None = None) -> list[Ruling]:
        """Return what was decided about something, the first first; for one role, or for both."""
        query = select(decision).where(decision.c.row == row, decision.c.level == level)
        if role is not None:
            query = query.where(decision.c.role == role.value)
        rows = self._connection.execute(query.order_by(decision.c.id)).mappings()
        return [_ruling(each) for each in rows]

    def mark_stale(self, level: str, row: int, at: datetime) -> int:
        """Mark what was decided about something until now as out of date; return how many decisions."""
        stale = update(decision).where(
            decision.c.row == row, decision.c.level == level, decision.c.stale_at.is_(None)
        )
        return self._connection.execute(stale.values(stale_at=at)).rowcount


def _ruling(row: RowMapping) -> Ruling:
    return Ruling(**{**row, "role": Role(row["role"])})


@cache
def _insert(kind: str) -> Inserter:
    return Inserter(decision, kind)
