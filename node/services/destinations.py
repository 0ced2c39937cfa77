"""Destinations as an administrator handles them: how they are doing, what is set of them, pause and replay.

A destination is a peer as something to deliver to. It has a record from the moment that a rule sends it
something, or that something is set of it.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pydicom.uid import AllTransferSyntaxes

from node.core import clock
from node.core.errors import UserError
from node.root import Node
from node.services.standing import Standing, standing
from rules.window import Window
from storage.records.deliveries import Destination
from storage.records.trail import AuditEntry
from storage.transaction import Transaction

_ASSOCIATIONS = 16
_RATE = 10_000.0

_SYNTAXES: Mapping[str, str] = {
    **{uid.keyword: uid for uid in AllTransferSyntaxes},
    **{uid: uid for uid in AllTransferSyntaxes},
}


@dataclass(frozen=True, slots=True)
class Settings:
    """What is to be set of a destination; None leaves it as it is.

    Attributes
    ----------
    associations
        To hold with it at once, 1 to 16; 0: as configured.
    rate
        Instances a second at most; 0: no limit.
    window
        ``hours`` and ``weekdays`` of when anything may be sent, as in a rule file; empty: always.
    syntaxes
        Transfer syntaxes to prefer, by UID or by keyword of PS3.6; empty: the stored one.
    commitment
        Ask it for storage commitment.
    """

    associations: int | None = None
    rate: float | None = None
    window: Mapping[str, Sequence[str]] | None = None
    syntaxes: Sequence[str] | None = None
    commitment: bool | None = None

    def checked(self) -> dict[str, Any]:
        """Return what is to be set, as `storage.repos.destinations` takes it.

        Raises
        ------
        UserError
            A value is none of its kind.
        """
        found: dict[str, Any] = {}
        if self.associations is not None:
            if not 0 <= self.associations <= _ASSOCIATIONS:
                raise UserError(f"associations: expected 0 (as configured) to {_ASSOCIATIONS}")
            found["associations"] = self.associations
        if self.rate is not None:
            if not (math.isfinite(self.rate) and 0 <= self.rate <= _RATE):
                raise UserError(f"rate: expected 0 (no limit) to {_RATE:g} instances a second")
            found["rate"] = self.rate
        if self.window is not None:
            found["window"] = _window(self.window)
        if self.syntaxes is not None:
            found["syntaxes"] = tuple(dict.fromkeys(_syntax(text) for text in self.syntaxes))
        if self.commitment is not None:
            found["commitment"] = self.commitment
        return found


def list_(node: Node) -> Sequence[Standing]:
    """Return how every destination is doing, in order of name."""
    with node.archive.read() as tx:
        return listed(tx)


def listed(tx: Transaction) -> Sequence[Standing]:
    """Return the same, of a transaction."""
    counts, oldest = tx.ledger.counts(), tx.ledger.oldest()
    peers = {peer.name for peer in tx.peers.list()}
    now = clock.now()
    return [
        standing(each, counts.get(each.name, {}), oldest.get(each.name), each.name in peers, now)
        for each in tx.destinations.list()
    ]


def get(node: Node, name: str) -> Standing:
    """Return how a destination is doing.

    Raises
    ------
    UserError
        There is none of that name.
    """
    found = next((each for each in list_(node) if each.name == name), None)
    if found is None:
        node.peers.get(name)  # says so when there is no such peer
        raise UserError(
            f"{name}: nothing has been sent to this peer, and nothing is set of it as a destination"
        )
    return found


def set_(node: Node, name: str, settings: Settings, author: str) -> Destination:
    """Set what `settings` has, of a peer or of a destination that there is.

    Raises
    ------
    UserError
        There is no such peer, nothing is to be set, or a value is none of its kind.
    """
    values = settings.checked()
    if not values:
        raise UserError("nothing is to be set; --help lists what can be")
    return _set(node, name, values, author, "destination.set")


def pause(node: Node, name: str, author: str) -> Destination:
    """Deliver nothing to a destination until it is resumed; what is on its way arrives."""
    return _set(node, name, {"paused": True}, author, "destination.pause")


def resume(node: Node, name: str, author: str) -> Destination:
    """Deliver to a destination again; one that was given up is asked at once."""
    with node.archive.begin() as tx:
        _known(node, tx, name)
        resumed = tx.destinations.set(name, paused=False)
        tx.destinations.probe(name, clock.now())
        _audit(tx, author, "destination.resume", name, {})
        tx.commit()
    return resumed


def replay(node: Node, name: str, since: datetime, until: datetime, author: str) -> int:
    """Queue again what was first queued in [since, until) and has ended; return how many.

    Raises
    ------
    UserError
        There is no such destination, or the time ends before it begins.
    """
    if until <= since:
        raise UserError("the time to send again ends before it begins")
    get(node, name)
    with node.archive.begin() as tx:
        again = tx.ledger.replay(name, since, until, clock.now(), author)
        window = {"since": since.isoformat(), "until": until.isoformat()}
        _audit(tx, author, "destination.replay", name, {**window, "count": again})
        tx.commit()
    return again


def _set(node: Node, name: str, values: Mapping[str, Any], author: str, action: str) -> Destination:
    with node.archive.begin() as tx:
        _known(node, tx, name)
        changed = tx.destinations.set(name, **values)
        _audit(tx, author, action, name, {} if action == "destination.pause" else values)
        tx.commit()
    return changed


def _audit(tx: Transaction, author: str, action: str, name: str, detail: Mapping[str, Any]) -> None:
    """Say who did what to a destination."""
    tx.audit.add(AuditEntry(clock.now(), author, action, f"destination {name}", detail=detail))


def _known(node: Node, tx: Transaction, name: str) -> None:
    """See that there is a peer of that name, or a destination whose peer was removed."""
    if tx.destinations.get(name) is None and tx.peers.get(name) is None:
        node.peers.get(name)


def _window(data: Mapping[str, Sequence[str]]) -> Mapping[str, Any] | None:
    try:
        window = Window.from_plain(data)
    except ValueError as error:
        raise UserError(f"window: {error}") from None
    return window.plain() or None


def _syntax(text: str) -> str:
    found = _SYNTAXES.get(text)
    if found is None:
        raise UserError(
            f"{text}: no transfer syntax; expected a keyword or UID of PS3.6, "
            "as in JPEGLosslessSV1 or 1.2.840.10008.1.2.1"
        )
    return str(found)
