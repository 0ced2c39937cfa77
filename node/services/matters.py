"""A study as rules would see it, whether the archive has it or some files do; for those who only look.

What decides on live traffic is `node.rulings`; both take their facts from `node.rulings.facts`.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from node.rulings.book import INDEXED
from node.rulings.facts import further, of_instance, of_series, of_study
from rules.completeness import complete
from rules.facts import Facts, Needs, joined
from rules.ruleset import RuleSet
from rules.symbols import On
from storage.blobs.protocol import BlobStore
from storage.records.attributes import ATTRIBUTES, Level
from storage.records.subjects import SeriesSubject, StudySubject, Subject
from storage.transaction import Transaction

_OF_STUDY = frozenset(a.keyword for a in ATTRIBUTES if a.level is Level.STUDY)
_OF_SERIES = _OF_STUDY | {a.keyword for a in ATTRIBUTES if a.level is Level.SERIES}


@dataclass(frozen=True, slots=True)
class Matter:
    """One thing that rules are asked about.

    Attributes
    ----------
    row
        Of it in its table.
    instances
        Rows of what is in it.
    """

    on: On
    row: int
    uid: str
    instances: tuple[int, ...]
    facts: Facts


class View:
    """A study with its series and instances.

    Parameters
    ----------
    labels
        Of each instance, its series and its study, by the row of the instance.
    further_of
        Returns what rules want of an instance beyond the indexed attributes.
    """

    def __init__(
        self,
        study: StudySubject,
        series: Sequence[SeriesSubject],
        instances: Sequence[Subject],
        labels: Mapping[int, Sequence[str]],
        further_of: Callable[[Subject], Mapping[str, object]],
    ) -> None:
        self.study = study
        self.series = series
        self.instances = instances
        self._labels = labels
        self._further: dict[int, Mapping[str, object]] = {}
        self._read = further_of

    @property
    def uids(self) -> dict[tuple[str, int], str]:
        """UID of everything in it, by level and row."""
        found = {("instance", each.place.instance_row): each.sop_instance_uid for each in self.instances}
        found |= {("series", each.row): each.series_instance_uid for each in self.series}
        return found | {("study", self.study.row): self.study.study_instance_uid}

    def instance(self, subject: Subject) -> Matter:
        """Return one of its instances."""
        row = subject.place.instance_row
        facts = of_instance(subject, self._labels.get(row, ()), self._further_of(subject))
        return Matter(On.INSTANCE, row, subject.sop_instance_uid, (row,), facts)

    def settled(self, ruleset: RuleSet, now: datetime, only: int | None = None) -> Iterator[Matter]:
        """Yield what `ruleset` is asked about once the study settles: its series, then the study.

        Parameters
        ----------
        now
            By the node's clock on the wall.
        only
            Row of the series to yield alone.
        """
        if asks(ruleset, On.SERIES):
            whole = self._is_whole(ruleset, On.SERIES, now)
            for series in self.series:
                if only in (None, series.row):
                    yield self._of_series(series, whole)
        if only is None and asks(ruleset, On.STUDY):
            whole = self._is_whole(ruleset, On.STUDY, now)
            rows = tuple(each.place.instance_row for each in self.instances)
            facts = of_study(self.study, self.instances, self._all(rows), self._further_of, complete=whole)
            yield Matter(On.STUDY, self.study.row, self.study.study_instance_uid, rows, facts)

    def _of_series(self, series: SeriesSubject, whole: bool) -> Matter:
        within = [each for each in self.instances if each.place.series_row == series.row]
        rows = tuple(each.place.instance_row for each in within)
        labels = self._all(rows)
        facts = of_series(series, self.study, within, labels, self._further_of, complete=whole)
        return Matter(On.SERIES, series.row, series.series_instance_uid, rows, facts)

    def _is_whole(self, ruleset: RuleSet, on: On, now: datetime) -> bool:
        """Tell whether some rule has all that it requires, or none requires anything."""
        rules = [rule for rule in ruleset.rules if rule.on is on and rule.requires]
        if not rules:
            return True
        facts = [self._of_series(series, True).facts for series in self.series]
        return any(all(each.met for each in complete(ruleset, rule.name, facts, now)) for rule in rules)

    def _all(self, rows: Iterable[int]) -> tuple[str, ...]:
        return tuple(dict.fromkeys(label for row in rows for label in self._labels.get(row, ())))

    def _further_of(self, subject: Subject) -> Mapping[str, object]:
        row = subject.place.instance_row
        if row not in self._further:
            self._further[row] = self._read(subject)
        return self._further[row]


def asks(ruleset: RuleSet, on: On) -> bool:
    """Tell whether any rule is asked on such a thing."""
    return bool(ruleset.compiled.rules[on])


def needs_of(rulesets: Iterable[RuleSet]) -> Needs:
    """Return what `rulesets` want to know beyond the indexed attributes, together."""
    return joined(ruleset.needs(INDEXED) for ruleset in rulesets)


def load(tx: Transaction, blobs: BlobStore, study_row: int, needs: Needs) -> View | None:
    """Return a study that the archive has, None when it has not; of its instances nothing is read yet."""
    study = tx.subjects.study(study_row)
    if study is None:
        return None
    instances = list(tx.subjects.of_study(study_row))
    labels = tx.labels.of_many([each.place for each in instances]) if instances else {}
    series = tx.subjects.series_of(study_row)
    return View(
        study,
        series,
        instances,
        labels,
        lambda each: further(blobs, each.blob, each.transfer_syntax_uid, needs),
    )


def gather(subjects: Collection[Subject], further_of: Mapping[int, Mapping[str, object]]) -> list[View]:
    """Return the studies that `subjects` make up, which are in no archive.

    Parameters
    ----------
    further_of
        What rules want beyond the indexed attributes, by the row of the instance.
    """
    studies: dict[int, list[Subject]] = {}
    for each in subjects:
        studies.setdefault(each.place.study_row, []).append(each)
    return [
        View(_study(within), _series(within), within, {}, lambda each: further_of[each.place.instance_row])
        for within in studies.values()
    ]


def _study(within: Sequence[Subject]) -> StudySubject:
    first = within[0]
    modalities = {each.attributes["Modality"] for each in within if each.attributes.get("Modality")}
    return StudySubject(
        first.place.study_row,
        first.study_instance_uid,
        {name: value for name, value in first.attributes.items() if name in _OF_STUDY},
        len(within),
        len({each.place.series_row for each in within}),
        tuple(sorted(modalities)),
        first.received_at,
        first.received_at,
    )


def _series(within: Sequence[Subject]) -> list[SeriesSubject]:
    found: dict[int, list[Subject]] = {}
    for each in within:
        found.setdefault(each.place.series_row, []).append(each)
    return [
        SeriesSubject(
            row,
            some[0].place.study_row,
            some[0].series_instance_uid,
            some[0].study_instance_uid,
            {name: value for name, value in some[0].attributes.items() if name in _OF_SERIES},
            len(some),
            some[0].received_at,
            some[0].received_at,
        )
        for row, some in found.items()
    ]
