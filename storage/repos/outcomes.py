"""How attempts at deliveries ended, many in few statements.

An attempt is still its worker's while the delivery is `sending`, names that worker, and counts the same
attempt. A worker that was taken for dead may live: what it says later is kept as an attempt, and changes
nothing else.
"""

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

from sqlalchemy import Connection, Integer, Update, bindparam, select, update

from storage.records.deliveries import Committed, DeliveryState, Result
from storage.records.tables import attempt, delivery
from storage.repos.attempts import LATE
from storage.sql.prepared import Inserter, Prepared, Writes

_LATE = "recorded late, when its worker no longer held it"


def finish(
    connection: Connection, worker: str, results: Sequence[Result], commitment: bool
) -> Sequence[Result]:
    """See `DeliveriesRepo.finish`."""
    if not results:
        return []
    ours, others = [], []
    standing = _standing(connection, [each.parcel.id for each in results])
    for each in results:
        row = standing.get(each.parcel.id)
        if row is None or (row.worker, row.attempts) != (worker, each.parcel.attempt):
            others.append(each)
        elif row.state == DeliveryState.SENDING:
            ours.append(each)
        elif row.ended_at != each.at:  # else it is what we wrote before
            others.append(each)
    late = _unwritten(connection, worker, others)
    sql, writes = _statements(connection.dialect.name), Writes(connection)
    for each in ours:
        sql.end.later(writes, _ending(each, commitment))
    sql.late.later(writes, [_late(each, worker) for each in late if _is_told(each)])
    writes.send()
    return late


def _standing(connection: Connection, ids: Sequence[int]) -> Mapping[int, Any]:
    """Return how deliveries stand, by id, and let nobody change them until we commit."""
    columns = (delivery.c.id, delivery.c.state, delivery.c.worker, delivery.c.attempts, delivery.c.ended_at)
    query = select(*columns).where(delivery.c.id.in_(ids)).order_by(delivery.c.id)
    return {row.id: row for row in connection.execute(query.with_for_update(key_share=True))}


def _unwritten(connection: Connection, worker: str, results: Sequence[Result]) -> Sequence[Result]:
    """Return those that are not in the table of attempts."""
    if not results:
        return []
    query = select(attempt.c.delivery_row, attempt.c.number, attempt.c.ended_at).where(
        attempt.c.delivery_row.in_([each.parcel.id for each in results]), attempt.c.worker == worker
    )
    written = {tuple(row) for row in connection.execute(query)}
    return [each for each in results if (each.parcel.id, each.parcel.attempt, each.at) not in written]


def _is_told(result: Result) -> bool:
    """Tell whether there was an attempt: what was given back without a word was not touched."""
    return result.state is not DeliveryState.QUEUED or bool(result.words) or result.status is not None


def _ending(result: Result, commitment: bool) -> dict[str, Any]:
    told, waits = _is_told(result), result.state is DeliveryState.WAITING
    asks = commitment and result.state is DeliveryState.DELIVERED
    return {
        "row": result.parcel.id,
        "to_state": result.state.value,
        "to_due": (result.due or result.at) if waits else None,
        "failed": int(result.failed),
        "to_ended_at": result.at if told else None,
        "to_status": result.status,
        "to_words": result.words,
        "to_syntax": result.transfer_syntax_uid,
        "to_digest": result.digest,
        "to_committed": (Committed.DUE if asks else Committed.NOT_ASKED).value,
    }


def _late(result: Result, worker: str) -> dict[str, Any]:
    return {
        "delivery_row": result.parcel.id,
        "number": result.parcel.attempt,
        "state": f"{LATE} {result.state.value}",
        "ended_at": result.at,
        "status": result.status,
        "words": f"{result.words}; {_LATE}" if result.words else _LATE,
        "digest": result.digest,
        "worker": worker,
    }


class _Statements:
    """The SQL of this module for one dialect."""

    def __init__(self, kind: str) -> None:
        self.end = Prepared(_end(), kind)
        self.late = Inserter(attempt, kind)


def _end() -> Update:
    """Return the end of an attempt that is known to be its worker's."""
    return (
        update(delivery)
        .where(delivery.c.id == bindparam("row", type_=delivery.c.id.type))
        .values(
            state=bindparam("to_state", type_=delivery.c.state.type),
            due=bindparam("to_due", type_=delivery.c.due.type),
            failures=delivery.c.failures + bindparam("failed", type_=Integer()),
            ended_at=bindparam("to_ended_at", type_=delivery.c.ended_at.type),
            status=bindparam("to_status", type_=delivery.c.status.type),
            words=bindparam("to_words", type_=delivery.c.words.type),
            transfer_syntax_uid=bindparam("to_syntax", type_=delivery.c.transfer_syntax_uid.type),
            digest=bindparam("to_digest", type_=delivery.c.digest.type),
            committed=bindparam("to_committed", type_=delivery.c.committed.type),
        )
    )


@cache
def _statements(kind: str) -> _Statements:
    return _Statements(kind)
