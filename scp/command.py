"""`isocentre scp`: one receiver process."""

import gc
import resource

import click

from node.cli.options import config_option
from node.config import Config
from node.core import logs
from node.indexing.keeper import Keeper
from node.root import Node
from node.run.signals import STOPPING, Signals
from scp.server import Server


@click.command()
@config_option
def scp(config: Config) -> None:
    """Run one DICOM receiver until SIGTERM."""
    logs.configure(config.node.log_level, json=config.node.logs_json)
    _raise_file_limit()
    with Signals(*STOPPING) as signals, Node.open(config) as node:
        node.archive.close()  # no connection may be open in two processes
        keeper = Keeper(config)
        try:
            node.keep_notes()
            server = Server(node, shared=config.dicom.processes > 1)
            gc.freeze()  # what stands now stays: later collections need not look at it
            server.start()
            signals.wait(None)
            server.stop()
            node.ingest.settle()
        finally:
            keeper.stop()


def _raise_file_limit() -> None:
    """Take as many open files as the system allows: each connection is one, each instance another."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
