"""The rule book: revisions of the rules, which one is active and which in the shadow, and who changed that.

A revision is never changed and never lost; changing the rules is naming another one. What the rules then
decide is `node.rulings`.
"""

from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from datetime import datetime

from node.core import clock
from node.core.errors import UserError
from node.services.models import names
from rules import diff
from rules.check import Checked, Known, check
from rules.deid.profiles import PROFILES
from rules.problems import BadRules, Problem, listed
from rules.ruleset import RuleSet
from storage.archive import Archive
from storage.records.rulings import Activation, Revision, Role
from storage.records.trail import AuditEntry
from storage.transaction import Transaction


class Refused(UserError):
    """A rule file cannot be used here.

    Attributes
    ----------
    problems
        All that is wrong, and what is doubtful, in the order of the file.
    """

    def __init__(self, problems: Collection[Problem]) -> None:
        self.problems = tuple(problems)
        count = sum(not problem.warning for problem in self.problems)
        super().__init__(f"the rules have {count} error{'s' if count != 1 else ''}; nothing was changed")


@dataclass(frozen=True, slots=True)
class Changed:
    """What came of naming another revision.

    Attributes
    ----------
    revision
        Which is in force now; None: none is.
    before
        Which was.
    difference
        From `before` to `revision`, in lines of text; none when it is the same.
    changed
        False: it was in force already, and nothing was done.
    warnings
        What is doubtful in it.
    """

    role: Role
    revision: Revision | None
    before: int | None
    difference: tuple[str, ...] = ()
    changed: bool = True
    warnings: tuple[Problem, ...] = ()


@dataclass(frozen=True, slots=True)
class Entry:
    """A revision in the history.

    Attributes
    ----------
    roles
        What it is in force for at present.
    activations
        Each time that it came into force, the first first.
    """

    revision: Revision
    roles: tuple[Role, ...] = ()
    activations: tuple[Activation, ...] = field(default=())


class Rulebook:
    """The rules of one archive.

    Parameters
    ----------
    models
        Returns the names of the models that rules may name.
    """

    def __init__(self, archive: Archive, models: Callable[[], Collection[str]] = names) -> None:
        self._archive = archive
        self._models = models

    def check(self, text: str) -> Checked:
        """Say what is wrong with a rule file, by the peers, models and profiles of this node."""
        with self._archive.read() as tx:
            return self._check(tx, text)

    def apply(self, text: str, author: str, note: str = "") -> Changed:
        """Make a rule file the active revision; what is active already is left as it is.

        Raises
        ------
        Refused
            It has errors.
        """
        return self._take(Role.ACTIVE, text, author, note)

    def shadow(self, text: str, author: str, note: str = "") -> Changed:
        """Let a rule file decide beside the active revision; what it decides is only recorded.

        Raises
        ------
        Refused
            It has errors.
        """
        return self._take(Role.SHADOW, text, author, note)

    def rollback(self, author: str, number: int | None = None, role: Role = Role.ACTIVE) -> Changed:
        """Make an earlier revision the active one.

        Parameters
        ----------
        number
            None: the one that the present one replaced when it was made; so that doing it twice goes back
            two, and not to where it began.

        Raises
        ------
        UserError
            There is no such revision.
        Refused
            What it names is no longer there.
        """
        with self._archive.begin() as tx:
            present = tx.rulesets.active(role)
            if number is None:
                number = _replaced(present)
            revision = _get(tx, number)
            if present is not None and revision.id == present.id:
                return Changed(role, revision, present.id, changed=False)
            checked = self._check(tx, revision.source)
            _refuse(checked)
            done = _name(tx, role, revision, present, author, "rules.rollback", checked.warnings)
            tx.commit()
        return done

    def off(self, author: str, role: Role = Role.ACTIVE) -> Changed:
        """Let no rules be in force for `role`."""
        with self._archive.begin() as tx:
            present = tx.rulesets.active(role)
            if present is None:
                return Changed(role, None, None, changed=False)
            action = "rules.off" if role is Role.ACTIVE else "rules.shadow.off"
            done = _name(tx, role, None, present, author, action)
            tx.commit()
        return done

    def show(self, number: int | None = None, role: Role = Role.ACTIVE) -> Revision:
        """Return a revision; None: the one in force.

        Raises
        ------
        UserError
            There is no such revision, or none is in force.
        """
        with self._archive.read() as tx:
            if number is not None:
                return _get(tx, number)
            revision = tx.rulesets.active(role)
        if revision is None:
            if role is Role.SHADOW:
                raise UserError("no rules are in the shadow; to put some there: isocentre rules shadow FILE")
            raise UserError("no rules are active; make some so with: isocentre rules apply FILE")
        return revision

    def history(self) -> list[Entry]:
        """Return every revision, the latest first, with when it was in force."""
        with self._archive.read() as tx:
            revisions = tx.rulesets.list()
            activations = [each for role in Role for each in tx.rulesets.activations(role)]
            present = {role: tx.rulesets.in_force(role) for role in Role}
        return [
            Entry(
                revision,
                tuple(role for role in Role if present[role] == revision.id),
                tuple(sorted((a for a in activations if a.revision == revision.id), key=lambda a: a.at)),
            )
            for revision in sorted(revisions, key=lambda each: -each.id)
        ]

    def since(self, role: Role) -> datetime | None:
        """Return since when the revision that is in force for `role` is; None: none is."""
        with self._archive.read() as tx:
            number = tx.rulesets.in_force(role)
            if number is None:
                return None
            found = [each.at for each in tx.rulesets.activations(role)]
        return max(found, default=None)

    def difference(self, old: int, new: int) -> tuple[Revision, Revision, tuple[str, ...]]:
        """Return two revisions, and what the second changes, in lines of text.

        Raises
        ------
        UserError
            There is no such revision, or its rules cannot be read any more.
        """
        with self._archive.read() as tx:
            first, second = _get(tx, old), _get(tx, new)
        return first, second, tuple(diff.lines(ruleset_of(first), ruleset_of(second)))

    def _check(self, tx: Transaction, text: str) -> Checked:
        peers = {peer.name for peer in tx.peers.list()}
        return check(text, Known(peers, self._models(), PROFILES))

    def _take(self, role: Role, text: str, author: str, note: str) -> Changed:
        with self._archive.begin() as tx:
            checked = self._check(tx, text)
            ruleset = _refuse(checked)
            present = tx.rulesets.active(role)
            if present is not None and (present.digest, present.source) == (ruleset.digest, text):
                return Changed(role, present, present.id, changed=False, warnings=checked.warnings)
            active = present if role is Role.ACTIVE else tx.rulesets.active(Role.ACTIVE)
            revision = tx.rulesets.add(
                digest=ruleset.digest,
                source=text,
                plain=ruleset.plain(),
                author=author,
                note=note,
                based_on=active.id if active else None,
                difference="\n".join(diff.lines(_rules(active), ruleset)),
                at=clock.now(),
            )
            action = "rules.apply" if role is Role.ACTIVE else "rules.shadow"
            done = _name(tx, role, revision, present, author, action, checked.warnings)
            tx.commit()
        return done


def _refuse(checked: Checked) -> RuleSet:
    if checked.ruleset is None:
        raise Refused(checked.problems)
    return checked.ruleset


def _get(tx: Transaction, number: int) -> Revision:
    revision = tx.rulesets.get(number)
    if revision is None:
        known = [str(each.id) for each in tx.rulesets.list()]
        there = f"there are {listed(sorted(known, key=int)[-5:])}" if known else "there is none yet"
        raise UserError(f"revision {number} of the rules is not there; {there}")
    return revision


def _replaced(present: Revision | None) -> int:
    if present is None:
        raise UserError(
            "no rules are active, so there is nothing to go back from; name a revision of "
            "isocentre rules history"
        )
    if present.based_on is None:
        raise UserError(
            f"revision {present.id} replaced none; name a revision, or let no rules be active with: "
            "isocentre rules off"
        )
    return present.based_on


def _name(
    tx: Transaction,
    role: Role,
    revision: Revision | None,
    present: Revision | None,
    author: str,
    action: str,
    warnings: tuple[Problem, ...] = (),
) -> Changed:
    """Let `revision` be in force instead of `present`, and say so in the audit."""
    at = clock.now()
    number = revision.id if revision else None
    tx.rulesets.activate(role, number, author, at)
    before = present.id if present else None
    detail = {"role": str(role), "before": before, "digest": revision.digest if revision else ""}
    subject = f"rules {number}" if number else "rules"
    tx.audit.add(AuditEntry(at, author, action, subject, detail=detail))
    lines = tuple(diff.lines(_rules(present), _rules(revision)))
    return Changed(role, revision, before, lines, warnings=warnings)


def _rules(revision: Revision | None) -> RuleSet:
    """Return the rules of a revision to compare with; none when this program cannot read them any more."""
    if revision is None:
        return RuleSet()
    try:
        return RuleSet.from_plain(revision.plain)
    except BadRules:
        return RuleSet()


def ruleset_of(revision: Revision) -> RuleSet:
    """Return the rules of a revision.

    Raises
    ------
    UserError
        They were valid once and are not any more, for this program reads rules otherwise.
    """
    try:
        return RuleSet.from_plain(revision.plain)
    except BadRules as error:
        raise UserError(f"revision {revision.id} of the rules cannot be read any more: {error}") from None
