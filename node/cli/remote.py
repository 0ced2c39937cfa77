"""`isocentre send`, `find` and `get`: to and from peers."""

from collections.abc import Sequence

import click

from node.cli.options import config_option, json_option
from node.cli.output import Output
from node.cli.session import opened
from node.config import Config
from node.core.errors import UserError
from node.services.asking import WANTED, ask
from node.services.fetching import fetch_study
from node.services.sending import send_study
from storage.records.attributes import Level


@click.command()
@click.argument("study_uid")
@click.option("--to", "name", required=True, metavar="PEER", help="The peer's name.")
@config_option
@json_option
def send(study_uid: str, name: str, config: Config, out: Output) -> None:
    """Send a study to a peer (C-STORE)."""
    with opened(config) as node, out.progress("Sending") as advance:
        peer = node.peers.get(name)
        done = send_study(node.retrieve, study_uid, peer, config.dicom, advance)
    lines = [f"{done.sent} of {done.instances} instances sent to {name}"]
    if done.transcoded:
        lines.append(f"{done.transcoded} of them in another transfer syntax than they are kept in")
    if done.warnings:
        lines.append(f"{done.warnings} of them taken with a warning")
    out.result(done, *lines, *(f"{uid}: {reason}" for uid, reason in done.failed.items()))
    if done.failed:
        raise UserError(f"{len(done.failed)} instances were not sent")


@click.command()
@click.argument("name", metavar="PEER")
@click.argument("keys", nargs=-1, metavar="KEY=VALUE…")
@click.option(
    "--level",
    type=click.Choice([str(level) for level in Level], case_sensitive=False),
    default=str(Level.STUDY),
    show_default=True,
    help="What to ask for.",
)
@click.option(
    "--limit", type=click.IntRange(0), default=0, help="Answers at most; 0 is all.", show_default=True
)
@config_option
@json_option
def find(name: str, keys: Sequence[str], level: str, limit: int, config: Config, out: Output) -> None:
    """Ask a peer what it has (C-FIND).

    Keys are keywords of DICOM, as in: isocentre find pacs1 "PatientName=DOE*" StudyDate=20260101-20260131
    """
    asked = dict(_key(text) for text in keys)
    at = Level(level.upper())
    with opened(config) as node, out.progress("Asking") as advance:
        rows = []
        for answer in ask(node.peers.get(name), config.dicom, at, asked, limit=limit):
            rows.append(answer)
            advance(1)
    shown = dict.fromkeys((*WANTED[at], *asked))
    out.table(rows, {keyword: keyword for keyword in shown}, "Nothing matches.")


def _key(text: str) -> tuple[str, str]:
    keyword, equals, value = text.partition("=")
    if not equals or not keyword:
        raise UserError(f"{text!r}: write a key as KEYWORD=VALUE, for example PatientID=4711")
    return keyword.strip(), value


@click.command()
@click.argument("name", metavar="PEER")
@click.argument("study_uid")
@config_option
@json_option
def get(name: str, study_uid: str, config: Config, out: Output) -> None:
    """Fetch a study from a peer (C-GET)."""
    with opened(config) as node, out.progress("Fetching") as advance:
        done = fetch_study(node.ingest, study_uid, node.peers.get(name), config.dicom, advance)
    lines = [
        f"{done.stored} new, {done.duplicates} that the archive had already, "
        f"{done.conflicts} in conflict with what it had"
    ]
    lines += [f"{uid}: {reason}" for uid, reason in done.refused.items()]
    lines += [f"{uid}: {name} could not send it" for uid in done.failed_uids]
    out.result(done, *lines)
    if done.refused or done.failed:
        raise UserError(
            f"{len(done.refused)} instances were not taken, {done.failed} could not be sent by {name}"
        )
    if not done.stored + done.duplicates + done.conflicts:
        raise UserError(f"{name} sent nothing")
