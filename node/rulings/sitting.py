"""One moment in which rule sets decide on any number of things, on those that are alike only once.

The instances of a series mostly differ in nothing that a rule looks at. A decision follows from the facts
that the rules name, the moment and the peers (`rules.decisions`), so that it is the same for all of them.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime

import structlog

from node.rulings.book import InForce
from node.rulings.orders import About, Orders
from node.rulings.saving import ruling
from rules.decisions import Decided, decide
from rules.facts import Facts
from rules.ruleset import ORIGIN
from rules.symbols import On
from rules.unknown import Unknown
from storage.records.rulings import Role, Ruling

_log = structlog.get_logger()


class Sitting:
    """The revisions that are asked, of things of one level.

    Parameters
    ----------
    at
        The moment, in UTC.
    titles
        AE title of each peer by its name.
    """

    def __init__(self, asked: Sequence[InForce], on: On, at: datetime, titles: Mapping[str, str]) -> None:
        self._benches = [_Bench(one, on, at, titles) for one in asked]
        self._at = at

    def decide(self, facts: Facts, about: About, found: Orders) -> list[Ruling]:
        """Let each revision decide; add to `found` what the active one asks for, return what is kept of all.

        One in the shadow that fails is left out: it may harm nothing.
        """
        rulings = []
        for bench in self._benches:
            one = bench.one
            try:
                decided, kept = bench.decide(facts, about)
            except Exception as error:
                if one.role is Role.ACTIVE:
                    raise
                _log.error("rules.shadow_failed", revision=one.revision, error=type(error).__name__)
                continue
            rulings.append(kept)
            if one.role is Role.ACTIVE:
                for planned in decided.actions:
                    found.add(planned, about, self._at)
        return rulings


class _Bench:
    """One revision, and what it has decided so far."""

    def __init__(self, one: InForce, on: On, at: datetime, titles: Mapping[str, str]) -> None:
        self.one = one
        self._on = on
        self._at = at
        self._local = at.astimezone()
        self._titles = titles
        self._names = sorted(one.ruleset.symbols.union(ORIGIN))
        self._known: dict[tuple[object, ...], tuple[Decided, Ruling]] = {}

    def decide(self, facts: Facts, about: About) -> tuple[Decided, Ruling]:
        key = _looks(facts, self._names)
        known = self._known.get(key) if key is not None else None
        if known is None:
            decided = decide(self.one.ruleset, facts, self._local, self._on, self._titles)
            known = decided, ruling(decided, self.one, about.level, about.row, self._at)
            if key is not None:
                self._known[key] = known
            return known
        decided, like = known
        alike = like.role, like.revision, like.at, like.local, like.seen, like.outcomes
        return decided, Ruling(about.level, about.row, *alike)


def _looks(facts: Facts, names: Sequence[str]) -> tuple[object, ...] | None:
    """Return what is the same for facts that are, under `names`; None when that is not quickly told.

    Numbers are not: 1 equals 1.0, and yet another is seen.
    """
    looks: list[object] = []
    for name in names:
        value = facts.get(name)
        if value is None or type(value) in (str, Unknown):
            looks.append(value)
        elif type(value) is list and all(type(part) is str for part in value):
            looks.append(tuple(value))
        else:
            return None
    return tuple(looks)
