"""Moves deliveries from state to state, many at a time, and never forgets an attempt.

The last attempt stands in the delivery for as long as `ended_at` is there. Whatever takes a delivery out of
the state in which the attempt left it does so by `move`, which copies the attempt into its own table first.

Rows are always locked by ascending id, so that two who move many of them never wait for each other.
"""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    and_,
    case,
    false,
    insert,
    literal,
    literal_column,
    select,
    update,
)

from storage.records.deliveries import Committed, DeliveryState
from storage.records.tables import attempt, delivery

_AT_ONCE = 1000  # rows in a statement
_AGING = 36_000  # milliseconds that a step of priority is worth
_RULES = "\n"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

LOST = "lost"  # of an attempt: its worker died before it said how it ended
REPLAYED = "replayed"  # in place of an attempt: a person had it sent again
LATE = "late"  # before the state to which an attempt came, when that was no longer its worker's to say

# As the partial index has it: SQLite does not see that each of the two implies it.
_STUCK = delivery.c.state.in_([literal_column("'held'"), literal_column("'dead'")])

# What the columns of the last attempt are when there is none.
NOTHING: dict[str, Any] = {
    "ended_at": None,
    "status": None,
    "words": "",
    "transfer_syntax_uid": "",
    "digest": "",
    "committed": Committed.NOT_ASKED.value,
    "commitment_row": None,
}


def in_state(state: DeliveryState) -> ColumnElement[bool]:
    """Return the condition, written out and not bound: else SQLite cannot know that partial indexes serve."""
    exactly = delivery.c.state == literal_column(f"'{state.value}'")
    return and_(exactly, _STUCK) if state in (DeliveryState.HELD, DeliveryState.DEAD) else exactly


def rank(at: datetime, priority: int) -> int:
    """Return the place in the queue of what enters it at `at`, of which the smallest goes first.

    A step of priority is worth 36 s of waiting: what is ordinary (50) waits for what is urgent (0) and came
    up to half an hour after it, and no longer.
    """
    return _milliseconds(at) + priority * _AGING


def entered(rank: int, priority: int) -> datetime:
    """Return the moment that a place in the queue was made of, to the millisecond."""
    return _EPOCH + timedelta(milliseconds=rank - priority * _AGING)


def rules_text(rules: Sequence[str]) -> str:
    """Return the text that keeps who asks for a delivery."""
    return _RULES.join(rules)


def rules_of(text: str) -> tuple[str, ...]:
    """Return who asks for a delivery."""
    return tuple(text.split(_RULES)) if text else ()


def lock(connection: Connection, *conditions: ColumnElement[bool]) -> Sequence[int]:
    """Return the deliveries for which `conditions` hold, by id; they are ours until the transaction ends."""
    rows = select(delivery.c.id).where(*conditions).order_by(delivery.c.id)
    return connection.execute(rows.with_for_update(key_share=True)).scalars().all()


def move(connection: Connection, ids: Sequence[int], **values: Any) -> int:
    """Give locked deliveries other values; the last attempt of each is kept in the table of attempts.

    Parameters
    ----------
    values
        Of the columns. Those of the last attempt become empty unless they are given.
    """
    for some in parts(ids):
        _keep(connection, some)
        connection.execute(update(delivery).where(delivery.c.id.in_(some)).values({**NOTHING, **values}))
    return len(ids)


def enqueue(connection: Connection, ids: Sequence[int], at: datetime, *, patient: bool = False) -> int:
    """Put locked deliveries into the queue as if they came at `at`; of their failures nothing counts.

    Parameters
    ----------
    patient
        What is not due yet goes on waiting for its time.
    """
    place = literal(_milliseconds(at), delivery.c.rank.type) + delivery.c.priority * _AGING
    waits = delivery.c.due > at if patient else false()
    return move(
        connection,
        ids,
        state=case((waits, DeliveryState.WAITING.value), else_=DeliveryState.QUEUED.value),
        rank=place,
        due=case((waits, delivery.c.due), else_=None),
        failures=0,
    )


def note(connection: Connection, ids: Sequence[int], state: str, at: datetime, words: str) -> None:
    """Write a row of `state` into the table of attempts for each of `ids`, about the last one begun."""
    for some in parts(ids):
        rows = select(
            delivery.c.id,
            delivery.c.attempts,
            literal(state),
            literal(at, attempt.c.ended_at.type),
            literal(words),
            literal(""),
            delivery.c.worker,
        )
        names = ["delivery_row", "number", "state", "ended_at", "words", "digest", "worker"]
        connection.execute(insert(attempt).from_select(names, rows.where(delivery.c.id.in_(some))))


def _keep(connection: Connection, ids: Sequence[int]) -> None:
    rows = select(
        delivery.c.id,
        delivery.c.attempts,
        delivery.c.state,
        delivery.c.ended_at,
        delivery.c.status,
        delivery.c.words,
        delivery.c.digest,
        delivery.c.worker,
    ).where(delivery.c.id.in_(ids), delivery.c.ended_at.is_not(None))
    names = ["delivery_row", "number", "state", "ended_at", "status", "words", "digest", "worker"]
    connection.execute(insert(attempt).from_select(names, rows))


def parts(ids: Sequence[int]) -> Iterator[Sequence[int]]:
    """Yield `ids` in parts that fit into a statement."""
    for start in range(0, len(ids), _AT_ONCE):
        yield ids[start : start + _AT_ONCE]


def _milliseconds(at: datetime) -> int:
    return (at - _EPOCH) // timedelta(milliseconds=1)
