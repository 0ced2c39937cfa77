"""Nodes that called without being known, so that an administrator sees whom to add."""

from collections.abc import Iterable
from datetime import datetime

from sqlalchemy import Connection, RowMapping, case, delete, select, update
from sqlalchemy.dialects import postgresql, sqlite

from storage.records.network import Caller
from storage.records.tables import caller


class CallersRepo:
    """The table of callers: one row for each AE title and address."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def note(
        self,
        ae_title: str,
        address: str,
        asked: Iterable[str],
        *,
        refused: bool,
        at: datetime,
        count: int = 1,
    ) -> None:
        """Count a call.

        Parameters
        ----------
        asked
            What was asked for, for example ``C-STORE``; joins what was asked for before.
        refused
            It was turned away.
        count
            Calls of the same kind that are noted at once.
        """
        self._make_row(ae_title, address, at)
        mine = (caller.c.ae_title == ae_title) & (caller.c.address == address)
        bumped = (
            update(caller)
            .where(mine)
            .values(
                count=caller.c.count + count,
                refused=caller.c.refused + (count if refused else 0),
                last_seen=case((caller.c.last_seen < at, at), else_=caller.c.last_seen),
            )
            .returning(caller.c.id, caller.c.asked)
        )
        row = self._connection.execute(bumped).one()
        merged = "\\".join(sorted({*filter(None, row.asked.split("\\")), *asked}))
        if merged != row.asked:  # the row is ours until the commit, so nothing is lost in between
            self._connection.execute(update(caller).where(caller.c.id == row.id).values(asked=merged))

    def _make_row(self, ae_title: str, address: str, at: datetime) -> None:
        insert = postgresql.insert if self._connection.dialect.name == "postgresql" else sqlite.insert
        values = {
            "ae_title": ae_title,
            "address": address,
            "first_seen": at,
            "last_seen": at,
            "count": 0,
            "refused": 0,
        }
        self._connection.execute(insert(caller).values(values).on_conflict_do_nothing())

    def keep_latest(self, most: int) -> None:
        """Forget all but about the `most` that called last."""
        oldest = select(caller.c.last_seen).order_by(caller.c.last_seen.desc()).offset(most - 1).limit(1)
        self._connection.execute(delete(caller).where(caller.c.last_seen < oldest.scalar_subquery()))

    def list(self) -> list[Caller]:
        """Return all callers, the latest first."""
        query = select(caller).order_by(caller.c.last_seen.desc(), caller.c.id)
        return [_caller(row) for row in self._connection.execute(query).mappings()]


def _caller(row: RowMapping) -> Caller:
    return Caller(
        ae_title=row["ae_title"],
        address=row["address"],
        first_seen=row["first_seen"],
        last_seen=row["last_seen"],
        count=row["count"],
        refused=row["refused"],
        asked=tuple(filter(None, row["asked"].split("\\"))),
    )
