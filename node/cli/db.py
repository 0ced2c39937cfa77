"""`isocentre db`: the schema, whether everything is there, and copies of it."""

from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import click

from node.cli.options import config_option, json_option
from node.cli.output import Advance, Output
from node.cli.session import opened
from node.config import Config
from node.core.errors import UserError
from node.run.opening import open_archive
from node.services.adopting import adopt as take_in
from storage.backup import backup as make_copy
from storage.verify import verify as compare

_SHOWN = 20  # findings that people are told; JSON has all that the report names
_FOLDER = click.Path(path_type=Path, file_okay=False)


@click.group()
def db() -> None:
    """Upgrade, verify and back up what the node keeps."""


@db.command()
@config_option
@json_option
def upgrade(config: Config, out: Output) -> None:
    """Bring the database to the schema of this program. Starting the node does it too."""
    with closing(open_archive(config)) as archive:
        was_current = archive.is_current()
        archive.upgrade()
        kind = archive.kind
    words = "was up to date" if was_current else "is up to date now"
    out.result({"database": kind, "upgraded": not was_current}, f"The schema of the {kind} database {words}.")


@db.command()
@config_option
@json_option
def verify(config: Config, out: Output) -> None:
    """Compare every record with every blob, byte for byte. The node may be running."""
    with opened(config) as node, out.progress("Verifying", 0) as advance:
        report = compare(node.archive, node.blobs, _counting(advance))
    lines = [f"{finding.kind}: {finding.subject} {finding.detail}" for finding in report.findings[:_SHOWN]]
    if report.wrong > len(lines):
        lines.append(f"… and {report.wrong - len(lines)} more")
    told = {"clean": report.clean, "blobs": report.blobs, "bytes": report.size, "wrong": report.wrong}
    lines.append(f"{report.blobs} blobs of {report.size} bytes compared, {report.wrong} findings")
    out.result({**told, "findings": report.findings}, *lines)
    if not report.clean:
        raise UserError(f"{report.wrong} findings; docs/operations.md says what to do about each kind")


@db.command()
@config_option
@json_option
def adopt(config: Config, out: Output) -> None:
    """Take in blobs that no record refers to, as after restoring an older database. Stop the node before."""
    # What is to be taken in must not be taken for what a crash has left.
    with opened(config, recovering=False) as node, out.progress("Adopting", 0) as advance:
        done = take_in(node.archive, node.blobs, node.ingest, lambda more: advance(more, 0))
    words = (
        f"{done.stored} instances taken in, {done.duplicates} were there already, {done.conflicts} conflicts"
    )
    refused = [f"{key}: {reason}" for key, reason in done.refused.items()]
    out.result(done, words, *refused[:_SHOWN])
    if refused:
        raise UserError(f"{len(refused)} blobs were not taken and stay where they are")


@db.command()
@click.option("--to", "folder", required=True, metavar="DIR", type=_FOLDER, help="Where to.")
@config_option
@json_option
def backup(folder: Path, config: Config, out: Output) -> None:
    """Copy database and blobs to DIR while the node runs. Again into the same DIR copies what is new."""
    with opened(config) as node, out.progress("Copying", 0) as advance:
        done = make_copy(node.archive, node.blobs, folder, _counting(advance))
    words = f"{done.copied} blobs copied, {done.linked} linked, {done.kept} were there already"
    out.result(done, f"The database is in {done.database}", words)


def _counting(advance: Advance) -> Callable[[int, int], None]:
    """Return what is called with how many are done, and how many there are."""
    last = 0

    def progress(done: int, total: int) -> None:
        nonlocal last
        advance(done - last, total)
        last = done

    return progress
