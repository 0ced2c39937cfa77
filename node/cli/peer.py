"""`isocentre peer`: the nodes that are known."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict

import click

from node.cli.options import config_option, json_option
from node.cli.output import Output
from node.cli.session import opened
from node.config import Config
from node.core.errors import UserError
from node.services.doctor import Step, examine
from scu.survey import Service


@click.group()
def peer() -> None:
    """Name other nodes, and see whether they answer."""


@peer.command()
@click.argument("name")
@click.option("--ae-title", required=True, metavar="T", help="Its AE title; case matters.")
@click.option("--host", required=True, metavar="H", help="Its host name or address.")
@click.option("--port", required=True, type=click.IntRange(1, 65535), metavar="N", help="Its DICOM port.")
@click.option("--tls", is_flag=True, help="It wants DICOM over TLS.")
@click.option("--query/--no-query", default=True, help="It may C-FIND, C-MOVE and C-GET.", show_default=True)
@click.option("--store/--no-store", default=True, help="It may C-STORE and C-ECHO.", show_default=True)
@config_option
@json_option
def add(
    name: str,
    ae_title: str,
    host: str,
    port: int,
    tls: bool,
    query: bool,
    store: bool,
    config: Config,
    out: Output,
) -> None:
    """Make another node known as NAME."""
    with opened(config) as node:
        added = node.peers.add(
            name, ae_title=ae_title, host=host, port=port, tls=tls, may_query=query, may_store=store
        )
    try_it = f"isocentre peer echo {name}"
    out.result(added, f"{name} is known: {added.ae_title} at {added.host} port {added.port}. Try: {try_it}")


@peer.command("list")
@config_option
@json_option
def list_(config: Config, out: Output) -> None:
    """List the nodes that are known."""
    with opened(config) as node:
        rows = [asdict(each) for each in node.peers.list()]
    columns = {
        "name": "NAME",
        "ae_title": "AE TITLE",
        "host": "HOST",
        "port": "PORT",
        "tls": "TLS",
        "may_query": "QUERY",
        "may_store": "STORE",
    }
    out.table(rows, columns, "No peers are known. Add one with: isocentre peer add NAME --ae-title T …")


@peer.command("echo")
@click.argument("name")
@config_option
@json_option
def echo_(name: str, config: Config, out: Output) -> None:
    """Call the peer NAME step by step up to C-ECHO, and say what to mend when a step fails."""
    with opened(config) as node:
        found = examine(node.peers.get(name), config.dicom)
    lines = [_step(step) for step in found.steps]
    if found.ok:
        out.result(found, *lines, *_services(found.services), found.words)
        return
    out.result(found, *lines, *_services(found.services))
    raise UserError(f"{found.steps[-1].words}. {found.words}")


@peer.command()
@click.argument("name")
@config_option
@json_option
def remove(name: str, config: Config, out: Output) -> None:
    """Forget the peer NAME. What it sent stays."""
    with opened(config) as node:
        node.peers.remove(name)
    out.result({"removed": name}, f"{name} is no longer known. What it sent stays.")


def _step(step: Step) -> str:
    return f"{step.name:<12} {'ok' if step.ok else 'FAILED':<7} {step.milliseconds:>8.1f} ms  {step.words}"


def _services(services: Sequence[Service]) -> Iterator[str]:
    """Yield a line for all services of a group that were accepted in the same transfer syntaxes."""
    together: dict[tuple[str, tuple[str, ...]], list[str]] = {}
    for service in services:
        together.setdefault((service.group.value, service.syntaxes), []).append(service.name)
    for (group, syntaxes), names in together.items():
        said = f"in {', '.join(syntaxes)}" if syntaxes else "not accepted"
        yield f"  {group}: {', '.join(names)}: {said}"
