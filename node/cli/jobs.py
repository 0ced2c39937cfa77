"""`isocentre jobs`: what is to be done, and what a person must look at."""

from dataclasses import asdict
from datetime import datetime

import click

from node.cli.options import config_option, json_option
from node.cli.output import Output
from node.cli.rulefiles import author
from node.cli.session import opened
from node.config import Config
from node.core.errors import UserError
from node.services import jobs as service
from storage.records.jobs import Job, JobState

_number = click.argument("number", metavar="ID", type=click.IntRange(1, 2**63 - 1))


@click.group()
def jobs() -> None:
    """See what is to be done; retry, release or cancel it."""


@jobs.command("list")
@click.option("--state", type=click.Choice([state.value for state in JobState]), help="Only those in it.")
@click.option("--kind", default="", help="Only this kind.")
@click.option(
    "--limit", default=50, type=click.IntRange(1, 10000), show_default=True, help="At most so many."
)
@config_option
@json_option
def list_(state: str | None, kind: str, limit: int, config: Config, out: Output) -> None:
    """List jobs, the newest first."""
    with opened(config) as node:
        found = service.list_(node, JobState(state) if state else None, kind, limit)
    columns = {
        "id": "ID",
        "kind": "KIND",
        "state": "STATE",
        "failures": "FAILURES",
        "created_at": "CREATED",
        "run_after": "NOT BEFORE",
        "progress": "DONE",
        "total": "OF",
        "error": "LAST ERROR",
    }
    out.table([asdict(each) for each in found], columns, "There are no such jobs.")


@jobs.command()
@_number
@config_option
@json_option
def show(number: int, config: Config, out: Output) -> None:
    """Show everything about one job."""
    with opened(config) as node:
        job = service.get(node, number)
    out.result(job, *(f"{name:<13} {_shown(value)}" for name, value in asdict(job).items()))


@jobs.command()
@click.argument("number", metavar="[ID]", type=click.IntRange(1, 2**63 - 1), required=False)
@click.option("--all", "everything", is_flag=True, help="All dead jobs.")
@click.option("--kind", default="", help="With --all: only this kind.")
@config_option
@json_option
def retry(number: int | None, everything: bool, kind: str, config: Config, out: Output) -> None:
    """Run a dead, cancelled or waiting job at once, or all dead ones."""
    if (number is None) != everything or (kind and not everything):
        raise UserError("say which job: its ID, or --all with or without --kind")
    with opened(config) as node:
        if number is None:
            again = service.retry_all(node, author(), kind)
            out.result({"queued": again}, f"{again} {'job is' if again == 1 else 'jobs are'} queued again.")
            return
        job = service.retry(node, number, author())
    out.result(job, f"{_name(job)} is queued and runs as soon as a worker is free.")


@jobs.command()
@_number
@config_option
@json_option
def release(number: int, config: Config, out: Output) -> None:
    """Let a held job run."""
    with opened(config) as node:
        job = service.release(node, number, author())
    out.result(job, f"{_name(job)} is queued and runs as soon as a worker is free.")


@jobs.command()
@_number
@config_option
@json_option
def cancel(number: int, config: Config, out: Output) -> None:
    """Take a job out of the queue; one that runs is interrupted."""
    with opened(config) as node:
        job = service.cancel(node, number, author())
    out.result(job, f"{_name(job)} is cancelled. What it has done already stays.")


def _name(job: Job) -> str:
    return f"Job {job.id} ({job.kind})"


def _shown(value: object) -> str:
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%d %H:%M:%S}Z"
    return "-" if value in (None, "") else str(value)
