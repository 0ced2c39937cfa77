"""`isocentre rules`: check rules, make them active, go back, try them, run them in the shadow."""

from dataclasses import asdict
from pathlib import Path

import click

from node.cli.options import config_option, json_option
from node.cli.output import Output
from node.cli.rerun import run_
from node.cli.rulefiles import author, placed, read, refuse
from node.cli.session import opened
from node.cli.telling import action_words, counted, indented, moment
from node.cli.trying import change_lines, try_
from node.config import Config
from node.core.errors import UserError
from node.root import Node
from node.run.opening import open_archive
from node.services.effects import planned_of
from node.services.models import names
from node.services.rulebook import Changed, Refused, Rulebook, ruleset_of
from node.services.shadowing import compare
from rules.check import Checked, Known
from rules.check import check as check_text
from rules.deid.profiles import PROFILES
from rules.ruleset import Rule
from storage.errors import StorageError
from storage.records.rulings import Revision, Role

_file = click.argument("file", metavar="FILE", type=click.Path(path_type=Path, dir_okay=False))
_note = click.option("--note", default="", metavar="TEXT", help="Why, for the history.")


@click.group()
def rules() -> None:
    """Say what becomes of what arrives: check rules, try them, apply them, go back."""


rules.add_command(try_)
rules.add_command(run_)


@rules.command()
@_file
@config_option
@json_option
def check(file: Path, config: Config, out: Output) -> None:
    """Say all that is wrong with the rules in FILE. Nothing is changed."""
    text = read(file)
    checked, without = _check(config, text)
    problems = [problem.plain() for problem in checked.problems]
    count = len(checked.ruleset.rules) if checked.ruleset else 0
    lines = [placed(file, problem) for problem in checked.problems]
    if without:
        lines.append(f"The names of peers were not checked: {without}.")
    if not checked.errors:
        lines.append(f"The rules are right: {counted(count, 'rule')}.")
    out.result({"rules": count, "problems": problems, "peers_checked": not without}, *lines)
    if checked.errors:
        raise UserError(f"{file}: {counted(len(checked.errors), 'error')}")


@rules.command()
@_file
@_note
@config_option
@json_option
def apply(file: Path, note: str, config: Config, out: Output) -> None:
    """Make the rules in FILE the active ones, for all that comes from now on."""
    text = read(file)
    with opened(config, recovering=False) as node:
        try:
            done = book_of(node).apply(text, author(), note)
        except Refused as error:
            refuse(file, error.problems, out)
    _tell(done, file, out)


@rules.command()
@click.argument("revision", type=click.IntRange(1), required=False)
@config_option
@json_option
def rollback(revision: int | None, config: Config, out: Output) -> None:
    """Make an earlier REVISION the active one; without it, the one that the active one replaced."""
    with opened(config, recovering=False) as node:
        try:
            done = book_of(node).rollback(author(), revision)
        except Refused as error:
            refuse(None, error.problems, out)
    _tell(done, None, out)


@rules.command()
@config_option
@json_option
def off(config: Config, out: Output) -> None:
    """Let no rules be active. What they have decided goes on."""
    with opened(config, recovering=False) as node:
        done = book_of(node).off(author())
    words = "No rules are active from now on." if done.changed else "No rules were active."
    back = f" Back to them: isocentre rules rollback {done.before}" if done.before else ""
    out.result(done, words + back)


@rules.command()
@click.argument("revision", type=click.IntRange(1), required=False)
@click.option("--source", is_flag=True, help="Only the file as it was written.")
@config_option
@json_option
def show(revision: int | None, source: bool, config: Config, out: Output) -> None:
    """Show the active rules, or those of a REVISION."""
    with opened(config, recovering=False) as node:
        found = book_of(node).show(revision)
    if source and not out.as_json:
        click.echo(found.source, nl=not found.source.endswith("\n"))
        return
    lines = [line for rule in ruleset_of(found).rules for line in ("", *_rule(rule))]
    out.result(found, _headed(found), *lines)


@rules.command()
@config_option
@json_option
def history(config: Config, out: Output) -> None:
    """List the revisions of the rules, the latest first."""
    with opened(config, recovering=False) as node:
        entries = book_of(node).history()
    rows = []
    for entry in entries:
        last = max((each.at for each in entry.activations), default=None)
        row = asdict(entry.revision) | {"roles": [str(role) for role in entry.roles], "last_activated": last}
        rows.append(row | {"activations": [asdict(each) for each in entry.activations]})
    columns = {
        "id": "REVISION",
        "roles": "IN FORCE",
        "created_at": "MADE",
        "author": "BY",
        "last_activated": "LAST ACTIVATED",
        "note": "NOTE",
    }
    out.table(rows, columns, "There are no rules yet. Make some active with: isocentre rules apply FILE")


@rules.command("diff")
@click.argument("first", metavar="A", type=click.IntRange(1))
@click.argument("second", metavar="B", type=click.IntRange(1))
@config_option
@json_option
def diff_(first: int, second: int, config: Config, out: Output) -> None:
    """Say what revision B has that revision A has not, and the other way round."""
    with opened(config, recovering=False) as node:
        old, new, lines = book_of(node).difference(first, second)
    nothing = "The rules are the same." if old.source == new.source else "Only the text of the file differs."
    out.result({"old": first, "new": second, "difference": lines}, *(lines or (nothing,)))


@rules.command()
@click.argument("what", metavar="FILE|off|show")
@_note
@config_option
@json_option
def shadow(what: str, note: str, config: Config, out: Output) -> None:
    """Let the rules in FILE decide beside the active ones; what they decide is only recorded.

    With `show`, say what they would have done otherwise; with `off`, end it.
    """
    with opened(config, recovering=False) as node:
        book = book_of(node)
        if what == "show":
            _show_shadow(node, out)
            return
        if what == "off":
            done = book.off(author(), Role.SHADOW)
            out.result(done, "No rules are in the shadow" + (" from now on." if done.changed else "."))
            return
        try:
            done = book.shadow(read(Path(what)), author(), note)
        except Refused as error:
            refuse(Path(what), error.problems, out)
    _tell(done, Path(what), out)


def _show_shadow(node: Node, out: Output) -> None:
    found = compare(node.archive)
    beside = ", ".join(map(str, found.actives)) or "no rules"
    lines = [
        f"Revision {found.revision} is in the shadow since {moment(found.since)}, beside {beside}: "
        f"{counted(found.decided, 'decision')}, {found.differing:,} of them otherwise.",
        *change_lines(found.changes),
    ]
    out.result(found, *lines)


def book_of(node: Node) -> Rulebook:
    """Return the rule book of a node."""
    return Rulebook(node.archive)


def _check(config: Config, text: str) -> tuple[Checked, str]:
    """Check by the names that the database has, or without it; then say why that is."""
    kind, _, path = config.database_url.partition(":///")
    without = "there is no database yet" if kind == "sqlite" and not Path(path).is_file() else ""
    if not without:
        try:
            archive = open_archive(config)
            try:
                if archive.is_current():
                    return Rulebook(archive).check(text), ""
                without = "the database is of another version of this program"
            finally:
                archive.close()
        except (StorageError, UserError) as error:
            without = f"{error}".rstrip(".")
    return check_text(text, Known(None, names(), PROFILES)), without


def _tell(done: Changed, file: Path | None, out: Output) -> None:
    revision = done.revision
    assert revision is not None  # noqa: S101 - it was named
    where = "active" if done.role is Role.ACTIVE else "in the shadow"
    if not done.changed:
        out.result(done, f"Revision {revision.id} is {where} already, with the same text. Nothing changed.")
        return
    before = f"before: revision {done.before}" if done.before else "before: none"
    lines = [f"Revision {revision.id} is {where} from now on ({before})."]
    lines += indented(done.difference or ("the rules are the same; only the text differs",))
    lines += [placed(file, problem) for problem in done.warnings]
    out.result(done, *lines)


def _headed(revision: Revision) -> str:
    note = f": {revision.note}" if revision.note else ""
    based = f", based on {revision.based_on}" if revision.based_on else ""
    return f"Revision {revision.id} by {revision.author}, {moment(revision.created_at)}{based}{note}"


def _rule(rule: Rule) -> list[str]:
    """Return a rule as people read it."""
    plain = rule.plain()
    lines = [f"{rule.name}  (on {rule.on})", f"  when     {' '.join(rule.when.split())}"]
    for action in plain["then"]:
        shown = planned_of({**action, "rules": [], "priority": rule.priority}).plain()
        lines.append(f"  then     {action_words(shown)}")
    for name in ("requires", "window", "priority", "unknown", "stop"):
        if name in plain:
            lines.append(f"  {name:<9}{_value(name, plain[name])}")
    return lines


def _value(name: str, value: object) -> str:
    if name == "stop":
        return "no rule after it is asked about the same"
    if isinstance(value, dict):
        return ", ".join(f"{key} {_value('', each)}" for key, each in value.items())
    return "; ".join(map(str, value)) if isinstance(value, list) else str(value)
