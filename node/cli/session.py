"""A node for the length of one command."""

from collections.abc import Iterator
from contextlib import contextmanager

from node.config import Config
from node.root import Node


@contextmanager
def opened(config: Config, *, recovering: bool = True) -> Iterator[Node]:
    """Open the node that `config` describes (see `Node.open`), and close it when the command is done."""
    node = Node.open(config, recovering=recovering)
    try:
        yield node
    finally:
        node.close()
