"""Deliveries of instances that an archive really has, without any bytes behind them."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import event

from storage.archive import Archive
from storage.records.arrival import Place
from storage.records.deliveries import Delivery, DeliveryState, Destination, NewDelivery, Parcel, Result
from storage.transaction import Transaction
from tests.support.arrivals import arrival, put

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
LEASE = timedelta(minutes=1)
SECOND = timedelta(seconds=1)
W1, W2 = "w1", "w2"


def instances(archive: Archive, series: int = 1, each: int = 1, study: int = 1) -> list[Place]:
    """Put instances into the archive, numbered within their series; return where they stand."""
    numbers = [(s, n) for s in range(1, series + 1) for n in range(1, each + 1)]
    recorded = put(archive, *(arrival(study, s, n) for s, n in numbers))
    return [one.place for one in recorded if one.place is not None]


def new(place: Place, destination: str = "north", number: int = 1, **changes: Any) -> NewDelivery:
    """What a rule would ask for."""
    values: dict[str, Any] = {
        "instance_row": place.instance_row,
        "series_row": place.series_row,
        "study_row": place.study_row,
        "instance_number": number,
        "destination": destination,
        "priority": 50,
        "queued_at": NOW,
        "rules": ("a rule",),
    }
    return NewDelivery(**{**values, **changes})


def queue(archive: Archive, places: Sequence[Place], destination: str = "north", **changes: Any) -> list[int]:
    """Queue `places` in their order of numbers; return the numbers of the deliveries."""
    with archive.begin() as tx:
        tx.deliveries.add([new(p, destination, n, **changes) for n, p in enumerate(places, 1)])
        numbers = {
            each.instance_row: each.id for each in tx.ledger.list(destination=destination, limit=10**6)
        }
        tx.commit()
    return [numbers[place.instance_row] for place in places]


def lease(archive: Archive, worker: str = W1, at: datetime = NOW) -> Destination:
    """Let `worker` take the one destination that has something to do."""
    with archive.begin() as tx:
        (held,) = tx.destinations.lease(worker, at, at + LEASE, 10)
        tx.commit()
    return held


def claim(
    archive: Archive,
    home: int,
    worker: str = W1,
    limit: int = 64,
    busy: Sequence[int] = (),
    at: datetime = NOW,
) -> Sequence[Parcel]:
    """Let `worker` claim, in a transaction."""
    with archive.begin() as tx:
        parcels = tx.deliveries.claim(home, worker, NOW, limit, busy)
        tx.commit()
    return parcels


def delivered(parcel: Parcel, at: datetime = NOW) -> Result:
    """It arrived."""
    return Result(
        parcel, DeliveryState.DELIVERED, at, 0, digest=parcel.blob.digest, transfer_syntax_uid="1.2"
    )


def waiting(parcel: Parcel, due: datetime, at: datetime = NOW) -> Result:
    """It was refused for the time being."""
    return Result(parcel, DeliveryState.WAITING, at, 0xA700, "out of resources", due=due, failed=True)


def finish(
    archive: Archive, results: Sequence[Result], worker: str = W1, *, commitment: bool = False
) -> Sequence[Result]:
    """Record results, in a transaction."""
    with archive.begin() as tx:
        others = tx.deliveries.finish(worker, results, commitment=commitment)
        tx.commit()
    return others


def get(archive: Archive, number: int) -> Delivery:
    """How a delivery stands."""
    with archive.read() as tx:
        found = tx.ledger.get(number)
    assert found is not None
    return found


def states(archive: Archive, destination: str = "north") -> list[str]:
    """The states of all deliveries to a destination, by id."""
    with archive.read() as tx:
        return [each.state.value for each in tx.ledger.list(destination=destination, limit=10**6)]


def attempts(archive: Archive, number: int) -> list[tuple[int, str]]:
    """Number and state of each attempt before the last one."""
    with archive.read() as tx:
        return [(each.number, each.state) for each in tx.ledger.attempts(number)]


def plans(tx: Transaction, ran: list[tuple[str, Any]]) -> list[str]:
    """How the database would run each of the statements in `ran` that looks for rows."""
    postgres = tx.connection.dialect.name == "postgresql"
    if postgres:
        tx.connection.exec_driver_sql("SET LOCAL enable_seqscan = off")  # it has no rows to speak of
        tx.connection.exec_driver_sql("SET LOCAL enable_bitmapscan = off")
    explain = "EXPLAIN" if postgres else "EXPLAIN QUERY PLAN"
    return [
        "\n".join(str(row[-1]) for row in tx.connection.exec_driver_sql(f"{explain} {words}", values))
        for words, values in ran
        if words.startswith(("SELECT", "UPDATE"))
    ]


def watch(tx: Transaction) -> list[tuple[str, Any]]:
    """Return a list that every statement of `tx` through SQLAlchemy is put into from now on."""
    ran: list[tuple[str, Any]] = []
    event.listen(
        tx.connection,
        "before_cursor_execute",
        lambda _connection, _cursor, words, values, *_: ran.append((words, values)),
    )
    return ran
