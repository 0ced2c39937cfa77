"""Revisions of the rules, and which of them is in force: both only ever grow."""

from collections.abc import Mapping
from datetime import datetime
from functools import cache
from typing import Any

from sqlalchemy import Connection, RowMapping, bindparam, func, literal_column, select

from storage.records.rulings import Activation, Revision, Role
from storage.records.tables import activation, ruleset
from storage.sql.prepared import Prepared


class RulesetsRepo:
    """The tables of rule sets and of their activations, in one transaction."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def add(
        self,
        *,
        digest: str,
        source: str,
        plain: Mapping[str, Any],
        author: str,
        note: str,
        based_on: int | None,
        difference: str,
        at: datetime,
    ) -> Revision:
        """Keep a rule set as the next revision; see `Revision`. It is not in force by that."""
        added = (
            ruleset.insert()
            .values(
                digest=digest,
                source=source,
                plain=dict(plain),
                author=author,
                note=note,
                based_on=based_on,
                difference=difference,
                created_at=at,
            )
            .returning(ruleset)
        )
        return _revision(self._connection.execute(added).mappings().one())

    def get(self, revision: int) -> Revision | None:
        """Return the revision of this number."""
        query = select(ruleset).where(ruleset.c.id == revision)
        row = self._connection.execute(query).mappings().one_or_none()
        return _revision(row) if row else None

    def activate(self, role: Role, revision: int | None, author: str, at: datetime) -> None:
        """Put a revision, or none, in force for `role` as soon as the transaction commits.

        Raises
        ------
        sqlalchemy.exc.IntegrityError
            There is no such revision.
        """
        if self._connection.dialect.name == "postgresql":
            # Else of two at once the one that is numbered first could commit last, and never be in force.
            self._connection.exec_driver_sql("LOCK TABLE activation IN SHARE ROW EXCLUSIVE MODE")
        values = {"role": role.value, "revision": revision, "author": author, "at": at}
        self._connection.execute(activation.insert(), values)

    def in_force(self, role: Role) -> int | None:
        """Return the number of the revision that is in force for `role`."""
        rows = _newest(self._connection.dialect.name).run(self._connection, {"role": role.value})
        return rows[0][0] if rows else None

    def all_in_force(self) -> Mapping[Role, int]:
        """Return the number of the revision that is in force for each role, where there is one."""
        rows = _newest_of_all(self._connection.dialect.name).run(self._connection, {})
        return {Role(role): revision for role, revision in rows if revision is not None}

    def active(self, role: Role) -> Revision | None:
        """Return the revision that is in force for `role`."""
        revision = self.in_force(role)
        return None if revision is None else self.get(revision)

    def activations(self, role: Role, limit: int = 1000) -> list[Activation]:
        """Return from when on which revision was in force for `role`, the newest first."""
        query = select(activation).where(activation.c.role == role.value)
        query = query.order_by(activation.c.id.desc()).limit(limit)
        return [
            Activation(Role(row.role), row.revision, row.author, row.at)
            for row in self._connection.execute(query)
        ]

    def list(self, limit: int = 1000) -> list[Revision]:
        """Return the newest revisions first."""
        query = select(ruleset).order_by(ruleset.c.id.desc()).limit(limit)
        return [_revision(row) for row in self._connection.execute(query).mappings()]


def _revision(row: RowMapping) -> Revision:
    return Revision(**row)


@cache
def _newest(kind: str) -> Prepared:
    role = bindparam("role", type_=activation.c.role.type)
    last = select(func.max(activation.c.id)).where(activation.c.role == role).scalar_subquery()
    return Prepared(select(activation.c.revision).where(activation.c.id == last), kind)


@cache
def _newest_of_all(kind: str) -> Prepared:
    # One look into the index for each role: grouped, the whole history would be read.
    newest = [
        select(func.max(activation.c.id))
        .where(activation.c.role == literal_column(f"'{role.value}'"))
        .scalar_subquery()
        for role in Role
    ]
    return Prepared(select(activation.c.role, activation.c.revision).where(activation.c.id.in_(newest)), kind)
