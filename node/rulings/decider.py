"""Decides on each instance as it is recorded, in the very transaction that records it.

What is decided, with the values that were seen, and all that follows from it (deliveries, jobs, labels,
holds) are saved together with the instance, or none of it is. Nothing that rules do can make an arrival fail:
when they cannot be asked, the instance is kept and held, and a person is told why.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

import structlog

from node.config.sections import RulesSection
from node.core import clock
from node.rulings.book import Book, InForce, wants_of
from node.rulings.facts import further, of_arrival
from node.rulings.orders import About, Content, Orders
from node.rulings.saving import open_holds, save
from node.rulings.sitting import Sitting
from rules.symbols import On
from storage.blobs.protocol import BlobStore
from storage.errors import StorageError
from storage.records.arrival import Arrival, Place, Recorded
from storage.records.keys import number_key
from storage.records.rulings import Held, Ruling
from storage.transaction import Transaction

New = Sequence[tuple[Arrival, Place]]
"""Instances that a transaction has recorded, and where they stand."""

_log = structlog.get_logger()


class Decider:
    """What `storage.commit.GroupCommit` calls with what it has recorded.

    Parameters
    ----------
    book
        The rule sets in force.
    blobs
        Where a header is read again when rules changed while an instance came in.
    """

    def __init__(self, book: Book, blobs: BlobStore, config: RulesSection) -> None:
        self._book = book
        self._blobs = blobs
        self._config = config

    def __call__(self, tx: Transaction, pairs: Sequence[tuple[Arrival, Recorded]]) -> None:
        """Decide on those of `pairs` that are new."""
        new = [(arrival, recorded.place) for arrival, recorded in pairs if recorded.place is not None]
        if not new:
            return
        at = clock.now()
        rulings: list[Ruling] = []
        found = Orders()
        try:
            in_force = self._book.in_force(tx)
        except StorageError:
            raise
        except Exception as error:
            for arrival, place in new:
                found.holds.append(_held(arrival, place, error, at))
        else:
            self._decide(tx, new, in_force, at, rulings, found)
            self._note(tx, new, in_force)
        save(tx, rulings, found, at)

    def _decide(
        self,
        tx: Transaction,
        new: New,
        in_force: Sequence[InForce],
        at: datetime,
        rulings: list[Ruling],
        found: Orders,
    ) -> None:
        asked = [one for one in in_force if one.asks(On.INSTANCE)]
        if not asked:
            return
        places = [place for _, place in new]
        labelled = any("labels" in one.ruleset.symbols for one in asked)
        labels = tx.labels.of_many(places) if labelled else {}
        held = open_holds(tx, places)
        sitting = Sitting(asked, On.INSTANCE, at, self._book.titles(tx))
        wanted = wants_of(in_force).digest
        for arrival, place in new:
            try:
                if arrival.wanted != wanted:
                    arrival = self._complete(arrival, in_force)
                facts = of_arrival(arrival, labels.get(place.instance_row, ()))
                rulings += sitting.decide(facts, _about(arrival, place, held), found)
            except StorageError:
                raise
            except Exception as error:
                found.holds.append(_held(arrival, place, error, at))

    def _complete(self, arrival: Arrival, in_force: Sequence[InForce]) -> Arrival:
        """Read what rules want that came into force after the instance began to come in."""
        needs = wants_of(in_force).needs
        found = further(self._blobs, arrival.blob, arrival.transfer_syntax_uid, needs)
        return replace(arrival, further=found)

    def _note(self, tx: Transaction, new: New, in_force: Sequence[InForce]) -> None:
        """Let the studies settle anew, when rules are asked about them then."""
        settled = [one for one in in_force if one.asks(On.SERIES) or one.asks(On.STUDY)]
        if not settled:
            return
        wait = self._config.quiet_seconds
        if any(rule.requires for one in settled for rule in one.ruleset.rules):
            wait = min(wait, self._config.complete_seconds)
        latest: dict[int, datetime] = {}
        for arrival, place in new:
            at = arrival.received_at
            latest[place.study_row] = max(latest.get(place.study_row, at), at)
        tx.settling.note([(row, at, at + timedelta(seconds=wait)) for row, at in sorted(latest.items())])


def _about(arrival: Arrival, place: Place, held: Mapping[int, str]) -> About:
    number = number_key(arrival.attributes.get("InstanceNumber", "")) or 0
    content = Content(place, number)
    return About("instance", place.instance_row, place.study_row, (content,), held=held)


def _held(arrival: Arrival, place: Place, error: Exception, at: datetime) -> Held:
    """Return the hold of an instance that rules could not be asked about, so that it is not forgotten."""
    what = type(error).__name__
    _log.error("rules.failed", sop_instance_uid=arrival.sop_instance_uid, error=what)
    reason = f"the rules could not be asked: {what}; isocentre rules run UID asks them again"
    return Held("instance", place.instance_row, place.study_row, reason, "isocentre", at)
