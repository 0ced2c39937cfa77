"""Asks the active rules again about what is archived: after a change of rules, or when they failed.

What they ask for is added to what there is. A delivery that was made, or is open, is not made twice, and what
an earlier revision asked for is not taken back.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import islice

from node.core import clock
from node.rulings.book import Book, InForce, wants_of
from node.rulings.facts import further, of_instance
from node.rulings.orders import About, Content, Orders
from node.rulings.saving import open_holds, save
from node.rulings.sitting import Sitting
from rules.symbols import On
from storage.archive import Archive
from storage.blobs.protocol import BlobStore
from storage.records.rulings import Role, Ruling
from storage.records.subjects import Subject
from storage.records.trail import AuditEntry

_AT_ONCE = 64


@dataclass
class Asked:
    """What came of it.

    Attributes
    ----------
    deliveries
        That rules ask for; those that exist already are among them.
    studies
        Whose series and study rules are asked as soon as a worker gets to it.
    """

    instances: int = 0
    deliveries: int = 0
    jobs: int = 0
    studies: int = 0


class Again:
    """Asks the active revision about stored instances."""

    def __init__(self, archive: Archive, blobs: BlobStore, book: Book) -> None:
        self._archive = archive
        self._blobs = blobs
        self._book = book

    def ask(
        self, subjects: Iterable[Subject], author: str, advance: Callable[[int], None] = lambda more: None
    ) -> Asked:
        """Ask about each of `subjects`, and let their studies settle again.

        Raises
        ------
        storage.errors.StorageError
            The archive does not answer, or a header cannot be read. What was asked before stays.
        """
        done = Asked()
        studies: set[int] = set()
        waiting = iter(subjects)
        while batch := list(islice(waiting, _AT_ONCE)):
            self._ask(batch, done)
            studies |= {each.place.study_row for each in batch}
            advance(len(batch))
        done.studies = self._settle(sorted(studies), author, done)
        return done

    def _ask(self, batch: Sequence[Subject], done: Asked) -> None:
        with self._archive.begin() as tx:
            asked = [one for one in self._book.in_force(tx) if one.role is Role.ACTIVE]
            kept = tx.discards.keep([each.place.instance_row for each in batch])
            batch = [each for each in batch if each.place.instance_row in kept]
            done.instances += len(batch)
            if not asked or not asked[0].asks(On.INSTANCE):
                return
            at = clock.now()
            rulings: list[Ruling] = []
            found = Orders()
            places = [each.place for each in batch]
            labels, held = tx.labels.of_many(places), open_holds(tx, places)
            sitting = Sitting(asked, On.INSTANCE, at, self._book.titles(tx))
            for each in batch:
                row = each.place.instance_row
                tx.rulings.mark_stale("instance", row, at)
                facts = of_instance(each, labels.get(row, ()), self._further(each, asked))
                content = Content(each.place, each.instance_number)
                about = About("instance", row, each.place.study_row, (content,), held=held)
                rulings += sitting.decide(facts, about, found)
            save(tx, rulings, found, at)
            tx.commit()
        done.deliveries += len(found.deliveries)
        done.jobs += len(found.jobs)

    def _further(self, subject: Subject, asked: Sequence[InForce]) -> dict[str, object]:
        needs = wants_of(asked).needs
        return dict(further(self._blobs, subject.blob, subject.transfer_syntax_uid, needs))

    def _settle(self, study_rows: Sequence[int], author: str, done: Asked) -> int:
        """Let studies settle as if all of them had just come and been quiet since."""
        now = clock.now()
        with self._archive.begin() as tx:
            asked = [one for one in self._book.in_force(tx) if one.role is Role.ACTIVE]
            settles = any(one.asks(On.SERIES) or one.asks(On.STUDY) for one in asked)
            rows = []
            for row in study_rows if settles else ():
                study = tx.subjects.study(row)
                if study is not None:
                    rows.append((row, study.created_at, now))
            if rows:
                tx.settling.note(rows)
            detail = {"instances": done.instances, "studies": len(rows)}
            tx.audit.add(AuditEntry(now, author, "rules.run", detail=detail))
            tx.commit()
        return len(rows)
