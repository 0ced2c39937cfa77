"""Why: all that is known of what became of an instance or a study, from its arrival to the last delivery.

Plain data; `node.cli.why` puts it into words.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from node.core.errors import UserError
from node.services.accounts import DeliveryAccount, RulingAccount, account_of, delivery_account
from storage.archive import Archive
from storage.records.arrival import Place
from storage.records.deliveries import Delivery, DeliveryState
from storage.records.jobs import Job
from storage.records.rulings import Assignment, Gone, Held, Label, Revision, Role, Ruling, Settling
from storage.records.subjects import StudySubject, Subject
from storage.repos.inquiry import Came
from storage.transaction import Transaction

_OPEN = 20  # deliveries of a study that have not arrived and are told one by one
_PAGE = 1000


@dataclass
class Story:
    """What became of one instance.

    Attributes
    ----------
    gone
        It was discarded: what is left of it. Its own jobs are not known any more then.
    arrivals
        How it came; what came again with the same content is not among them.
    rulings
        About it, its series and its study, the first first.
    settling
        Its study has not settled: when series and study rules are asked.
    active
        The revision that is active now; None: none is.
    """

    sop_instance_uid: str
    series_instance_uid: str
    study_instance_uid: str
    sop_class_uid: str
    transfer_syntax_uid: str
    digest: str
    received_at: datetime
    gone: Gone | None = None
    arrivals: Sequence[Came] = ()
    rulings: list[RulingAccount] = field(default_factory=list)
    labels: Sequence[str] = ()
    assignment: Assignment | None = None
    holds: list[Held] = field(default_factory=list)
    deliveries: list[DeliveryAccount] = field(default_factory=list)
    jobs: list[Job] = field(default_factory=list)
    settling: Settling | None = None
    active: int | None = None


@dataclass(frozen=True, slots=True)
class Sum:
    """What a rule came to for so many instances of a study.

    Attributes
    ----------
    example
        SOP Instance UID of one of them.
    """

    role: str
    revision: int
    rule: str
    outcome: str
    reason: str
    instances: int
    example: str


@dataclass
class StudyStory:
    """What became of a study.

    Attributes
    ----------
    rulings
        About the study and its series.
    sums
        What rules on instances came to. Those that did not fire are left out.
    deliveries
        How many are in each state, by destination.
    undelivered
        Some of those that have not arrived, with their attempts.
    gone
        Instances that were discarded.
    """

    study_instance_uid: str
    instances: int
    series: int
    modalities: Sequence[str]
    created_at: datetime
    updated_at: datetime
    rulings: list[RulingAccount] = field(default_factory=list)
    sums: list[Sum] = field(default_factory=list)
    labels: list[Label] = field(default_factory=list)
    assignment: Assignment | None = None
    holds: list[Held] = field(default_factory=list)
    deliveries: dict[str, dict[str, int]] = field(default_factory=dict)
    undelivered: list[DeliveryAccount] = field(default_factory=list)
    jobs: list[Job] = field(default_factory=list)
    settling: Settling | None = None
    gone: list[Gone] = field(default_factory=list)
    active: int | None = None


def tell(archive: Archive, uid: str) -> list[Story] | StudyStory:
    """Tell what became of an instance or a study.

    Returns
    -------
    list of Story, or StudyStory
        Of an instance that was discarded and came again there is a story for each time.

    Raises
    ------
    UserError
        Nothing is known of this UID; the message says what to do.
    """
    with archive.read() as tx:
        teller = _Teller(tx)
        subject = tx.subjects.by_uid(uid)
        gone = tx.inquiry.gone(uid)
        stories = [teller.discarded(each) for each in gone if each.sop_instance_uid == uid]
        if subject is not None:
            stories.append(teller.instance(subject))
        if stories:
            return stories
        study = tx.subjects.study_by_uid(uid)
        if study is not None:
            return teller.study(study, gone)
        raise UserError(_advice(tx, uid, gone))


class _Teller:
    """Reads in one transaction, each revision once."""

    def __init__(self, tx: Transaction) -> None:
        self._tx = tx
        self._revisions: dict[int, Revision | None] = {}
        self._titles: Mapping[str, str] = {peer.name: peer.ae_title for peer in tx.peers.list()}
        self._active = tx.rulesets.in_force(Role.ACTIVE)

    def instance(self, subject: Subject) -> Story:
        tx, place = self._tx, subject.place
        rows = {"instance": place.instance_row, "series": place.series_row, "study": place.study_row}
        return Story(
            sop_instance_uid=subject.sop_instance_uid,
            series_instance_uid=subject.series_instance_uid,
            study_instance_uid=subject.study_instance_uid,
            sop_class_uid=subject.sop_class_uid,
            transfer_syntax_uid=subject.transfer_syntax_uid,
            digest=subject.blob.digest,
            received_at=subject.received_at,
            arrivals=tx.inquiry.arrivals_of(place.instance_row),
            rulings=self._rulings(rows, _uids(subject)),
            labels=tx.labels.of(place),
            assignment=_given(tx, place.study_row),
            holds=[each for each in tx.inquiry.holds_within(place.study_row) if _is_about(each, place)],
            deliveries=[self._delivery(each) for each in tx.ledger.of_instance(place.instance_row)],
            jobs=self._jobs(rows),
            settling=tx.settling.get(place.study_row),
            active=self._active,
        )

    def discarded(self, gone: Gone) -> Story:
        tx = self._tx
        uids = {
            "instance": gone.sop_instance_uid,
            "series": gone.series_instance_uid,
            "study": gone.study_instance_uid,
        }
        return Story(
            sop_instance_uid=gone.sop_instance_uid,
            series_instance_uid=gone.series_instance_uid,
            study_instance_uid=gone.study_instance_uid,
            sop_class_uid=gone.sop_class_uid,
            transfer_syntax_uid="",
            digest=gone.digest,
            received_at=gone.received_at,
            gone=gone,
            rulings=self._rulings({"instance": -gone.id}, uids),
            deliveries=[self._delivery(each) for each in tx.ledger.of_instance(-gone.id)],
            active=self._active,
        )

    def study(self, study: StudySubject, gone: list[Gone]) -> StudyStory:
        tx = self._tx
        series = tx.subjects.series_of(study.row)
        rulings: list[RulingAccount] = []
        jobs: list[Job] = []
        for each in series:
            rulings += self._rulings({"series": each.row}, {"series": each.series_instance_uid})
            jobs += self._jobs({"series": each.row})
        rulings += self._rulings({"study": study.row}, {"study": study.study_instance_uid})
        jobs += self._jobs({"study": study.row})
        story = StudyStory(
            study_instance_uid=study.study_instance_uid,
            instances=study.instances,
            series=study.series,
            modalities=study.modalities,
            created_at=study.created_at,
            updated_at=study.updated_at,
            rulings=sorted(rulings, key=lambda each: each.at),
            sums=_sums(tx.inquiry.rulings_within(study.row)),
            labels=list(tx.labels.of_study(study.row)),
            assignment=_given(tx, study.row),
            holds=list(tx.inquiry.holds_within(study.row)),
            jobs=jobs,
            settling=tx.settling.get(study.row),
            gone=gone,
            active=self._active,
        )
        for delivery in self._ledger(study.study_instance_uid):
            states = story.deliveries.setdefault(delivery.destination, {})
            states[str(delivery.state)] = states.get(str(delivery.state), 0) + 1
            if delivery.state is not DeliveryState.DELIVERED and len(story.undelivered) < _OPEN:
                story.undelivered.append(self._delivery(delivery))
        return story

    def _rulings(self, rows: Mapping[str, int], uids: Mapping[str, str]) -> list[RulingAccount]:
        found = [each for level, row in rows.items() for each in self._tx.rulings.of(level, row)]
        return [
            account_of(each, uids[each.level], self._revision(each.revision), self._titles)
            for each in sorted(found, key=lambda each: each.id)
        ]

    def _revision(self, number: int) -> Revision | None:
        if number not in self._revisions:
            self._revisions[number] = self._tx.rulesets.get(number)
        return self._revisions[number]

    def _delivery(self, delivery: Delivery) -> DeliveryAccount:
        return delivery_account(delivery, self._tx.ledger.attempts(delivery.id))

    def _jobs(self, rows: Mapping[str, int]) -> list[Job]:
        return [job for level, row in rows.items() for job in self._tx.inquiry.jobs_about(level, row)]

    def _ledger(self, study_uid: str) -> Iterator[Delivery]:
        after = 0
        while page := self._tx.ledger.list(study_uid=study_uid, limit=_PAGE, after=after):
            yield from page
            after = page[-1].id


def _uids(subject: Subject) -> dict[str, str]:
    return {
        "instance": subject.sop_instance_uid,
        "series": subject.series_instance_uid,
        "study": subject.study_instance_uid,
    }


def _is_about(held: Held, place: Place) -> bool:
    rows = {"instance": place.instance_row, "series": place.series_row, "study": place.study_row}
    return rows.get(held.level) == held.row


def _given(tx: Transaction, study_row: int) -> Assignment | None:
    """Return to whom a study is given, None when it is to nobody."""
    found = tx.assignments.of(study_row)
    return found if found is not None and (found.centre or found.reader or found.urgency) else None


def _sums(rulings: Iterator[tuple[str, Ruling]]) -> list[Sum]:
    """Return how often which rule came to what; memory is that of distinct outcomes, not of instances."""
    counts: Counter[tuple[str, int, str, str, str]] = Counter()
    examples: dict[tuple[str, int, str, str, str], str] = {}
    for uid, ruling in rulings:
        if ruling.stale_at is not None:
            continue
        for outcome in ruling.outcomes:
            reason = str(outcome.get("reason", ""))
            key = (str(ruling.role), ruling.revision, str(outcome["rule"]), str(outcome["outcome"]), reason)
            counts[key] += 1
            examples.setdefault(key, uid)
    return [Sum(*key, instances=count, example=examples[key]) for key, count in sorted(counts.items())]


def _advice(tx: Transaction, uid: str, gone: Sequence[Gone]) -> str:
    if gone:
        return (
            f"{uid}: all {len(gone)} instances of this study were discarded; ask about one of them, for "
            f"example isocentre why {gone[0].sop_instance_uid}"
        )
    refused = tx.inquiry.refused(uid)
    if refused:
        last = refused[-1]
        sender = last.origin.calling_ae or last.origin.user or "a sender without a name"
        return (
            f"{uid}: it was refused at {last.received_at:%Y-%m-%d %H:%M:%S}Z when it came from {sender}: "
            f"{last.verdict}; isocentre quarantine list shows it"
        )
    series = tx.inquiry.series_row(uid)
    found = tx.subjects.series(series) if series is not None else None
    if found is not None:
        return f"{uid}: that is a series; ask about its study: isocentre why {found.study_instance_uid}"
    return (
        f"{uid}: the archive has no instance or study of this UID, and none was discarded or refused under "
        "it. Is it the SOP Instance UID or Study Instance UID? isocentre callers lists who was turned away"
    )
