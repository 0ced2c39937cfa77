"""`isocentre destinations`: peers as something to deliver to."""

from collections.abc import Sequence
from dataclasses import asdict, replace
from datetime import datetime

import click

from node.cli.moments import moment
from node.cli.options import config_option, json_option
from node.cli.output import Output
from node.cli.rulefiles import author
from node.cli.session import opened
from node.config import Config
from node.core import clock
from node.core.errors import UserError
from node.services import destinations as service
from node.services.destinations import Settings
from node.services.reports import newest
from node.services.standing import Standing

_name = click.argument("name")


@click.group()
def destinations() -> None:
    """See how deliveries to other nodes are doing; set, pause and replay them."""


@destinations.command("list")
@config_option
@json_option
def list_(config: Config, out: Output) -> None:
    """List the destinations, what waits for each, and how it is doing."""
    with opened(config) as node:
        rows = [asdict(each) for each in service.list_(node)]
    columns = {
        "name": "NAME",
        "state": "STATE",
        "queued": "QUEUED",
        "waiting": "WAITING",
        "sending": "SENDING",
        "held": "HELD",
        "dead": "DEAD",
        "oldest": "OLDEST",
        "words": "HOW IT IS DOING",
    }
    out.table(rows, columns, "Nothing has been sent to any peer, and nothing is set of one as a destination.")


@destinations.command()
@_name
@config_option
@json_option
def show(name: str, config: Config, out: Output) -> None:
    """Show how one destination is doing, and what is set of it."""
    with opened(config) as node:
        found = service.get(node, name)
    out.result(found, *_lines(found, config.delivery.associations))


@destinations.command("set")
@_name
@click.option("--associations", type=int, metavar="N", help="To hold at once; 0: as configured.")
@click.option("--rate", type=float, metavar="N", help="Instances a second at most; 0: no limit.")
@click.option("--hours", multiple=True, metavar="SPAN", help="When to send, as in 22:00-06:00; repeatable.")
@click.option("--weekday", multiple=True, metavar="DAY", help="Day on which to send; repeatable.")
@click.option("--any-time", is_flag=True, help="Send at any hour of any day.")
@click.option("--syntax", multiple=True, metavar="NAME", help="Transfer syntax to prefer; repeatable.")
@click.option("--any-syntax", is_flag=True, help="Prefer the stored transfer syntax.")
@click.option("--commitment/--no-commitment", default=None, help="Ask it for storage commitment.")
@config_option
@json_option
def set_(
    name: str,
    associations: int | None,
    rate: float | None,
    hours: Sequence[str],
    weekday: Sequence[str],
    any_time: bool,
    syntax: Sequence[str],
    any_syntax: bool,
    commitment: bool | None,
    config: Config,
    out: Output,
) -> None:
    """Set how to deliver to the peer NAME; what is not said stays as it is.

    Hours and weekdays replace those of before, and so do transfer syntaxes, the first the most preferred.
    """
    if any_time and (hours or weekday):
        raise UserError("--any-time goes without --hours and --weekday")
    if any_syntax and syntax:
        raise UserError("--any-syntax goes without --syntax")
    settings = Settings(associations=associations, rate=rate, commitment=commitment)
    if any_time or hours or weekday:
        window = {"hours": hours, "weekdays": weekday}
        settings = replace(settings, window={key: value for key, value in window.items() if value})
    if any_syntax or syntax:
        settings = replace(settings, syntaxes=syntax)
    with opened(config) as node:
        service.set_(node, name, settings, author())
        found = service.get(node, name)
    out.result(found, *_lines(found, config.delivery.associations))


@destinations.command()
@_name
@config_option
@json_option
def pause(name: str, config: Config, out: Output) -> None:
    """Deliver nothing to NAME until it is resumed; what is on its way arrives."""
    with opened(config) as node:
        paused = service.pause(node, name, author())
    out.result(
        paused, f"{name} is paused. What is for it waits; isocentre destinations resume {name} goes on."
    )


@destinations.command()
@_name
@config_option
@json_option
def resume(name: str, config: Config, out: Output) -> None:
    """Deliver to NAME again; if it was given up it is asked at once whether it is back."""
    with opened(config) as node:
        resumed = service.resume(node, name, author())
    asked = "; it is asked at once whether it is back" if resumed.opened_at else ""
    out.result(resumed, f"{name} is delivered to again{asked}.")


@destinations.command()
@_name
@click.option("--from", "since", required=True, callback=moment, metavar="WHEN", help="As 2026-03-01 or 6h.")
@click.option("--to", "until", callback=moment, metavar="WHEN", help="As 2026-03-01T14:30; default: now.")
@config_option
@json_option
def replay(name: str, since: datetime, until: datetime | None, config: Config, out: Output) -> None:
    """Send again what was first queued for NAME in some time and has ended, delivered or not."""
    with opened(config) as node:
        again = service.replay(node, name, since, until or clock.now(), author())
    out.result({"destination": name, "queued": again}, f"{again} deliveries to {name} are queued again.")


@destinations.command()
@click.argument("name", required=False, default="")
@config_option
@json_option
def report(name: str, config: Config, out: Output) -> None:
    """Print the newest nightly report of every destination, or of NAME."""
    with opened(config) as node:
        if name:
            service.get(node, name)
        found = newest(node, name)
    nothing = "There is no report yet; the nightly job `report` makes them."
    out.result(found, *([each.words for each in found] or [nothing]))


def _lines(found: Standing, configured: int) -> Sequence[str]:
    settings = found.settings
    window = settings.window or {}
    hours = " and ".join([*window.get("hours", ()), *window.get("weekdays", ())])
    shown = {
        "state": _state(found),
        "queued": found.queued,
        "waiting": found.waiting,
        "sending": found.sending,
        "held": found.held,
        "dead": found.dead,
        "oldest": _moment(found.oldest),
        "last success": _moment(settings.succeeded_at),
        "last error": settings.error or "-",
        "associations": settings.associations or f"{configured} (as configured)",
        "rate": f"{settings.rate:g} a second" if settings.rate else "no limit",
        "hours": hours or "any",
        "syntaxes": ", ".join(settings.syntaxes) or "as stored",
        "commitment": "asked for" if settings.commitment else "not asked for",
        "worker": settings.worker or "-",
    }
    return [f"{name:<13} {value}" for name, value in {"name": found.name, **shown}.items()]


def _state(found: Standing) -> str:
    word = found.state.value
    return found.words if found.words.startswith(word) else f"{word}: {found.words}"


def _moment(value: datetime | None) -> str:
    return f"{value:%Y-%m-%d %H:%M:%S}Z" if value else "-"
