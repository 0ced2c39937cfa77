"""Deliveries as an administrator handles them: look, try again, cancel, release what is held."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from node.core import clock
from node.core.errors import UserError
from node.root import Node
from storage.records.deliveries import OPEN_STATES, Attempt, Delivery, DeliveryState
from storage.records.trail import AuditEntry
from storage.transaction import Transaction

RETRIED = (DeliveryState.DEAD, DeliveryState.CANCELLED, DeliveryState.WAITING)
"""States from which a delivery can be tried again, unless others are said."""

FAILED = (DeliveryState.DEAD, DeliveryState.WAITING)
"""Those of them in which no person has put it, as one does who rejects a hold."""

_NAMED = 100  # deliveries whose numbers the audit keeps


@dataclass(frozen=True, slots=True)
class Detail:
    """A delivery, and the attempts before its last one."""

    delivery: Delivery
    attempts: Sequence[Attempt]


def list_(
    node: Node,
    *,
    destination: str = "",
    state: DeliveryState | None = None,
    study_uid: str = "",
    sop_instance_uid: str = "",
    limit: int = 100,
    after: int = 0,
) -> Sequence[Delivery]:
    """Return up to `limit` deliveries in the order in which they were made, those above number `after`."""
    with node.archive.read() as tx:
        return tx.ledger.list(
            destination=destination,
            state=state,
            study_uid=study_uid,
            sop_instance_uid=sop_instance_uid,
            limit=limit,
            after=after,
        )


def get(node: Node, number: int) -> Detail:
    """Return everything about one delivery.

    Raises
    ------
    UserError
        There is none of that number.
    """
    with node.archive.read() as tx:
        found = tx.ledger.get(number)
        if found is None:
            raise UserError(f"delivery {number}: there is none; isocentre deliveries list shows them")
        return Detail(found, tx.ledger.attempts(number))


def retry(
    node: Node,
    author: str,
    *,
    ids: Collection[int] = (),
    destination: str = "",
    states: Collection[DeliveryState] = RETRIED,
) -> int:
    """Queue deliveries again, as new ones; return how many.

    Parameters
    ----------
    author
        Who wants it, for the audit; so with all that changes something.
    ids
        These alone; empty: all that the rest says.

    Raises
    ------
    UserError
        One of `ids` is not there or in none of `states`; then nothing is changed. Or nothing is said.
    """
    if not ids and not destination:
        raise UserError("say which deliveries: their numbers, or all of a destination")
    with node.archive.begin() as tx:
        again = tx.ledger.retry(ids=ids, destination=destination, states=states, at=clock.now())
        if again == len(set(ids)) or not ids:
            _audit(tx, author, "deliveries.retry", again, ids, destination)
            tx.commit()
            return again
    raise _unfit(node, ids, states, "tried again")


def cancel(
    node: Node,
    author: str,
    *,
    ids: Collection[int] = (),
    destination: str = "",
    study_uid: str = "",
) -> int:
    """Cancel deliveries that are not at their end; one that is being sent may arrive. Return how many.

    Raises
    ------
    UserError
        One of `ids` has ended or is not there; then nothing is changed. Or nothing is said.
    """
    if not ids and not destination and not study_uid:
        raise UserError("say which deliveries: their numbers, a destination or a study")
    with node.archive.begin() as tx:
        cancelled = tx.ledger.cancel(ids=ids, destination=destination, study_uid=study_uid, at=clock.now())
        if cancelled == len(set(ids)) or not ids:
            _audit(tx, author, "deliveries.cancel", cancelled, ids, destination, study_uid)
            tx.commit()
            return cancelled
    raise _unfit(node, ids, OPEN_STATES, "cancelled")


def release(node: Node, author: str, *, ids: Collection[int] = (), study_uid: str = "") -> int:
    """Let held deliveries go, whatever holds them; return how many.

    Raises
    ------
    UserError
        One of `ids` is not held; then nothing is changed. Or nothing is said.
    """
    if not ids and not study_uid:
        raise UserError("say which deliveries: their numbers, or a study")
    with node.archive.begin() as tx:
        released = tx.ledger.release(ids=ids, study_uid=study_uid, at=clock.now())
        if released == len(set(ids)) or not ids:
            _audit(tx, author, "deliveries.release", released, ids, study_uid=study_uid)
            tx.commit()
            return released
    raise _unfit(node, ids, (DeliveryState.HELD,), "released")


def _audit(
    tx: Transaction,
    author: str,
    action: str,
    count: int,
    ids: Collection[int],
    destination: str = "",
    study_uid: str = "",
) -> None:
    """Say who did what to which deliveries."""
    which = {"ids": sorted(ids)[:_NAMED], "destination": destination, "study": study_uid}
    detail = {"count": count} | {name: value for name, value in which.items() if value}
    subject = f"destination {destination}" if destination else study_uid
    if len(set(ids)) == 1:
        subject = f"delivery {next(iter(ids))}"
    tx.audit.add(AuditEntry(clock.now(), author, action, subject or "deliveries", detail=detail))


def _unfit(node: Node, ids: Collection[int], states: Collection[DeliveryState], done: str) -> UserError:
    """Return the error that names the first delivery for which it could not be done."""
    for number in sorted(ids):
        found = get(node, number).delivery
        if found.state not in states:
            return UserError(
                f"delivery {number}: it is {found.state.value}, so it cannot be {done}; nothing was changed"
            )
    return UserError(f"the deliveries changed meanwhile and were not {done}; look again")
