"""`isocentre callers`, `conflicts` and `quarantine`: what an administrator should look at."""

from dataclasses import asdict

import click

from node.cli.options import config_option, json_option
from node.cli.output import Output
from node.cli.session import opened
from node.config import Config
from node.services import listings


@click.command()
@config_option
@json_option
def callers(config: Config, out: Output) -> None:
    """List who called without being a peer, the latest first."""
    with opened(config) as node:
        rows = [asdict(each) for each in node.callers.list()]
    columns = {
        "ae_title": "AE TITLE",
        "address": "ADDRESS",
        "count": "CALLS",
        "refused": "REFUSED",
        "asked": "ASKED FOR",
        "last_seen": "LAST SEEN",
    }
    out.table(rows, columns, "Nobody has called who is not a peer.")


@click.command()
@click.option("--study", metavar="STUDY_UID", help="Only those of this study.")
@click.option("--all", "resolved", is_flag=True, help="Also those that a person has decided.")
@config_option
@json_option
def conflicts(study: str | None, resolved: bool, config: Config, out: Output) -> None:
    """List arrivals that disagree with the archive.

    They have other content under the same SOP Instance UID, or another patient in the same study. Both
    are kept.
    """
    with opened(config) as node:
        rows = [asdict(each) for each in listings.conflicts(node.archive, study, resolved=resolved)]
    columns = {
        "id": "ID",
        "kind": "KIND",
        "sop_instance_uid": "SOP INSTANCE UID",
        "origin.calling_ae": "FROM",
        "received_at": "RECEIVED",
    }
    out.table(rows, columns, "There are no conflicts.")


@click.group()
def quarantine() -> None:
    """Look at datasets that were refused."""


@quarantine.command("list")
@config_option
@json_option
def list_(config: Config, out: Output) -> None:
    """List the datasets that were refused, and why. They are kept."""
    with opened(config) as node:
        rows = [asdict(each) for each in listings.quarantined(node.archive)]
    columns = {
        "id": "ID",
        "reason": "REASON",
        "blob_size": "BYTES",
        "origin.calling_ae": "FROM",
        "origin.address": "ADDRESS",
        "received_at": "RECEIVED",
    }
    out.table(rows, columns, "Nothing is in quarantine.")
