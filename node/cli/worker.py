"""`isocentre worker`: one process that does jobs."""

import signal

import click

from node.cli.options import config_option
from node.config import Config
from node.core import logs
from node.root import Node
from node.run.signals import STOPPING
from node.run.worker import Worker


@click.command()
@config_option
def worker(config: Config) -> None:
    """Do jobs until SIGTERM. Any number of workers may run."""
    logs.configure(config.node.log_level, json=config.node.logs_json)
    with Node.open(config) as node:
        process = Worker(node)
        for number in STOPPING:
            signal.signal(number, lambda *_: process.stop())
        process.run()
