"""One study that settles: what its rules see, whether all that they require is there, what they come to.

Series rules are asked again only about series that have grown, unless they look at the study as a whole. What
was decided before about the same is marked stale; a delivery that was made is not made again, for an instance
has one delivery to each destination.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property

from node.core import clock
from node.rulings.book import Book, InForce, wants_of
from node.rulings.facts import further, of_series, of_study
from node.rulings.orders import About, Content, Orders
from node.rulings.saving import open_holds, save
from node.rulings.sitting import Sitting
from rules.completeness import complete
from rules.decisions import Outcome, decide
from rules.facts import Facts
from rules.symbols import On
from storage.archive import Archive
from storage.blobs.protocol import BlobStore
from storage.records.rulings import Ruling, Settling
from storage.records.subjects import SeriesSubject, StudySubject, Subject
from storage.records.trail import Event
from storage.transaction import Transaction

_ACTED = (Outcome.FIRED, Outcome.UNKNOWN, Outcome.OUTSIDE_WINDOW)


@dataclass(frozen=True, slots=True)
class _Matter:
    """Something that rules are asked about, and what is in it."""

    on: On
    row: int
    contents: tuple[Content, ...]
    series: SeriesSubject | None


class Settlement:
    """A study as it stands while it is looked at.

    Raises
    ------
    storage.errors.StorageError
        From every method: the archive, or the bytes of an instance, cannot be read.
    """

    def __init__(self, archive: Archive, blobs: BlobStore, book: Book, settling: Settling) -> None:
        self._archive = archive
        self._blobs = blobs
        self._settling = settling
        self._further: dict[int, Mapping[str, object]] = {}
        with archive.read() as tx:
            self._in_force: Sequence[InForce] = book.in_force(tx)
            self._needs = wants_of(self._in_force).needs
            self._titles = book.titles(tx)
            self._study: StudySubject | None = tx.subjects.study(settling.study_row)
            self._series = list(tx.subjects.series_of(settling.study_row))
            self._instances = list(tx.subjects.of_study(settling.study_row))
            self._labels = tx.labels.of_many([each.place for each in self._instances])

    def is_complete(self) -> bool:
        """Tell whether it need not wait until it is quiet.

        So it is when rules have something to do, and each of them has all that it requires.
        """
        leading = self._leading
        if leading is None:
            return False
        now = clock.now().astimezone()
        acted: set[str] = set()
        for matter in self._matters:
            facts = self._facts(matter, whole=True)
            decided = decide(leading.ruleset, facts, now, matter.on, self._titles)
            acted |= {each.rule for each in decided.decisions if each.outcome in _ACTED}
        return bool(acted) and all(self._has_required(leading, name, now) for name in acted)

    def carry_out(self) -> bool:
        """Decide, and save what follows; False when something came meanwhile, or another was quicker."""
        facts = [(matter, self._facts(matter, whole=self._is_whole(matter.on))) for matter in self._matters]
        with self._archive.begin() as tx:
            if not tx.settling.close(self._settling):
                return False
            self._save(tx, facts)
            tx.commit()
        return True

    def _save(self, tx: Transaction, facts: Sequence[tuple[_Matter, Facts]]) -> None:
        at = clock.now()
        stale = 0
        rulings: list[Ruling] = []
        found = Orders()
        held = open_holds(tx, [each.place for each in self._instances])
        for matter, known in facts:
            stale += tx.rulings.mark_stale(str(matter.on), matter.row, at)
            about = About(
                str(matter.on),
                matter.row,
                self._settling.study_row,
                matter.contents,
                generation=str(int(self._settling.last_at.timestamp() * 1000)),
                held=held,
            )
            asked = [one for one in self._in_force if one.asks(matter.on)]
            rulings += Sitting(asked, matter.on, at, self._titles).decide(known, about, found)
        if stale:
            tx.events.add(self._event("study.reopened", at, {"stale": stale}))
        tx.events.add(self._event("study.settled", at, {"instances": len(self._instances)}))
        save(tx, rulings, found, at)

    def _event(self, kind: str, at: datetime, detail: Mapping[str, int]) -> Event:
        uid = self._study.study_instance_uid if self._study else ""
        return Event(at, kind, study_instance_uid=uid, detail=detail)

    @cached_property
    def _matters(self) -> list[_Matter]:
        """What rules are asked about: series that are affected, then the study."""
        found: list[_Matter] = []
        if self._study is None or not self._instances:
            return found
        if any(one.asks(On.SERIES) for one in self._in_force):
            for series in self._series:
                if self._is_affected(series):
                    found.append(_Matter(On.SERIES, series.row, self._contents(series.row), series))
        if any(one.asks(On.STUDY) for one in self._in_force):
            found.append(_Matter(On.STUDY, self._settling.study_row, self._contents(None), None))
        return found

    def _is_affected(self, series: SeriesSubject) -> bool:
        if series.updated_at >= self._settling.opened_at:
            return True
        rulesets = [one.ruleset for one in self._in_force]
        looks_around = any(name.startswith("study.") for each in rulesets for name in each.symbols)
        return looks_around or any(rule.requires for each in rulesets for rule in each.rules)

    def _contents(self, series_row: int | None) -> tuple[Content, ...]:
        return tuple(
            Content(each.place, each.instance_number)
            for each in self._instances
            if series_row in (None, each.place.series_row)
        )

    def _facts(self, matter: _Matter, *, whole: bool) -> Facts:
        study = self._study
        assert study is not None  # noqa: S101 - else there is no matter
        if matter.series is None:
            return of_study(study, self._instances, self._labels_of(None), self._further_of, complete=whole)
        row = matter.series.row
        within = [each for each in self._instances if each.place.series_row == row]
        return of_series(matter.series, study, within, self._labels_of(row), self._further_of, complete=whole)

    def _labels_of(self, series_row: int | None) -> tuple[str, ...]:
        """Return the labels of anything in a series, or in the study."""
        found: dict[str, None] = {}
        for each in self._instances:
            if series_row in (None, each.place.series_row):
                found.update(dict.fromkeys(self._labels.get(each.place.instance_row, ())))
        return tuple(found)

    def _further_of(self, subject: Subject) -> Mapping[str, object]:
        """Return what rules want of an instance beyond the index; its header is read at most once."""
        row = subject.place.instance_row
        if row not in self._further:
            self._further[row] = further(self._blobs, subject.blob, subject.transfer_syntax_uid, self._needs)
        return self._further[row]

    def _is_whole(self, on: On) -> bool:
        """Tell whether some rule has all that it requires, or none requires anything."""
        leading = self._leading
        if leading is None:
            return True
        rules = [rule for rule in leading.ruleset.rules if rule.on is on and rule.requires]
        now = clock.now().astimezone()
        return not rules or any(self._has_required(leading, rule.name, now) for rule in rules)

    @property
    def _leading(self) -> InForce | None:
        """The active revision; the one in the shadow when there is no other."""
        return next(iter(self._in_force), None)

    def _has_required(self, one: InForce, rule: str, now: datetime) -> bool:
        required = complete(one.ruleset, rule, self._facts_of_series, now)
        return bool(required) and all(each.met for each in required)

    @cached_property
    def _facts_of_series(self) -> list[Facts]:
        return [
            self._facts(_Matter(On.SERIES, series.row, (), series), whole=True) for series in self._series
        ]
