"""The rule sets in force, compiled, and what they want to know of an instance that comes in.

A revision never changes, so that what is read once serves for ever. Which one is in force is asked in the
very transaction that decides; what it wants read is allowed to lag a second behind: `node.rulings.decider`
reads the rest itself when it does.
"""

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import structlog

from node.core import clock
from node.intake.wants import NOTHING, Wants
from rules.facts import Needs, joined
from rules.ruleset import RuleSet
from rules.symbols import On
from storage.archive import Archive
from storage.errors import StorageError
from storage.records.attributes import ATTRIBUTES
from storage.records.rulings import Role
from storage.transaction import Transaction

FRESH = 1.0
"""Seconds for which what is wanted is taken for granted."""

INDEXED = frozenset(attribute.keyword for attribute in ATTRIBUTES)

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class InForce:
    """A revision that decides.

    Attributes
    ----------
    needs
        What it must know beyond the indexed attributes.
    """

    role: Role
    revision: int
    ruleset: RuleSet
    needs: Needs

    def asks(self, on: On) -> bool:
        """Tell whether any of its rules is asked on such a thing."""
        return bool(self.ruleset.compiled.rules[on])


class Book:
    """The rule sets of one archive. Safe for use by many threads."""

    def __init__(self, archive: Archive) -> None:
        self._archive = archive
        self._lock = threading.Lock()
        self._revisions: dict[int, tuple[RuleSet, Needs]] = {}
        self._unreadable: set[int] = set()
        self._wants = NOTHING
        self._asked_at = -FRESH
        self._titles: Mapping[str, str] = {}
        self._titled_at = -FRESH

    def in_force(self, tx: Transaction) -> list[InForce]:
        """Return the active revision, then the one in the shadow, as far as there are any.

        One in the shadow that this program cannot read any more is left out: it may harm nothing.

        Raises
        ------
        rules.problems.BadRules
            The active one cannot be read any more; see `ruleset`.
        """
        numbers = tx.rulesets.all_in_force()
        found = []
        for role in Role:
            if role not in numbers or (role is Role.SHADOW and numbers[role] in self._unreadable):
                continue
            try:
                found.append(InForce(role, numbers[role], *self._read(tx, numbers[role])))
            except StorageError:
                raise
            except Exception as error:
                if role is not Role.SHADOW:
                    raise
                self._unreadable.add(numbers[role])
                _log.error("rules.shadow_unreadable", revision=numbers[role], error=type(error).__name__)
        return found

    def ruleset(self, tx: Transaction, revision: int) -> RuleSet:
        """Return the rule set of a revision, compiled.

        Raises
        ------
        rules.problems.BadRules
            It was valid once and is not any more: this program is older than the one that took it.
        KeyError
            There is no such revision.
        """
        return self._read(tx, revision)[0]

    def _read(self, tx: Transaction, revision: int) -> tuple[RuleSet, Needs]:
        known = self._revisions.get(revision)
        if known is None:
            kept = tx.rulesets.get(revision)
            if kept is None:
                raise KeyError(revision)
            ruleset = RuleSet.from_plain(kept.plain)
            known = self._revisions[revision] = ruleset, ruleset.needs(INDEXED)
        return known

    def titles(self, tx: Transaction) -> Mapping[str, str]:
        """Return the AE title of each peer by its name, as of at most `FRESH` seconds ago."""
        if clock.monotonic() - self._titled_at >= FRESH:
            self._titles = {peer.name: peer.ae_title for peer in tx.peers.list()}
            self._titled_at = clock.monotonic()
        return self._titles

    def wants(self) -> Wants:
        """Return what is to be read of an instance that comes in; asks once in `FRESH` seconds."""
        if clock.monotonic() - self._asked_at < FRESH or not self._lock.acquire(blocking=False):
            return self._wants
        try:
            with self._archive.read() as tx:
                self._wants = wants_of(self.in_force(tx))
        except StorageError as error:  # then whoever decides finds out
            _log.warning("rules.unread", error=str(error))
        finally:
            self._asked_at = clock.monotonic()
            self._lock.release()
        return self._wants


def wants_of(in_force: Sequence[InForce]) -> Wants:
    """Return what these revisions want to know, and the word by which that is recognized."""
    needs = joined(one.needs for one in in_force)
    if not needs.tags and not needs.private:
        return NOTHING
    return Wants("/".join(f"{one.role}:{one.ruleset.digest}" for one in in_force), needs)
