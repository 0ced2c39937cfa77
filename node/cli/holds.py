"""`isocentre holds`: what a person must look at before it goes anywhere."""

from dataclasses import asdict

import click

from node.cli.options import config_option, json_option
from node.cli.output import Output
from node.cli.rulefiles import author
from node.cli.session import opened
from node.config import Config
from node.services import holds as service

_number = click.argument("number", metavar="ID", type=click.IntRange(1, 2**63 - 1))


@click.group()
def holds() -> None:
    """See what rules hold for a person; let it go, or not."""


@holds.command("list")
@click.option("--all", "released", is_flag=True, help="Also those that a person has decided.")
@click.option(
    "--limit", default=100, type=click.IntRange(1, 10000), show_default=True, help="At most so many."
)
@config_option
@json_option
def list_(released: bool, limit: int, config: Config, out: Output) -> None:
    """List what is held, the newest first, and why."""
    with opened(config) as node:
        rows = [asdict(each) for each in service.list_(node, released=released, limit=limit)]
    columns = {
        "id": "ID",
        "level": "LEVEL",
        "uid": "UID",
        "reason": "REASON",
        "author": "RULE",
        "at": "SINCE",
        "released_by": "DECIDED BY",
    }
    out.table(rows, columns, "Nothing is held.")


@holds.command()
@_number
@config_option
@json_option
def release(number: int, config: Config, out: Output) -> None:
    """Let go what a hold holds, unless another one holds it too."""
    with opened(config) as node:
        done = service.release(node, number, author())
    kept = f" {done.kept} stay held for another reason." if done.kept else ""
    out.result(done, f"Hold {number} is released: {_what(done)} go on.{kept}")


@holds.command()
@_number
@config_option
@json_option
def reject(number: int, config: Config, out: Output) -> None:
    """Cancel what a hold holds: it goes nowhere. The instances stay in the archive."""
    with opened(config) as node:
        done = service.reject(node, number, author())
    out.result(done, f"Hold {number} is closed: {_what(done)} are cancelled.")


def _what(done: service.Decided) -> str:
    deliveries = f"{done.deliveries} {'delivery' if done.deliveries == 1 else 'deliveries'}"
    return f"{deliveries} and {done.jobs} {'job' if done.jobs == 1 else 'jobs'}"
