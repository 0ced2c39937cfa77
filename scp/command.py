"""`isocentre scp`: one receiver process."""

import gc
import resource
import signal
import threading

import click

from node.cli.options import config_option
from node.config import Config
from node.core import logs
from node.root import Node
from scp.server import Server


@click.command()
@config_option
def scp(config: Config) -> None:
    """Run one DICOM receiver until SIGTERM."""
    logs.configure(config.node.log_level, json=config.node.logs_json)
    _raise_file_limit()
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    node = Node.open(config)
    try:
        server = Server(node, shared=config.dicom.processes > 1)
        gc.freeze()  # what stands now stays: later collections need not look at it
        server.start()
        stop.wait()
        server.stop()
    finally:
        node.close()


def _raise_file_limit() -> None:
    """Take as many open files as the system allows: each connection is one, each instance another."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
