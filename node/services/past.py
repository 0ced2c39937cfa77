"""A dry run: what a draft of rules would have come to for what was received, and what the active ones would.

Both are asked about everything as the archive has it now, so that what differs is due to the rules. Nothing
is written. A study at a time is held in memory, however many there are.
"""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from node.services.effects import Change, Comparison, Effects, collect, holds, withhold
from node.services.matters import Matter, View, asks, load, needs_of
from rules.decisions import Decision, Outcome, decide
from rules.ruleset import RuleSet
from rules.symbols import On
from storage.archive import Archive
from storage.blobs.protocol import BlobStore

_PAGE = 500
_REASONS = 100  # distinct ones that are counted of each rule
_OTHER = "other reasons"


@dataclass
class Hits:
    """How much a rule would have hit.

    Attributes
    ----------
    number
        Instances, series or studies, by what it is asked about.
    instances, studies
        How many instances are in these, and in how many studies.
    """

    number: int = 0
    instances: int = 0
    studies: int = 0


@dataclass
class Tried:
    """What one rule of the draft would have come to.

    Attributes
    ----------
    fired
        It was true, also where its actions would have waited for its window.
    unknown
        It could not be told; `reasons` says why, and how often.
    """

    rule: str
    on: str
    fired: Hits = field(default_factory=Hits)
    unknown: Hits = field(default_factory=Hits)
    reasons: dict[str, int] = field(default_factory=dict)


@dataclass
class Rehearsal:
    """What a draft would have come to.

    Attributes
    ----------
    instances, studies
        How many came in [`since`, `until`) and are there; series and study rules are asked about studies as
        they stand now.
    differing
        Studies for which the draft does something else than the active rules.
    """

    since: datetime
    until: datetime
    instances: int = 0
    studies: int = 0
    differing: int = 0
    rules: list[Tried] = field(default_factory=list)
    changes: list[Change] = field(default_factory=list)


class Past:
    """Asks a draft, and the active rules, about what was received.

    Parameters
    ----------
    titles
        AE title of each peer by its name.
    """

    def __init__(
        self,
        archive: Archive,
        blobs: BlobStore,
        draft: RuleSet,
        active: RuleSet,
        titles: Mapping[str, str],
    ) -> None:
        self._archive = archive
        self._blobs = blobs
        self._draft = draft
        self._active = active
        self._titles = titles
        self._same = draft.digest == active.digest

    def count(self, since: datetime, until: datetime) -> int:
        """Return how many instances came in [`since`, `until`) and are there."""
        with self._archive.read() as tx:
            return tx.inquiry.count_received(since, until)

    def rehearse(
        self, since: datetime, until: datetime, advance: Callable[[int], None] = lambda more: None
    ) -> Rehearsal:
        """Ask about everything that came in [`since`, `until`).

        Parameters
        ----------
        advance
            Called with the number of instances after each study.

        Raises
        ------
        storage.errors.StorageError
            The archive does not answer, or a header cannot be read.
        """
        done = Rehearsal(since, until)
        tried = {rule.name: Tried(rule.name, str(rule.on)) for rule in self._draft.rules}
        comparison = Comparison()
        for view in self._views(since, until):
            new = [each for each in view.instances if since <= each.received_at < until]
            if not new:
                continue
            done.instances += len(new)
            done.studies += 1
            after = self._run(self._draft, view, since, until, tried)
            before = after if self._same else self._run(self._active, view, since, until, {})
            done.differing += comparison.add(before, after, view.uids)
            advance(len(new))
        done.rules = list(tried.values())
        done.changes = comparison.changes
        return done

    def _views(self, since: datetime, until: datetime) -> Iterator[View]:
        needs = needs_of([self._draft, self._active])
        row = 0
        while rows := self._rows(since, until, row):
            for row in rows:
                with self._archive.read() as tx:
                    view = load(tx, self._blobs, row, needs)
                if view is not None:
                    yield view

    def _rows(self, since: datetime, until: datetime, after: int) -> Sequence[int]:
        with self._archive.read() as tx:
            return tx.inquiry.studies_received(since, until, after, _PAGE)

    def _run(
        self, ruleset: RuleSet, view: View, since: datetime, until: datetime, tried: Mapping[str, Tried]
    ) -> Effects:
        """Return what a rule set comes to for one study, and count what each rule does into `tried`."""
        found: Effects = {}
        hit: set[tuple[str, Outcome]] = set()
        contents: dict[tuple[str, int], Collection[int]] = {}
        held: set[int] = set()
        for matter, now in self._matters(ruleset, view, since, until):
            decided = decide(ruleset, matter.facts, now, matter.on, self._titles)
            collect(found, decided.actions, str(matter.on), matter.row, matter.instances)
            contents[str(matter.on), matter.row] = matter.instances
            if any(holds(planned) for planned in decided.actions):
                held.update(matter.instances)
            for decision in decided.decisions:
                if decision.rule in tried:
                    _count(tried[decision.rule], decision, len(matter.instances), hit)
        withhold(found, contents, held)
        return found

    def _matters(
        self, ruleset: RuleSet, view: View, since: datetime, until: datetime
    ) -> Iterator[tuple[Matter, datetime]]:
        """Yield what a rule set is asked about, and when it would have been."""
        latest = since
        for subject in view.instances:
            if since <= subject.received_at < until:
                latest = max(latest, subject.received_at)
                if asks(ruleset, On.INSTANCE):
                    yield view.instance(subject), subject.received_at.astimezone()
        now = latest.astimezone()
        for matter in view.settled(ruleset, now):
            yield matter, now


def _count(tried: Tried, decision: Decision, instances: int, hit: set[tuple[str, Outcome]]) -> None:
    outcome = decision.outcome
    if outcome in (Outcome.FIRED, Outcome.OUTSIDE_WINDOW):
        outcome, hits = Outcome.FIRED, tried.fired
    elif outcome is Outcome.UNKNOWN:
        hits = tried.unknown
        known = decision.reason in tried.reasons or len(tried.reasons) < _REASONS
        reason = decision.reason if known else _OTHER
        tried.reasons[reason] = tried.reasons.get(reason, 0) + 1
    else:
        return
    hits.number += 1
    hits.instances += instances
    if (decision.rule, outcome) not in hit:
        hit.add((decision.rule, outcome))
        hits.studies += 1
