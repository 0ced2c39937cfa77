"""`isocentre import` and `isocentre export`: from and to folders of this machine."""

import getpass
from collections import Counter
from pathlib import Path

import click

from node.cli.options import config_option, json_option
from node.cli.output import Output
from node.cli.session import opened
from node.config import Config
from node.core.errors import UserError
from node.services.exporting import export as export_study
from node.services.importing import Imported, import_paths
from storage.records.arrival import Origin, Way

_SHOWN = 10  # refused files that people are told by name; JSON has all


@click.command("import")
@click.argument("paths", nargs=-1, required=True, metavar="PATH…", type=click.Path(path_type=Path))
@config_option
@json_option
def import_files(paths: tuple[Path, ...], config: Config, out: Output) -> None:
    """Take DICOM files into the archive.

    Each PATH is a file or a folder. The files stay where they are.
    """
    with opened(config) as node, out.progress("Importing") as advance:
        done = import_paths(node.ingest, paths, Origin(Way.IMPORT, user=getpass.getuser()), advance)
    out.result(done, *_words(done))
    if done.refused:
        raise UserError(f"{len(done.refused)} files were not taken")
    if not done.stored + done.duplicates + done.conflicts:
        raise UserError("there was no DICOM file")


def _words(done: Imported) -> list[str]:
    lines = [
        f"{done.stored} new, {done.duplicates} that the archive had already, "
        f"{done.conflicts} in conflict with what it had",
    ]
    for reason, count in Counter(done.skipped.values()).most_common():
        lines.append(f"{count} skipped: {reason}")
    refused = list(done.refused.items())
    lines += [f"{path}: {reason}" for path, reason in refused[:_SHOWN]]
    if len(refused) > _SHOWN:
        lines.append(f"… and {len(refused) - _SHOWN} more")
    return lines


@click.command("export")
@click.argument("study_uid")
@click.option(
    "--to", "folder", required=True, metavar="DIR", type=click.Path(path_type=Path), help="Where to."
)
@config_option
@json_option
def export(study_uid: str, folder: Path, config: Config, out: Output) -> None:
    """Write a study to a folder.

    The files are DIR/STUDY_UID/SERIES_UID/SOP_INSTANCE_UID.dcm; nothing that is there is overwritten.
    """
    with opened(config) as node, out.progress("Exporting") as advance:
        done = export_study(node.archive, node.retrieve, study_uid, folder, advance)
    lines = [f"{done.written} files written to {done.folder}, {done.unchanged} were there already"]
    lines += [f"{uid}: {reason}" for uid, reason in done.failed.items()]
    out.result(done, *lines)
    if done.failed:
        raise UserError(f"{len(done.failed)} instances could not be exported")
