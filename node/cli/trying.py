"""`isocentre rules try`: what rules would decide, without doing any of it."""

from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import datetime
from pathlib import Path

import click

from node.cli.moments import moment as moment_option
from node.cli.options import config_option, json_option
from node.cli.output import Output
from node.cli.rulefiles import read, refuse
from node.cli.session import opened
from node.cli.telling import action_words, counted, indented, listed_some, moment, rule_lines
from node.config import Config
from node.core import clock
from node.core.errors import UserError
from node.root import Node
from node.services.accounts import rule_account
from node.services.effects import Change, Count
from node.services.past import Past, Rehearsal, Tried
from node.services.rulebook import Rulebook, ruleset_of
from node.services.trying import Explained, Trial
from rules.ruleset import RuleSet
from storage.records.arrival import Origin, Way
from storage.records.rulings import Role

_REASONS = 5  # of each rule that people are told; JSON has all
_NOUNS = {"instance": ("instance",), "study": ("study", "studies")}
_ways = click.Choice([way.value for way in Way])


@click.command("try")
@click.argument("files", nargs=-1, metavar="[FILE.dcm…]", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--stored", metavar="UID", help="About an instance, series or study that the archive has.")
@click.option(
    "--past", callback=moment_option, metavar="T", help="About all that came since then: 7d, or 2026-03-01."
)
@click.option("--until", callback=moment_option, metavar="T", help="With --past: and before then.")
@click.option(
    "--draft",
    metavar="RULES",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Rule file to try. Default: the active rules.",
)
@click.option("--calling-ae", default="", metavar="AE", help="With files: AE title of their sender.")
@click.option("--called-ae", default="", metavar="AE", help="With files: AE title that it called.")
@click.option("--address", default="", metavar="A", help="With files: its network address.")
@click.option("--user", default="", metavar="NAME", help="With files: who uploaded or imported them.")
@click.option(
    "--way", type=_ways, default="dimse", show_default=True, help="With files: by which door they come."
)
@config_option
@json_option
def try_(
    files: tuple[Path, ...],
    stored: str | None,
    past: datetime | None,
    until: datetime | None,
    draft: Path | None,
    calling_ae: str,
    called_ae: str,
    address: str,
    user: str,
    way: str,
    config: Config,
    out: Output,
) -> None:
    """Explain what rules would decide, without doing any of it.

    About files, as if they just came; about something that the archive has; or about all that came since
    some time, with what would differ from the active rules.
    """
    if sum((bool(files), stored is not None, past is not None)) != 1:
        raise click.UsageError("give files, or --stored UID, or --past T")
    with opened(config, recovering=False) as node:
        ruleset, active = _rulesets(node, draft, out)
        titles = {peer.name: peer.ae_title for peer in node.peers.list()}
        if past is not None:
            dry = Past(node.archive, node.blobs, ruleset, active or RuleSet(), titles)
            _rehearse(dry, past, until or clock.now(), out)
            return
        trial = Trial(ruleset, titles)
        origin = Origin(Way(way), calling_ae, called_ae, address, user)
        found = trial.stored(node.archive, node.blobs, stored) if stored else trial.files(files, origin)
        _explain(found, out)


def _rulesets(node: Node, draft: Path | None, out: Output) -> tuple[RuleSet, RuleSet | None]:
    """Return the rules to try, and the active ones."""
    book = Rulebook(node.archive)
    with node.archive.read() as tx:
        revision = tx.rulesets.active(Role.ACTIVE)
    active = ruleset_of(revision) if revision else None
    if draft is None:
        return ruleset_of(book.show()), active
    checked = book.check(read(draft))
    if checked.ruleset is None:
        refuse(draft, checked.problems, out)
    return checked.ruleset, active


def _explain(found: Iterator[Explained], out: Output) -> None:
    if out.as_json:
        out.result([{"level": e.level, "uid": e.uid, "file": e.file, **e.data} for e in found])
        return
    nothing = True
    for number, each in enumerate(found):
        nothing = False
        out.result(None, *([""] if number else []), *_explained(each))
    if nothing:
        out.result(None, "No rule is asked about such a thing.")


def _explained(each: Explained) -> Iterator[str]:
    yield f"{each.file}: {each.level} {each.uid}" if each.file else f"{each.level} {each.uid}"
    yield from indented(rule_lines(map(rule_account, each.data["decisions"])))
    actions = [action_words(action) for action in each.data["actions"]]
    yield "  In all: " + ("; ".join(actions) if actions else "nothing would be done")


def _rehearse(dry: Past, since: datetime, until: datetime, out: Output) -> None:
    if since >= until:
        raise UserError("the span is empty: it ends before it begins")
    with out.progress("Trying", dry.count(since, until)) as advance:
        done = dry.rehearse(since, until, advance)
    out.result(done, *_rehearsed(done))


def _rehearsed(done: Rehearsal) -> Iterator[str]:
    size = f"{counted(done.instances, 'instance')} in {counted(done.studies, 'study', 'studies')}"
    yield f"From {moment(done.since)} to {moment(done.until)}: {size}."
    for each in done.rules:
        yield from _tried(each)
    if not done.changes:
        yield "The active rules would have done the same."
        return
    differing = counted(done.differing, "study", "studies")
    yield f"Otherwise than the active rules, in {differing}:"
    yield from change_lines(done.changes)


def _tried(tried: Tried) -> Iterator[str]:
    fired, unknown = tried.fired, tried.unknown
    studies = counted(fired.studies, "study", "studies")
    yield f"  {tried.rule}  (on {tried.on})"
    yield f"    fired    {_hits(tried.on, fired.number, fired.instances)} in {studies}"
    if unknown.number:
        studies = counted(unknown.studies, "study", "studies")
        yield f"    unknown  {_hits(tried.on, unknown.number, unknown.instances)} in {studies}"
        for reason, count in Counter(tried.reasons).most_common(_REASONS):
            yield f"             {count:,} times: {reason}"
        if len(tried.reasons) > _REASONS:
            yield f"             and {len(tried.reasons) - _REASONS:,} other reasons"


def _hits(on: str, number: int, instances: int) -> str:
    if on == "instance":
        return counted(number, "instance")
    if on == "study":
        return counted(instances, "instance")
    return f"{number:,} series, {counted(instances, 'instance')}"


def change_lines(changes: Iterable[Change]) -> Iterator[str]:
    """Yield what one of two rule sets does and the other does not, as lines of text."""
    for each in changes:
        held = ", held for a person" if each.held else ""
        yield f"  {each.action} {each.what}{held}"
        for sign, count in (("+", each.new), ("-", each.missing)):
            if count.number:
                yield f"    {sign} {_counted(each.level, count)}"


def _counted(level: str, count: Count) -> str:
    number = f"{count.number:,} series" if level == "series" else counted(count.number, *_NOUNS[level])
    studies = ""
    if count.studies is not None and level != "study":
        studies = f" in {counted(count.studies, 'study', 'studies')}"
    example = f", for example {listed_some(count.examples)}" if count.examples else ""
    return number + studies + example
