"""`isocentre why`: what became of an instance or a study."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime

import click
from pydicom.uid import UID

from node.cli.options import config_option, json_option
from node.cli.output import Output
from node.cli.session import opened
from node.cli.telling import action_words, counted, indented, moment, rule_lines
from node.config import Config
from node.services.accounts import DeliveryAccount, RulingAccount
from node.services.effects import actions_of
from node.services.why import Story, StudyStory, tell
from storage.records.deliveries import Committed, DeliveryState
from storage.records.jobs import Job, JobState
from storage.records.rulings import Assignment, Held, Settling
from storage.repos.inquiry import Came

_COMMITTED = {
    Committed.DUE: "it is to be asked whether it keeps it",
    Committed.ASKED: "asked whether it keeps it; no answer yet",
    Committed.YES: "it has said that it keeps it",
    Committed.NO: "IT HAS SAID THAT IT DOES NOT KEEP IT",
    Committed.UNANSWERED: "it did not say whether it keeps it",
}


@click.command()
@click.argument("uid")
@click.option("--all", "everything", is_flag=True, help="Also the conditions of rules that did not fire.")
@config_option
@json_option
def why(uid: str, everything: bool, config: Config, out: Output) -> None:
    """Tell what became of an instance or a study, and why.

    UID is a SOP Instance UID or a Study Instance UID.
    """
    with opened(config, recovering=False) as node:
        found = tell(node.archive, uid)
    if isinstance(found, StudyStory):
        out.result(found, *_study(found, brief=not everything))
        return
    lines = [line for story in found for line in (*_instance(story, brief=not everything), "")]
    out.result(found, *lines[:-1])


def _instance(story: Story, *, brief: bool) -> Iterator[str]:
    yield f"Instance {story.sop_instance_uid}: {UID(story.sop_class_uid).name}"
    yield f"  of study {story.study_instance_uid}"
    yield f"  series   {story.series_instance_uid}"
    yield from _arrivals(story)
    yield from _circumstances(story.labels, story.assignment, story.holds, story.settling)
    yield from _decisions(story.rulings, brief=brief)
    if not any(each.level == "instance" and each.role == "active" for each in story.rulings):
        yield _undecided(story.active)
    yield from _deliveries(story.deliveries)
    if not story.deliveries:
        yield "Deliveries: none"
        yield from indented(_why_none(story.rulings))
    yield from _jobs(story.jobs)


def _study(story: StudyStory, *, brief: bool) -> Iterator[str]:
    size = f"{counted(story.instances, 'instance')}, {story.series} series"
    modalities = f" of {', '.join(story.modalities)}" if story.modalities else ""
    yield f"Study {story.study_instance_uid}: {size}{modalities}"
    yield f"  came from {moment(story.created_at)} to {moment(story.updated_at)}"
    if story.gone:
        yield f"  {counted(len(story.gone), 'instance')} of it discarded, for example {_first(story)}"
    labels = sorted({each.label for each in story.labels})
    yield from _circumstances(labels, story.assignment, story.holds, story.settling)
    if story.sums:
        yield "What rules on its instances came to:"
    for each in story.sums:
        shadow = "in the shadow, " if each.role == "shadow" else ""
        reason = f": {each.reason}" if each.reason else ""
        yield f"  {each.outcome:<16}{each.rule}{reason}"
        told = f"{counted(each.instances, 'instance')}, {shadow}by revision {each.revision}"
        yield f"  {'':<16}{told}; for example {each.example}"
    yield from _decisions(story.rulings, brief=brief)
    yield "Deliveries:" if story.deliveries else "Deliveries: none"
    for name, states in sorted(story.deliveries.items()):
        yield f"  {name}: " + ", ".join(f"{count:,} {state}" for state, count in sorted(states.items()))
    if story.undelivered:
        yield "Not delivered:"
        for delivery in story.undelivered:
            yield f"  {delivery.delivery.sop_instance_uid}"
            yield from indented(_delivery(delivery), "    ")
    yield from _jobs(story.jobs)


def _first(story: StudyStory) -> str:
    return story.gone[0].sop_instance_uid


def _arrivals(story: Story) -> Iterator[str]:
    for came in story.arrivals:
        again = "" if came.verdict == "stored" else f" ({came.verdict})"
        yield f"Came {moment(came.received_at)} {_from(came)}{again}"
    if story.gone is not None:
        yield f"Came {moment(story.received_at)}"
        gone = story.gone
        yield f"DISCARDED {moment(gone.at)} by {gone.author or 'a rule'}: {gone.reason}"


def _from(came: Came) -> str:
    origin = came.origin
    who = origin.calling_ae or origin.user or "an unknown sender"
    at = f" at {origin.address}" if origin.address else ""
    called = f", which called {origin.called_ae}" if origin.called_ae else ""
    path = f", by way of {', '.join(origin.path)}" if origin.path else ""
    return f"from {who}{at}{called} ({origin.way}){path}"


def _circumstances(
    labels: Sequence[str], assignment: Assignment | None, holds: Iterable[Held], settling: Settling | None
) -> Iterator[str]:
    if labels:
        yield f"Labels: {', '.join(labels)}"
    if assignment is not None:
        parts = (("centre", assignment.centre), ("reader", assignment.reader), ("", assignment.urgency))
        given = ", ".join(f"{name} {value}".strip() for name, value in parts if value)
        yield f"Given to: {given} (by {assignment.author}, {moment(assignment.at)})"
    for held in holds:
        since = f"{moment(held.at)} by {held.author}, the {held.level}: {held.reason}"
        if held.released_at is None:
            yield f"ON HOLD since {since}"
        else:
            yield f"Was on hold since {since}; released {moment(held.released_at)} by {held.released_by}"
    if settling is not None:
        yield f"Still growing: rules on series and studies are asked from {moment(settling.due)}"


def _decisions(rulings: Iterable[RulingAccount], *, brief: bool) -> Iterator[str]:
    for each in rulings:
        shadow = "In the shadow, decided" if each.role == "shadow" else "Decided"
        author = f" by {each.author}" if each.author else ""
        stale = f"; out of date since {moment(each.stale_at)}" if each.stale_at else ""
        about = each.level if each.level == "instance" else f"{each.level} {each.uid}"
        local = f" ({each.at:%H:%M} by the clock of the node)" if each.at.utcoffset() else ""
        yield f"{shadow} {moment(each.at)}{local} about the {about}, revision {each.revision}{author}{stale}:"
        if each.problem:
            yield f"  ! {each.problem}"
        yield from indented(rule_lines(each.rules, brief=brief))


def _undecided(active: int | None) -> str:
    if active is None:
        return "No rule was asked about it: no rules are active. isocentre rules apply FILE makes some so"
    return f"No rule on instances was asked when it came. Active now is revision {active}"


def _why_none(rulings: Sequence[RulingAccount]) -> Iterator[str]:
    active = [each for each in rulings if each.role == "active" and each.stale_at is None]
    for each in active:
        recorded = [{"actions": rule.actions} for rule in each.rules]
        asked = [planned.plain() for planned in actions_of(recorded)]
        outcomes = sorted({rule.outcome for rule in each.rules})
        if not asked:
            yield f"rules about the {each.level} asked for nothing: {', '.join(outcomes) or 'there is none'}"
        elif not any(action["action"] == "route" for action in asked):
            done = "; ".join(action_words(action) for action in asked)
            yield f"rules about the {each.level} asked only to {done}"


def _deliveries(deliveries: Sequence[DeliveryAccount]) -> Iterator[str]:
    if deliveries:
        yield "Deliveries:"
    for each in deliveries:
        yield from indented(_delivery(each))


def _delivery(account: DeliveryAccount) -> Iterator[str]:
    delivery = account.delivery
    asked = f"asked for by {', '.join(delivery.rules)}" if delivery.rules else "asked for by nobody known"
    if delivery.instead_of is not None:
        asked += ", in place of another that is down"
    yield f"{delivery.destination}: {_state(account)} ({asked}, {moment(delivery.queued_at)})"
    for attempt in account.attempts:
        status = f" 0x{attempt.status:04X}" if attempt.status is not None else ""
        words = f": {attempt.words}" if attempt.words else ""
        yield f"  attempt {attempt.number} {moment(attempt.ended_at)} {attempt.state}{status}{words}"
    if delivery.committed in _COMMITTED:
        yield f"  storage commitment: {_COMMITTED[delivery.committed]}"


def _state(account: DeliveryAccount) -> str:
    delivery = account.delivery
    match delivery.state:
        case DeliveryState.HELD:
            return f"held for a person: {delivery.words}"
        case DeliveryState.WAITING:
            return f"waiting until {moment(delivery.due)}"
        case DeliveryState.QUEUED:
            return "queued"
        case DeliveryState.SENDING:
            return f"being sent by {delivery.worker}"
        case DeliveryState.DEAD:
            return f"GIVEN UP: {delivery.words}"
        case DeliveryState.DIVERTED:
            return f"diverted to {delivery.alternate}"
    return str(delivery.state)


def _jobs(jobs: Sequence[Job]) -> Iterator[str]:
    if jobs:
        yield "Jobs:"
    for job in jobs:
        error = f": {job.error}" if job.error else ""
        parts = f" {job.progress} of {job.total}" if job.total else ""
        until = f", not before {moment(job.run_after)}" if job.state is JobState.QUEUED else ""
        yield f"  {job.id} {job.kind}: {job.state}{parts}{_ended(job.finished_at)}{until}{error}"


def _ended(at: datetime | None) -> str:
    return f" {moment(at)}" if at else ""
