"""`isocentre console`: the web console."""

import click

from console.bind import require_loopback
from node.cli.options import config_option
from node.config import Config
from node.core import logs
from node.run.ports import check_free


@click.command()
@config_option
def console(config: Config) -> None:
    """Serve status, health and metrics by HTTP until SIGTERM."""
    logs.configure(config.node.log_level, json=config.node.logs_json)
    require_loopback(config.console.host)
    check_free("console.port", config.console.host, config.console.port)
    from console.server import Server  # takes a while, which an answer of "refused" need not

    Server(config).run()
