"""What the rules in the shadow would have done otherwise than the active ones, by what both recorded.

Compared is what was decided of the same thing at the same moment. A thing that the active revision has no
rules about (an instance, when it has only rules on studies) counts as one about which it does nothing.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime

from node.core.errors import UserError
from node.services.effects import Change, Comparison, Effects, actions_of, collect
from storage.archive import Archive
from storage.records.rulings import Role, Ruling
from storage.transaction import Transaction

_PAGE = 500


@dataclass
class Shadowed:
    """What came of it.

    Attributes
    ----------
    since
        When the revision was put in the shadow.
    decided, differing
        Decisions that it made, and those of them that differ from the active one.
    actives
        Revisions that were active meanwhile.
    """

    revision: int
    since: datetime
    decided: int = 0
    differing: int = 0
    actives: list[int] = field(default_factory=list)
    changes: list[Change] = field(default_factory=list)


def compare(archive: Archive) -> Shadowed:
    """Compare the revision in the shadow with what was active beside it.

    Raises
    ------
    UserError
        None is in the shadow.
    """
    with archive.read() as tx:
        revision = tx.rulesets.in_force(Role.SHADOW)
        if revision is None:
            raise UserError("no rules are in the shadow; to put some there: isocentre rules shadow FILE")
        since = max(each.at for each in tx.rulesets.activations(Role.SHADOW))
    done = Shadowed(revision, since)
    comparison = Comparison(by_study=False)
    actives: set[int] = set()
    for pairs in _pages(archive, done):
        with archive.read() as tx:
            for shadow, active in pairs:
                done.decided += 1
                before, after = _effects(active), _effects(shadow)
                if before != after:
                    uids = {(shadow.level, shadow.row): _uid(tx, shadow)}
                    done.differing += comparison.add(before, after, uids)
                if active is not None:
                    actives.add(active.revision)
    done.changes = comparison.changes
    done.actives = sorted(actives)
    return done


def _pages(archive: Archive, done: Shadowed) -> Iterator[list[tuple[Ruling, Ruling | None]]]:
    after = 0
    while True:
        with archive.read() as tx:
            pairs = tx.inquiry.shadowed(done.revision, done.since, after, _PAGE)
        if not pairs:
            return
        yield pairs
        after = pairs[-1][0].id


def _effects(ruling: Ruling | None) -> Effects:
    found: Effects = {}
    if ruling is not None:
        collect(found, actions_of(ruling.outcomes), ruling.level, ruling.row)
    return found


def _uid(tx: Transaction, ruling: Ruling) -> str:
    """Return the UID of what was decided on, empty when it is no longer there."""
    match ruling.level:
        case "instance":
            instance = tx.subjects.instance(ruling.row)
            return instance.sop_instance_uid if instance else ""
        case "series":
            series = tx.subjects.series(ruling.row)
            return series.series_instance_uid if series else ""
    study = tx.subjects.study(ruling.row)
    return study.study_instance_uid if study else ""
