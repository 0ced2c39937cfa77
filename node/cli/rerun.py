"""`isocentre rules run`: ask the active rules about what the archive has already, and act on the answer."""

from collections.abc import Iterator

import click

from node.cli.options import config_option, json_option
from node.cli.output import Output
from node.cli.rulefiles import author
from node.cli.session import opened
from node.cli.telling import counted
from node.config import Config
from node.core.errors import UserError
from node.root import Node
from node.rulings.again import Again
from storage.records.subjects import Subject


@click.command("run")
@click.argument("uid", metavar="UID")
@config_option
@json_option
def run_(uid: str, config: Config, out: Output) -> None:
    """Ask the active rules about an instance or study that is here already, and do what they say.

    For what came before the rules, or while they could not be asked. What was delivered is not delivered
    again.
    """
    with opened(config, recovering=False) as node:
        found = list(_subjects(node, uid))
        if not found:
            raise UserError(f"{uid}: the archive has no instance or study of this UID")
        with out.progress("asking", len(found)) as advance:
            done = Again(node.archive, node.blobs, node.book).ask(found, author(), advance)
    asked_for = f"{counted(done.deliveries, 'delivery', 'deliveries')} and {counted(done.jobs, 'job')}"
    lines = [f"Asked about {counted(done.instances, 'instance')}: {asked_for}, those made before included."]
    if done.studies:
        lines.append("Rules on series and studies are asked as soon as a worker gets to it.")
    out.result(done, *lines)


def _subjects(node: Node, uid: str) -> Iterator[Subject]:
    with node.archive.read() as tx:
        one = tx.subjects.by_uid(uid)
        study = tx.subjects.study_by_uid(uid)
        if one is not None:
            yield one
        elif study is not None:
            yield from tx.subjects.of_study(study.row)
