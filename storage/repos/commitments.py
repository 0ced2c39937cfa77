"""Storage commitment: who is still to be asked for what, and what was answered (PS3.4 J).

due -> asked -> yes | no
 ^       |-----> unanswered: it did not answer, or nobody can be asked; a late answer still counts
 '-------'
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Select, func, insert, literal_column, select, update

from storage.records.commitments import Commitment, Due, Uncommitted, Verdict
from storage.records.deliveries import Committed, DeliveryState
from storage.records.tables import attempt, commitment, delivery, destination, gone, instance, series, study
from storage.repos import attempts

UNCOMMITTED = "uncommitted"  # of an attempt: delivered, and then the destination did not answer for it

_OPEN = (Committed.DUE, Committed.ASKED, Committed.UNANSWERED)
# Written out, not bound: else SQLite cannot know that the partial index serves.
_DUE = delivery.c.committed == literal_column("'due'")
_DELIVERED = delivery.c.state == DeliveryState.DELIVERED


class CommitmentsRepo:
    """The table of commitments, and what the deliveries say of theirs, in one transaction.

    Parameters
    ----------
    ring
        Wakes the workers when the transaction commits.
    """

    def __init__(self, connection: Connection, ring: Callable[[], None]) -> None:
        self._connection = connection
        self._ring = ring

    def due(self, name: str, limit: int) -> Sequence[Due]:
        """Return up to `limit` deliveries that the destination is to be asked for, the oldest first.

        On PostgreSQL they are locked, and those that another transaction has locked are left to it.
        """
        query = (
            select(
                delivery.c.id,
                func.coalesce(instance.c.sop_class_uid, gone.c.sop_class_uid, "").label("sop_class_uid"),
                func.coalesce(instance.c.sop_instance_uid, gone.c.sop_instance_uid, "").label("uid"),
            )
            .outerjoin(instance, instance.c.id == delivery.c.instance_row)
            .outerjoin(gone, gone.c.id == -delivery.c.instance_row)
            .where(delivery.c.destination_row == _row_of(name), _DUE, _DELIVERED)
            .order_by(delivery.c.id)
            .limit(limit)
            .with_for_update(skip_locked=True, key_share=True, of=delivery)
        )
        return [Due(row.id, row.sop_class_uid, row.uid) for row in self._connection.execute(query)]

    def has_due(self, name: str) -> bool:
        """Tell whether there is anything to ask the destination for."""
        query = select(delivery.c.id).where(delivery.c.destination_row == _row_of(name), _DUE, _DELIVERED)
        return self._connection.execute(query.limit(1)).first() is not None

    def ask(self, transaction_uid: str, name: str, deliveries: Collection[int], at: datetime) -> int:
        """Record that the destination is about to be asked for `deliveries`; return for how many it is.

        Those that are not due any more are left out.
        """
        row = self._connection.execute(
            insert(commitment)
            .values(
                transaction_uid=transaction_uid,
                destination_row=_row_of(name),
                requested_at=at,
                committed=0,
                failed=0,
            )
            .returning(commitment.c.id)
        ).scalar_one()
        return self._mark(sorted(deliveries), (Committed.DUE,), committed=Committed.ASKED, commitment_row=row)

    def withdraw(self, transaction_uid: str) -> int:
        """Have its deliveries asked for again: nobody knows whether the destination got the request.

        Should it answer this one all the same, that counts for those that have not been asked for again.
        """
        found = self._find(transaction_uid, lock=True)
        ids = self._rows(found.id, (Committed.ASKED,)) if found else []
        return self._mark(ids, (Committed.ASKED,), committed=Committed.DUE)

    def answer(
        self,
        transaction_uid: str,
        committed: Collection[str] | None,
        failed: Mapping[str, int],
        at: datetime,
    ) -> Verdict | None:
        """Record what a destination says; said twice, it changes nothing more.

        Parameters
        ----------
        committed
            SOP Instance UIDs that it keeps; None: all that were asked for.
        failed
            SOP Instance UID to Failure Reason of those that it does not keep.

        Returns
        -------
        Verdict or None
            None when nobody has asked this.
        """
        found = self._find(transaction_uid, lock=True)
        if found is None:
            return None
        yes, no, silent = [], [], []
        for row in self._connection.execute(_asked(found.id)):
            if row.uid in failed:
                no.append(Uncommitted(row.id, row.uid, row.series_uid, row.study_uid, failed[row.uid]))
            elif committed is None or row.uid in committed:
                yes.append(row.id)
            else:
                silent.append(row.id)
        self._mark(yes, _OPEN, committed=Committed.YES)
        self._mark([each.delivery for each in no], _OPEN, committed=Committed.NO)
        self._mark(silent, _OPEN, committed=Committed.UNANSWERED)
        self._connection.execute(
            update(commitment)
            .where(commitment.c.id == found.id)
            .values(
                answered_at=func.coalesce(commitment.c.answered_at, at),
                committed=commitment.c.committed + len(yes),
                failed=commitment.c.failed + len(no),
            )
        )
        return Verdict(found.name, len(yes), tuple(no), len(silent))

    def send_again(
        self, deliveries: Collection[int], words: str, at: datetime
    ) -> Mapping[int, DeliveryState]:
        """Queue deliveries again that their destination does not keep: each once, the second time it is dead.

        Returns
        -------
        mapping of int to DeliveryState
            What became of each; those that are not delivered any more are left alone, and are not in it.
        """
        became: dict[int, DeliveryState] = {}
        for some in attempts.parts(sorted(deliveries)):
            ids = attempts.lock(self._connection, delivery.c.id.in_(some), _DELIVERED)
            before = select(attempt.c.delivery_row).where(
                attempt.c.delivery_row.in_(ids), attempt.c.state == UNCOMMITTED
            )
            twice = set(self._connection.execute(before).scalars())
            once = [each for each in ids if each not in twice]
            attempts.note(self._connection, once, UNCOMMITTED, at, words)
            attempts.enqueue(self._connection, once, at)
            attempts.move(
                self._connection,
                [each for each in ids if each in twice],
                state=DeliveryState.DEAD.value,
                ended_at=at,
                words=f"it was sent a second time, and {words}",
                committed=Committed.NO.value,
            )
            became |= {each: DeliveryState.DEAD if each in twice else DeliveryState.QUEUED for each in ids}
        if DeliveryState.QUEUED in became.values():
            self._ring()
        return became

    def give_up(self, name: str) -> int:
        """Stop wanting to ask the destination for what is due; return for how much."""
        ids = attempts.lock(self._connection, delivery.c.destination_row == _row_of(name), _DUE)
        return self._mark(ids, (Committed.DUE,), committed=Committed.UNANSWERED)

    def overdue(self, name: str, before: datetime, at: datetime) -> int:
        """Count what the destination was asked for before `before` as unanswered; return how much it is."""
        query = select(commitment.c.id).where(
            commitment.c.destination_row == _row_of(name),
            commitment.c.answered_at.is_(None),
            commitment.c.requested_at < before,
        )
        late = self._connection.execute(query.order_by(commitment.c.id).with_for_update()).scalars().all()
        count = 0
        for row in late:
            ids = self._rows(row, (Committed.ASKED,))
            count += self._mark(ids, (Committed.ASKED,), committed=Committed.UNANSWERED)
        for some in attempts.parts(late):
            closed = update(commitment).where(commitment.c.id.in_(some))
            self._connection.execute(closed.values(answered_at=at))
        return count

    def open_since(self, name: str) -> datetime | None:
        """Return when the oldest request was made that the destination has not answered."""
        query = select(func.min(commitment.c.requested_at)).where(
            commitment.c.destination_row == _row_of(name), commitment.c.answered_at.is_(None)
        )
        return self._connection.execute(query).scalar_one_or_none()

    def get(self, transaction_uid: str) -> Commitment | None:
        """Return a request."""
        row = self._find(transaction_uid)
        if row is None:
            return None
        return Commitment(
            transaction_uid, row.name, row.requested_at, row.answered_at, row.committed, row.failed
        )

    def _find(self, transaction_uid: str, *, lock: bool = False) -> Any:
        """Return the request with the name of its destination; two answers to it wait for each other."""
        query = (
            select(commitment, destination.c.name)
            .join(destination, destination.c.id == commitment.c.destination_row)
            .where(commitment.c.transaction_uid == transaction_uid)
        )
        if lock:
            query = query.with_for_update(of=commitment)
        return self._connection.execute(query).first()

    def _rows(self, row: int, states: Collection[Committed]) -> Sequence[int]:
        mine = (delivery.c.commitment_row == row, delivery.c.committed.in_(states))
        return attempts.lock(self._connection, *mine)

    def _mark(self, ids: Sequence[int], states: Collection[Committed], **values: Any) -> int:
        """Change deliveries whose `committed` is one of `states`; return how many."""
        changed = 0
        for some in attempts.parts(ids):
            mine = update(delivery).where(delivery.c.id.in_(some), delivery.c.committed.in_(states))
            changed += self._connection.execute(mine.values(values)).rowcount
        return changed


def _row_of(name: str) -> Any:
    return select(destination.c.id).where(destination.c.name == name).scalar_subquery()


def _asked(row: int) -> Select[Any]:
    """Return the deliveries that a request is about and that are still without a verdict."""
    return (
        select(
            delivery.c.id,
            func.coalesce(instance.c.sop_instance_uid, gone.c.sop_instance_uid, "").label("uid"),
            func.coalesce(series.c.series_instance_uid, gone.c.series_instance_uid, "").label("series_uid"),
            func.coalesce(study.c.study_instance_uid, gone.c.study_instance_uid, "").label("study_uid"),
        )
        .outerjoin(instance, instance.c.id == delivery.c.instance_row)
        .outerjoin(series, series.c.id == instance.c.series_row)
        .outerjoin(study, study.c.id == series.c.study_row)
        .outerjoin(gone, gone.c.id == -delivery.c.instance_row)
        .where(delivery.c.commitment_row == row, delivery.c.committed.in_(_OPEN))
        .order_by(delivery.c.id)
        .with_for_update(key_share=True, of=delivery)
    )
