"""Deidentify: make de-identified copies of an instance, a series or a study, and deliver or keep them.

Payload: level and row of the source, profile, to (names of peers), alternate, keep, rules, priority.

It may begin any number of times, and be asked again when late images come: a copy that is there is not made
again, and a copy has one delivery to a destination. A copy that is only to be delivered is discarded once it
is; the ledger then says that it was. What the profile cannot clean gets no copy: the job does the rest, then
ends dead and says how many and why.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Self

import structlog

from node.core import clock
from node.jobs.task import Hopeless, Later, Task
from node.services.deidentifying import Refused, copy, copy_uid, is_copy, key_of
from rules.deid.profiles import PROFILES
from storage.records.deliveries import NewDelivery
from storage.records.jobs import NewJob, Priority, about
from storage.records.rulings import Label
from storage.records.subjects import Subject
from storage.records.trail import Event
from storage.transaction import Transaction

KEPT = "deidentified"
"""The label of copies that are kept; others are discarded once they are delivered."""

PASSING = "a de-identified copy that was made to be delivered"
"""Why copies are discarded."""

_SOON = timedelta(seconds=5)

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Wish:
    """What the job is to do."""

    level: str
    row: int
    profile: str
    to: tuple[str, ...]
    alternate: str
    keep: bool
    rules: tuple[str, ...]
    priority: int

    @classmethod
    def read(cls, payload: Mapping[str, Any]) -> Self:
        """Return what a payload says."""
        return cls(
            level=payload["level"],
            row=payload["row"],
            profile=payload["profile"],
            to=tuple(payload.get("to", ())),
            alternate=payload.get("alternate", ""),
            keep=payload.get("keep", False),
            rules=tuple(payload.get("rules", ())),
            priority=payload.get("priority", Priority.ORDINARY),
        )


def run(task: Task) -> None:
    """Make and deliver what is not yet."""
    wish = Wish.read(task.job.payload)
    if wish.profile not in PROFILES:
        raise Hopeless(f"there is no profile {wish.profile}; there is {', '.join(sorted(PROFILES))}")
    key = key_of(task.node.archive)
    with task.node.archive.read() as tx:
        sources = [each for each in _sources(tx, wish) if not is_copy(each.origin)]
    refused: Counter[str] = Counter()
    for done, source in enumerate(sources, 1):
        try:
            _do(task, wish, source, key)
        except Refused as error:
            refused[str(error)] += 1
            _tell(task, wish, source, str(error))
        task.progress(done, len(sources))
    if refused:
        total = refused.total()
        reasons = "; ".join(f"{count} × {words}" for words, count in refused.most_common())
        raise Hopeless(f"not de-identified, and not let out: {total} of {len(sources)} instances: {reasons}")


def _sources(tx: Transaction, wish: Wish) -> Sequence[Subject]:
    if wish.level == "instance":
        subject = tx.subjects.instance(wish.row)
        return [] if subject is None else [subject]
    within = tx.subjects.of_series if wish.level == "series" else tx.subjects.of_study
    return list(within(wish.row))


def _do(task: Task, wish: Wish, source: Subject, key: bytes) -> None:
    """Make the copy of one instance, unless it was made, and order what is to become of it."""
    archive, uid = task.node.archive, copy_uid(key, source)
    with archive.read() as tx:
        there = tx.subjects.by_uid(uid)
        passed = [] if there else _passed(tx, uid)
    to = [peer for peer in wish.to if peer not in passed]
    if there is None and not to and not wish.keep:
        return  # it was here, and went where it was to go
    if there is None:
        copy(task.node, source, wish.profile, key)
    with archive.begin() as tx:
        made = tx.subjects.by_uid(uid)
        if made is None or not tx.discards.keep([made.place.instance_row]):
            raise Later("a copy was discarded while more was to be done with it", _SOON)
        _order(tx, wish, made, to)
        tx.commit()


def _passed(tx: Transaction, uid: str) -> set[str]:
    """Return the destinations of a copy that is here no more."""
    left = tx.discards.of(uid)
    return {each.destination for gone in left for each in tx.ledger.of_instance(-gone.id)}


def _order(tx: Transaction, wish: Wish, made: Subject, to: Sequence[str]) -> None:
    """Add deliveries, and keep the copy or have it discarded after them."""
    now, place = clock.now(), made.place
    tx.deliveries.add(
        [
            NewDelivery(
                instance_row=place.instance_row,
                series_row=place.series_row,
                study_row=place.study_row,
                instance_number=made.instance_number,
                destination=peer,
                priority=wish.priority,
                queued_at=now,
                rules=wish.rules,
                alternate=wish.alternate,
            )
            for peer in to
        ]
    )
    if wish.keep:
        author = ", ".join(wish.rules)
        tx.labels.add(Label("instance", place.instance_row, place.study_row, KEPT, author, now))
        return
    payload = {"row": place.instance_row, "reason": PASSING, "rules": list(wish.rules), "unless": KEPT}
    tx.jobs.enqueue(NewJob("discard", payload, dedupe=about("discard", "instance", place.instance_row)), now)


def _tell(task: Task, wish: Wish, source: Subject, words: str) -> None:
    uid = source.sop_instance_uid
    _log.warning("deidentify.refused", job=task.job.id, sop_instance_uid=uid, reason=words)
    event = Event(
        at=clock.now(),
        kind="deidentify.refused",
        study_instance_uid=source.study_instance_uid,
        series_instance_uid=source.series_instance_uid,
        sop_instance_uid=uid,
        detail={"job": task.job.id, "profile": wish.profile, "reason": words},
    )
    with task.node.archive.begin() as tx:
        tx.events.add(event)
        tx.commit()
