"""Destinations: what each is set to, how it does, and which worker delivers to it.

A worker leases a destination and is then the only one that delivers to it, until it lets go or is not heard
of for longer than its lease. On SQLite the caller's BEGIN IMMEDIATE lets one worker lease at a time, on
PostgreSQL each skips what another is about to take.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, TypedDict, Unpack
from weakref import WeakKeyDictionary

from sqlalchemy import ColumnElement, Connection, Engine, RowMapping, and_, or_, select, update
from sqlalchemy.dialects import postgresql, sqlite

from storage.engine import Busy
from storage.records.deliveries import DeliveryState, Destination
from storage.records.tables import delivery, destination
from storage.repos.attempts import in_state

_SYNTAXES = "\\"  # between transfer syntaxes, as PS3.5 6.2 has it between values

_UNSET = {"paused": False, "associations": 0, "rate": 0.0, "commitment": False, "failures": 0}

# Rows never change, and none goes: what was committed once holds for as long as the engine does.
_known: WeakKeyDictionary[Engine, dict[str, int]] = WeakKeyDictionary()


class Settings(TypedDict, total=False):
    """What a person sets; see `Destination`."""

    paused: bool
    associations: int
    rate: float
    window: Mapping[str, Any] | None
    syntaxes: Sequence[str]
    commitment: bool


class DestinationsRepo:
    """The table of destinations, in one transaction.

    Parameters
    ----------
    ring
        Wakes the workers when the transaction commits.
    """

    def __init__(self, connection: Connection, ring: Callable[[], None]) -> None:
        self._connection = connection
        self._ring = ring
        self._made: dict[str, int] = {}  # in this transaction, which may yet be taken back

    def of(self, name: str) -> int:
        """Return the row of a destination, made when there is none."""
        known = _known.setdefault(self._connection.engine, {})
        row = known.get(name) or self._made.get(name)
        if row is None:
            row = self._find(name)
            if row is None:
                row = self._made[name] = self._make(name)
            elif name not in self._made:
                known[name] = row
        return row

    def get(self, name: str) -> Destination | None:
        """Return the destination of this name."""
        query = select(destination).where(destination.c.name == name)
        row = self._connection.execute(query).mappings().one_or_none()
        return _destination(row) if row else None

    def set(self, name: str, **settings: Unpack[Settings]) -> Destination:
        """Change what is set of a destination, made when there is none; workers look at it again."""
        unknown = settings.keys() - Settings.__annotations__.keys()
        if unknown:
            raise TypeError(f"a destination has no {', '.join(sorted(unknown))}")
        values: dict[str, Any] = dict(settings)
        if "syntaxes" in settings:
            values["syntaxes"] = _SYNTAXES.join(settings["syntaxes"])
        change = update(destination).where(destination.c.id == self.of(name))
        row = (
            self._connection.execute(change.values(values or {"name": name}).returning(destination))
            .mappings()
            .one()
        )
        self._ring()
        return _destination(row)

    def lease(self, worker: str, at: datetime, until: datetime, limit: int) -> Sequence[Destination]:
        """Take up to `limit` destinations that nobody holds and that have something to be done.

        That is one which is not paused, and has something to be sent now, or something that its last worker
        was sending when it was lost; when it was given up, any that may be probed again, so that people see
        whether it works before something is queued for it.
        """
        free = or_(destination.c.lease_until.is_(None), destination.c.lease_until <= at)
        now = or_(_has(_QUEUED), _has(_SENDING), _has(_WAITING, delivery.c.due <= at))
        given_up = destination.c.opened_at.is_not(None)
        ready = or_(and_(given_up, destination.c.probe_at <= at), and_(~given_up, now))
        query = (
            select(destination.c.id)
            .where(destination.c.paused.is_(False), free, ready)
            .order_by(destination.c.succeeded_at.nulls_first(), destination.c.id)
            .limit(limit)
            # Who only refers to a row holds it FOR KEY SHARE, and is not in the way of this.
            .with_for_update(skip_locked=True, key_share=True)
        )
        rows = self._connection.execute(query).scalars().all()
        if not rows:
            return []
        taken = (
            update(destination)
            .where(destination.c.id.in_(rows))
            .values(worker=worker, lease_until=until)
            .returning(destination)
        )
        return [_destination(row) for row in self._connection.execute(taken).mappings()]

    def renew(self, worker: str, until: datetime) -> frozenset[str]:
        """Keep what `worker` holds until `until`; return the names of what it still holds."""
        # In the order in which deliveries are recorded: the two never wait for each other in a circle.
        mine = select(destination.c.id).where(destination.c.worker == worker).order_by(destination.c.id)
        rows = self._connection.execute(mine.with_for_update(key_share=True)).scalars().all()
        kept = (
            update(destination)
            .where(destination.c.id.in_(rows), destination.c.worker == worker)
            .values(lease_until=until)
            .returning(destination.c.name)
        )
        return frozenset(self._connection.execute(kept).scalars())

    def release(self, name: str, worker: str) -> bool:
        """Let go of a destination; False when `worker` did not hold it."""
        self._ring()
        return self._change(name, worker, worker="", lease_until=None)

    def trouble(
        self,
        name: str,
        worker: str,
        *,
        failures: int,
        error: str,
        opened_at: datetime | None,
        probe_at: datetime | None,
    ) -> bool:
        """Record that a destination failed; False when `worker` does not hold it."""
        return self._change(
            name, worker, failures=failures, error=error, opened_at=opened_at, probe_at=probe_at
        )

    def succeeded(self, name: str, worker: str, at: datetime) -> bool:
        """Record that it took something, so that nothing is wrong; False when `worker` does not hold it."""
        return self._change(
            name, worker, failures=0, error="", opened_at=None, probe_at=None, succeeded_at=at
        )

    def probe(self, name: str, at: datetime) -> bool:
        """Have one that was given up probed at `at`, whoever holds it; False when none of that name was."""
        self._ring()
        given_up = and_(destination.c.name == name, destination.c.opened_at.is_not(None))
        return self._connection.execute(update(destination).where(given_up).values(probe_at=at)).rowcount == 1

    def next_due(self, at: datetime) -> datetime | None:
        """Return the earliest moment at which `lease` can return something, not before `at`; None: none."""
        due = (
            select(delivery.c.due)
            .where(delivery.c.destination_row == destination.c.id, _WAITING)
            .order_by(delivery.c.due)
            .limit(1)
            .correlate(destination)
            .scalar_subquery()
        )
        query = select(
            destination.c.lease_until,
            destination.c.opened_at,
            destination.c.probe_at,
            or_(_has(_QUEUED), _has(_SENDING)).label("now"),
            due.label("due"),
        ).where(destination.c.paused.is_(False))
        moments = [_moment(row, at) for row in self._connection.execute(query)]
        return min((moment for moment in moments if moment is not None), default=None)

    def list(self) -> list[Destination]:
        """Return all destinations, by name."""
        query = select(destination).order_by(destination.c.name)
        return [_destination(row) for row in self._connection.execute(query).mappings()]

    def _find(self, name: str) -> int | None:
        return self._connection.execute(
            select(destination.c.id).where(destination.c.name == name)
        ).scalar_one_or_none()

    def _make(self, name: str) -> int:
        insert = postgresql.insert if self._connection.dialect.name == "postgresql" else sqlite.insert
        new = insert(destination).values(name=name, **_UNSET).on_conflict_do_nothing()
        row = self._connection.execute(new.returning(destination.c.id)).scalar_one_or_none()
        if row is None:  # another transaction made it; we waited for that
            row = self._find(name)
        if row is None:
            raise Busy("database: a destination that another transaction made is not there")
        return row

    def _change(self, name: str, held_by: str, **values: Any) -> bool:
        held = and_(destination.c.name == name, destination.c.worker == held_by)
        return self._connection.execute(update(destination).where(held).values(**values)).rowcount == 1


_QUEUED = in_state(DeliveryState.QUEUED)
_SENDING = in_state(DeliveryState.SENDING)
_WAITING = in_state(DeliveryState.WAITING)


def _has(*conditions: ColumnElement[bool]) -> ColumnElement[bool]:
    """Return the condition that a destination has such a delivery.

    Not by EXISTS: for that PostgreSQL may read all that wait, to look them up in a table of its own.
    """
    first = select(delivery.c.id).where(delivery.c.destination_row == destination.c.id, *conditions)
    return first.limit(1).correlate(destination).scalar_subquery().is_not(None)


def _moment(row: Any, at: datetime) -> datetime | None:
    queued = at if row.now else row.due
    start = queued if row.opened_at is None else row.probe_at
    if start is None:
        return None
    return max(moment for moment in (at, start, row.lease_until) if moment is not None)


def _destination(row: RowMapping) -> Destination:
    syntaxes = row["syntaxes"]
    return Destination(**{**row, "syntaxes": tuple(syntaxes.split(_SYNTAXES)) if syntaxes else ()})
