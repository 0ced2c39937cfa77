"""A worker takes deliveries from the queue of a destination that it holds.

The head of the queue says which series it is the turn of, and then instances of that go in their order: so a
series goes over one association, and is not mixed up there.
"""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, select

from storage.records.deliveries import DeliveryState, Parcel
from storage.records.tables import delivery, destination, instance, series, study
from storage.repos.attempts import entered, in_state, move
from storage.repos.rows import blob_of, blob_selected

_GONE = "the instance is no longer in the archive"
_QUEUED = in_state(DeliveryState.QUEUED)
_PARCELS = (
    select(
        delivery.c.id,
        delivery.c.state,
        delivery.c.attempts,
        delivery.c.failures,
        delivery.c.rank,
        delivery.c.priority,
        delivery.c.alternate,
        delivery.c.instance_row,
        delivery.c.series_row,
        delivery.c.instance_number,
        instance.c.sop_class_uid,
        instance.c.sop_instance_uid,
        instance.c.transfer_syntax_uid,
        *blob_selected(instance),
        instance.c.received_at,
        series.c.series_instance_uid,
        study.c.study_instance_uid,
    )
    .outerjoin(instance, instance.c.id == delivery.c.instance_row)
    .outerjoin(series, series.c.id == instance.c.series_row)
    .outerjoin(study, study.c.id == series.c.study_row)
    .order_by(delivery.c.id)  # the order in which everybody locks them
    .with_for_update(key_share=True, of=delivery)
)


def claim(
    connection: Connection, home: int, worker: str, at: datetime, limit: int, busy: Collection[int]
) -> Sequence[Parcel]:
    """See `DeliveriesRepo.claim`."""
    while _holds(connection, home, worker):
        row = _head(connection, home, busy)
        if row is None:
            break
        parcels = _take(connection, _of_series(connection, home, row, limit), worker, at)
        if parcels:
            return parcels
    return []


def _holds(connection: Connection, home: int, worker: str) -> bool:
    """Tell whether a destination is the worker's, and let nobody else take it until we commit."""
    query = (
        select(destination.c.id)
        .where(destination.c.id == home, destination.c.worker == worker)
        .with_for_update(read=True)
    )
    return connection.execute(query).first() is not None


def _head(connection: Connection, home: int, busy: Collection[int]) -> int | None:
    """Return the series of the first in the queue."""
    query = (
        select(delivery.c.series_row)
        .where(delivery.c.destination_row == home, _QUEUED)
        .order_by(delivery.c.rank, delivery.c.id)
        .limit(1)
    )
    if busy:
        query = query.where(delivery.c.series_row.not_in(sorted(busy)))
    return connection.execute(query).scalar_one_or_none()


def _of_series(connection: Connection, home: int, row: int, limit: int) -> Sequence[Any]:
    first = (
        select(delivery.c.id)
        .where(delivery.c.destination_row == home, _QUEUED, delivery.c.series_row == row)
        .order_by(delivery.c.instance_number, delivery.c.id)
        .limit(limit)
    )
    ids = connection.execute(first).scalars().all()
    # The state is looked at here: asked for it, the database might read all that is queued, by that index.
    rows = connection.execute(_PARCELS.where(delivery.c.id.in_(ids))).all()
    still = [row for row in rows if row.state == DeliveryState.QUEUED]
    return sorted(still, key=lambda row: (row.instance_number, row.id))


def _take(connection: Connection, rows: Sequence[Any], worker: str, at: datetime) -> Sequence[Parcel]:
    gone = sorted(row.id for row in rows if row.sop_instance_uid is None)
    there = [row for row in rows if row.sop_instance_uid is not None]
    move(connection, gone, state=DeliveryState.DEAD.value, ended_at=at, words=_GONE)
    move(
        connection,
        sorted(row.id for row in there),
        state=DeliveryState.SENDING.value,
        attempts=delivery.c.attempts + 1,
        worker=worker,
    )
    return [_parcel(row) for row in there]


def _parcel(row: Any) -> Parcel:
    return Parcel(
        id=row.id,
        attempt=row.attempts + 1,
        failures=row.failures,
        queued_at=entered(row.rank, row.priority),
        priority=row.priority,
        alternate=row.alternate,
        instance_row=row.instance_row,
        series_row=row.series_row,
        sop_class_uid=row.sop_class_uid,
        sop_instance_uid=row.sop_instance_uid,
        transfer_syntax_uid=row.transfer_syntax_uid,
        blob=blob_of(row),
        study_instance_uid=row.study_instance_uid,
        series_instance_uid=row.series_instance_uid,
        received_at=row.received_at,
    )
