"""The ledger of deliveries: what people ask of it, and what they do to what stands there.

`storage.repos.deliveries` is how it comes about.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, and_, false, func, literal_column, or_, select

from storage.records.deliveries import OPEN_STATES, Attempt, Committed, Delivery, DeliveryState, Tally
from storage.records.tables import attempt, delivery, destination, gone, instance, study
from storage.repos.attempts import REPLAYED, enqueue, in_state, lock, move, note, rules_of

_UID = func.coalesce(instance.c.sop_instance_uid, gone.c.sop_instance_uid, "")
# The row of a discarded instance is the negative one of what is left of it.
_NAMED = delivery.outerjoin(instance, instance.c.id == delivery.c.instance_row).outerjoin(
    gone, gone.c.id == -delivery.c.instance_row
)
_SELECT = (
    select(delivery, destination.c.name.label("destination"), _UID.label("sop_instance_uid"))
    .select_from(_NAMED.join(destination, destination.c.id == delivery.c.destination_row))
    .order_by(delivery.c.id)
)
_RETRIED = (DeliveryState.DEAD, DeliveryState.CANCELLED, DeliveryState.WAITING)
_CLOSED = frozenset(DeliveryState) - frozenset(OPEN_STATES)
_REPLAYED = _CLOSED - {DeliveryState.CANCELLED}  # what a person did not want stays away
_INDEXED = (*OPEN_STATES, DeliveryState.DEAD)
_ENDED = (DeliveryState.DELIVERED, DeliveryState.DIVERTED, DeliveryState.CANCELLED)


class LedgerRepo:
    """The table of deliveries for people, in one transaction.

    Parameters
    ----------
    ring
        Wakes the workers when the transaction commits.
    """

    def __init__(self, connection: Connection, ring: Callable[[], None]) -> None:
        self._connection = connection
        self._ring = ring

    def get(self, number: int) -> Delivery | None:
        """Return the delivery of this number."""
        row = self._connection.execute(_SELECT.where(delivery.c.id == number)).one_or_none()
        return _delivery(row) if row else None

    def attempts(self, number: int) -> Sequence[Attempt]:
        """Return the attempts at a delivery before the last one, in their order.

        Beside those that ended by themselves (in a state of `DeliveryState`) there are ``lost``: its worker
        died; ``late …``: said when it was no longer its worker's to say; ``replayed``: no attempt, but
        a person had it sent again.
        """
        columns = [attempt.c[name] for name in Attempt.__dataclass_fields__]
        query = select(*columns).where(attempt.c.delivery_row == number)
        return [
            Attempt(**row._mapping)
            for row in self._connection.execute(query.order_by(attempt.c.number, attempt.c.id))
        ]

    def of_instance(self, row: int) -> Sequence[Delivery]:
        """Return the deliveries of an instance, or of a discarded one by its negative row in `gone`."""
        query = _SELECT.where(delivery.c.instance_row == row)
        return [_delivery(each) for each in self._connection.execute(query)]

    def counts(self, *, ended: bool = False) -> Mapping[str, Mapping[DeliveryState, int]]:
        """Return how many deliveries of each destination are in each state.

        Parameters
        ----------
        ended
            Also those delivered, diverted and cancelled, which are left out otherwise: counting them reads
            the whole ledger.
        """
        states = [*_INDEXED, *_ENDED] if ended else [*_INDEXED]
        query = select(destination.c.id, destination.c.name).order_by(destination.c.name)
        names = {row.id: row.name for row in self._connection.execute(query)}
        counts = {name: dict.fromkeys(states, 0) for name in names.values()}
        conditions = [in_state(state) for state in _INDEXED]
        if ended:
            conditions.append(delivery.c.state.in_(_ENDED))
        for condition in conditions:
            grouped = (
                select(delivery.c.destination_row, delivery.c.state, func.count())
                .where(condition)
                .group_by(delivery.c.destination_row, delivery.c.state)
            )
            for row, state, count in self._connection.execute(grouped):
                counts[names[row]][DeliveryState(state)] = count
        return counts

    def oldest(self) -> Mapping[str, datetime]:
        """Return when the oldest was queued that is queued, waiting or being sent, by destination."""
        found: dict[str, datetime] = {}
        for state in (DeliveryState.QUEUED, DeliveryState.WAITING, DeliveryState.SENDING):
            oldest = func.min(delivery.c.queued_at, type_=delivery.c.queued_at.type)
            query = (
                select(destination.c.name, oldest)
                .join(delivery, delivery.c.destination_row == destination.c.id)
                .where(in_state(state))
                .group_by(destination.c.name)
            )
            for name, moment in self._connection.execute(query):
                found[name] = min(moment, found.get(name, moment))
        return found

    def retry(
        self,
        *,
        ids: Collection[int] = (),
        destination: str = "",
        states: Collection[DeliveryState] = _RETRIED,
        at: datetime,
    ) -> int:
        """Queue deliveries in one of `states` as if they came at `at`; return how many.

        Without `ids` all of them, or all to `destination`.

        Raises
        ------
        ValueError
            `states` has one in which there is nothing to be tried again: held, queued, sending.
        """
        if not {*states} <= _CLOSED | {DeliveryState.WAITING}:
            raise ValueError(f"not to be tried again: {', '.join(sorted(states))}")
        found = self._lock(self._which(ids, destination, ""), states)
        return self._heard(enqueue(self._connection, found, at))

    def cancel(
        self, *, ids: Collection[int] = (), destination: str = "", study_uid: str = "", at: datetime
    ) -> int:
        """Cancel open deliveries, of which something must be said; return how many.

        One that is being sent may arrive yet; then that is kept as a late attempt.
        """
        found = self._lock(self._which(ids, destination, study_uid, some=True), OPEN_STATES)
        values = {"state": DeliveryState.CANCELLED.value, "due": None, "ended_at": at, "words": "cancelled"}
        return move(self._connection, found, **values)

    def release(self, *, ids: Collection[int] = (), study_uid: str = "", at: datetime) -> int:
        """Queue what was held, of which something must be said, as if it came at `at`; return how many."""
        found = self._lock(self._which(ids, "", study_uid, some=True), (DeliveryState.HELD,))
        return self._heard(enqueue(self._connection, found, at, patient=True))

    def replay(self, destination: str, since: datetime, until: datetime, at: datetime, author: str) -> int:
        """Send again what was first queued in [since, until) and is not open; return how many.

        `Delivery.queued_at` stays the first one, so that `tally` of the window still is about the same
        deliveries: open until they have been sent again. Their place in the queue is that of `at`.
        """
        found = self._lock(_window(self._homes(destination), since, until), _REPLAYED)
        count = enqueue(self._connection, found, at)
        note(self._connection, found, REPLAYED, at, f"sent again by {author}")
        return self._heard(count)

    def tally(self, destination: str, since: datetime, until: datetime, missing: int) -> Tally:
        """Return what became of the deliveries first queued in [since, until).

        Parameters
        ----------
        missing
            Name at most so many of those that the destination has not got.
        """
        window = _window(self._homes(destination), since, until)
        query = select(delivery.c.state, func.count()).where(window).group_by(delivery.c.state)
        counts = {row[0]: row[1] for row in self._connection.execute(query)}
        there = (DeliveryState.DELIVERED, DeliveryState.DIVERTED)
        uids = (
            select(_UID)
            .select_from(_NAMED)
            .where(window, delivery.c.state.not_in(there))
            .order_by(delivery.c.id)
            .limit(missing)
        )
        return Tally(
            received=sum(counts.values()),
            forwarded=counts.get(DeliveryState.DELIVERED, 0),
            open=sum(counts.get(state, 0) for state in OPEN_STATES if state is not DeliveryState.HELD),
            held=counts.get(DeliveryState.HELD, 0),
            dead=counts.get(DeliveryState.DEAD, 0),
            cancelled=counts.get(DeliveryState.CANCELLED, 0),
            diverted=counts.get(DeliveryState.DIVERTED, 0),
            missing=tuple(self._connection.execute(uids).scalars()),
        )

    def list(
        self,
        *,
        destination: str = "",
        state: DeliveryState | None = None,
        study_uid: str = "",
        sop_instance_uid: str = "",
        limit: int = 100,
        after: int = 0,
    ) -> list[Delivery]:
        """Return up to `limit` deliveries by id, those whose id is above `after`."""
        query = _SELECT.where(self._which((), destination, study_uid), delivery.c.id > after).limit(limit)
        if state is not None:
            query = query.where(in_state(state))
        if sop_instance_uid:
            query = query.where(_of_uid(sop_instance_uid))
        return [_delivery(row) for row in self._connection.execute(query)]

    def _which(
        self, ids: Collection[int], destination: str, study_uid: str, *, some: bool = False
    ) -> ColumnElement[bool]:
        """Return the condition for those that all of it says; for all of them when nothing does."""
        if some and not ids and not destination and not study_uid:
            raise ValueError("which deliveries is not said")
        conditions: list[ColumnElement[bool]] = []
        if ids:
            conditions.append(delivery.c.id.in_(sorted(ids)))
        if destination:
            conditions.append(self._homes(destination))
        if study_uid:
            conditions.append(_of_study(study_uid))
        return and_(delivery.c.id > 0, *conditions)

    def _homes(self, name: str) -> ColumnElement[bool]:
        row = self._connection.execute(
            select(destination.c.id).where(destination.c.name == name)
        ).scalar_one_or_none()
        return false() if row is None else delivery.c.destination_row == row

    def _lock(self, which: ColumnElement[bool], states: Collection[DeliveryState]) -> Sequence[int]:
        return lock(self._connection, which, or_(false(), *(in_state(state) for state in states)))

    def _heard(self, count: int) -> int:
        if count:
            self._ring()
        return count


def _window(home: ColumnElement[bool], since: datetime, until: datetime) -> ColumnElement[bool]:
    span = and_(delivery.c.queued_at >= since, delivery.c.queued_at < until)
    return and_(home, span, delivery.c.attempts >= literal_column("0"))  # by which the index is known


def _of_uid(uid: str) -> ColumnElement[bool]:
    kept = select(instance.c.id).where(instance.c.sop_instance_uid == uid)
    left = select(-gone.c.id).where(gone.c.sop_instance_uid == uid)
    return delivery.c.instance_row.in_(kept.union_all(left))


def _of_study(uid: str) -> ColumnElement[bool]:
    rows = select(study.c.id).where(study.c.study_instance_uid == uid)
    left = select(-gone.c.id).where(gone.c.study_instance_uid == uid)
    return or_(delivery.c.study_row.in_(rows), delivery.c.instance_row.in_(left))


def _delivery(row: Any) -> Delivery:
    values = {name: getattr(row, name) for name in Delivery.__dataclass_fields__}
    values["state"] = DeliveryState(row.state)
    values["rules"] = rules_of(row.rules)
    values["committed"] = Committed(row.committed)
    return Delivery(**values)
