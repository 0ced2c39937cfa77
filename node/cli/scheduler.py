"""`isocentre scheduler`: puts the nightly jobs in the queue."""

import contextlib

import click

from node.cli.options import config_option
from node.config import Config
from node.core import logs
from node.run.opening import open_archive
from node.run.schedule import Scheduler
from node.run.signals import STOPPING, Signals


@click.command()
@config_option
def scheduler(config: Config) -> None:
    """Put the nightly jobs in the queue until SIGTERM. Of several, one acts."""
    logs.configure(config.node.log_level, json=config.node.logs_json)
    with contextlib.closing(open_archive(config)) as archive, Signals(*STOPPING) as signals:
        archive.upgrade()
        Scheduler(archive, config.scheduler).run(signals.wait)
