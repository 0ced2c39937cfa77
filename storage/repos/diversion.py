"""What is queued for a destination that is down goes to its alternate instead.

It keeps its place by age there. Where the alternate gets it anyway it only leaves this queue, and where the
alternate cannot have it (dead) or is not to (cancelled) it stays.

It goes in parts, whole series as far as possible: a hundred thousand in one transaction would keep everybody
else from writing for seconds.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, and_, literal, literal_column, select
from sqlalchemy.dialects import postgresql, sqlite

from storage.records.deliveries import DeliveryState
from storage.records.tables import delivery
from storage.repos.attempts import in_state, lock, move

AT_ONCE = 1000
"""What is diverted to one alternate in one transaction, at most."""

_HOPELESS = (DeliveryState.DEAD, DeliveryState.CANCELLED)


def alternates(connection: Connection, home: int) -> Sequence[str]:
    """Return the names of the alternates of what is queued, in their order."""
    return sorted(connection.execute(select(delivery.c.alternate).where(_here(home)).distinct()).scalars())


def divert(connection: Connection, home: int, name: str, alternate: int, at: datetime) -> int:
    """Divert the first of what is queued for `home` to the alternate called `name`, of row `alternate`."""
    if alternate == home:
        return 0
    there = delivery.alias()
    kept = select(there.c.id).where(
        there.c.instance_row == delivery.c.instance_row,
        there.c.destination_row == alternate,
        there.c.state.in_(_HOPELESS),
    )
    first = (
        select(delivery.c.id)
        .where(_here(home), delivery.c.alternate == name, ~kept.exists())
        .order_by(delivery.c.series_row, delivery.c.instance_number, delivery.c.id)
        .limit(AT_ONCE)
    )
    found = connection.execute(first).scalars().all()
    ids = lock(connection, _here(home), delivery.c.id.in_(found))
    _copy(connection, ids, alternate, at)
    moved = _taken(connection, ids, alternate)
    words = f"it went to {name} instead"
    return move(connection, moved, state=DeliveryState.DIVERTED.value, ended_at=at, words=words)


def _here(home: int) -> ColumnElement[bool]:
    # As the partial index has it, and not bound.
    queued, has_one = in_state(DeliveryState.QUEUED), delivery.c.alternate != literal_column("''")
    return and_(delivery.c.destination_row == home, queued, has_one)


def _copy(connection: Connection, ids: Sequence[int], alternate: int, at: datetime) -> None:
    values: dict[str, ColumnElement[Any]] = {
        "instance_row": delivery.c.instance_row,
        "destination_row": literal(alternate, delivery.c.destination_row.type),
        "study_row": delivery.c.study_row,
        "series_row": delivery.c.series_row,
        "instance_number": delivery.c.instance_number,
        "state": literal_column(f"'{DeliveryState.QUEUED.value}'"),
        "priority": delivery.c.priority,
        "rank": delivery.c.rank,
        "due": literal(None, delivery.c.due.type),
        "queued_at": literal(at, delivery.c.queued_at.type),
        "rules": delivery.c.rules,
        "instead_of": delivery.c.id,
        "attempts": literal_column("0"),
        "failures": literal_column("0"),
    }
    # In the order in which `add` inserts, so that the two never wait for each other.
    rows = select(*values.values()).where(delivery.c.id.in_(ids)).order_by(delivery.c.instance_row)
    into = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
    connection.execute(into(delivery).from_select(list(values), rows).on_conflict_do_nothing())


def _taken(connection: Connection, ids: Sequence[int], alternate: int) -> Sequence[int]:
    """Return those of `ids` that the alternate has got or will get."""
    there = delivery.alias()
    query = (
        select(delivery.c.id)
        .join(there, there.c.instance_row == delivery.c.instance_row)
        .where(delivery.c.id.in_(ids), there.c.destination_row == alternate, there.c.state.not_in(_HOPELESS))
        .order_by(delivery.c.id)
    )
    return connection.execute(query).scalars().all()
