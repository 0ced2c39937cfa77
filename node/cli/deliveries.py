"""`isocentre deliveries`: instances on their way to destinations, and those that arrived or never will."""

from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime

import click

from node.cli.options import config_option, json_option
from node.cli.output import Output
from node.cli.rulefiles import author
from node.cli.session import opened
from node.config import Config
from node.core.errors import UserError
from node.services import deliveries as service
from storage.records.deliveries import DeliveryState

_number = click.IntRange(1, 2**63 - 1)
_ids = click.argument("ids", metavar="[ID]…", nargs=-1, type=_number)
_to = click.option("--to", "destination", default="", metavar="NAME", help="All to this destination.")
_study = click.option("--study", default="", metavar="STUDY_UID", help="All of this study.")
_STATES = [state.value for state in DeliveryState]


@click.group()
def deliveries() -> None:
    """See what is delivered to whom; try again, cancel or release it."""


@deliveries.command("list")
@click.option("--to", "destination", default="", metavar="NAME", help="Only those to this destination.")
@click.option("--state", type=click.Choice(_STATES), help="Only those in it.")
@click.option("--study", default="", metavar="STUDY_UID", help="Only those of this study.")
@click.option("--instance", default="", metavar="SOP_INSTANCE_UID", help="Only those of this instance.")
@click.option("--after", default=0, metavar="ID", help="Only those made after this one.")
@click.option(
    "--limit", default=50, type=click.IntRange(1, 100000), show_default=True, help="At most so many."
)
@config_option
@json_option
def list_(
    destination: str,
    state: str | None,
    study: str,
    instance: str,
    after: int,
    limit: int,
    config: Config,
    out: Output,
) -> None:
    """List deliveries in the order in which they were asked for."""
    with opened(config) as node:
        found = service.list_(
            node,
            destination=destination,
            state=DeliveryState(state) if state else None,
            study_uid=study,
            sop_instance_uid=instance,
            limit=limit,
            after=after,
        )
    columns = {
        "id": "ID",
        "destination": "TO",
        "state": "STATE",
        "sop_instance_uid": "SOP INSTANCE UID",
        "failures": "FAILURES",
        "queued_at": "QUEUED",
        "ended_at": "LAST ATTEMPT",
        "words": "WORDS",
    }
    out.table([asdict(each) for each in found], columns, "There are no such deliveries.")


@deliveries.command()
@click.argument("number", metavar="ID", type=_number)
@config_option
@json_option
def show(number: int, config: Config, out: Output) -> None:
    """Show everything about one delivery, with each attempt."""
    with opened(config) as node:
        found = service.get(node, number)
    shown = asdict(found.delivery)
    lines = [f"{name:<19} {_shown(name, value)}" for name, value in shown.items()]
    for each in found.attempts:
        status = f" (0x{each.status:04X})" if each.status is not None else ""
        lines.append(
            f"{f'attempt {each.number}':<19} {_shown('', each.ended_at)} {each.state}{status} {each.words}"
        )
    out.result({**shown, "earlier": found.attempts}, *lines)


@deliveries.command()
@_ids
@click.option("--all", "everything", is_flag=True, help="All to a destination.")
@click.option("--to", "destination", default="", metavar="NAME", help="The destination.")
@click.option(
    "--state",
    "states",
    multiple=True,
    type=click.Choice([state.value for state in service.RETRIED]),
    help="Only those in it; repeatable. Default: dead and waiting; of those named by number, any of them.",
)
@config_option
@json_option
def retry(
    ids: Sequence[int], everything: bool, destination: str, states: Sequence[str], config: Config, out: Output
) -> None:
    """Try dead or waiting deliveries again at once, and cancelled ones that are named."""
    if bool(ids) == everything or everything != bool(destination):
        raise UserError("say which deliveries: their numbers, or --all --to NAME")
    usual = service.RETRIED if ids else service.FAILED
    chosen = tuple(DeliveryState(state) for state in states) or usual
    with opened(config) as node:
        again = service.retry(node, author(), ids=ids, destination=destination, states=chosen)
    out.result({"queued": again}, f"{_count(again)} queued again.")


@deliveries.command()
@_ids
@_to
@_study
@config_option
@json_option
def cancel(ids: Sequence[int], destination: str, study: str, config: Config, out: Output) -> None:
    """Take deliveries out of the queue; one that is being sent may arrive."""
    if ids and (destination or study):
        raise UserError("say either numbers, or a destination or study")
    with opened(config) as node:
        cancelled = service.cancel(node, author(), ids=ids, destination=destination, study_uid=study)
    out.result({"cancelled": cancelled}, f"{_count(cancelled)} cancelled.")


@deliveries.command()
@_ids
@_study
@config_option
@json_option
def release(ids: Sequence[int], study: str, config: Config, out: Output) -> None:
    """Let held deliveries go, whatever holds them; isocentre holds releases by hold."""
    if ids and study:
        raise UserError("say either numbers or a study")
    with opened(config) as node:
        released = service.release(node, author(), ids=ids, study_uid=study)
    out.result({"released": released}, f"{_count(released)} released.")


def _count(number: int) -> str:
    return f"{number} {'delivery is' if number == 1 else 'deliveries are'}"


def _shown(name: str, value: object) -> str:
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%d %H:%M:%S}Z"
    if name == "status" and isinstance(value, int):
        return f"0x{value:04X}"
    if isinstance(value, tuple):
        return ", ".join(map(str, value)) or "-"
    return "-" if value in (None, "") else str(value)
