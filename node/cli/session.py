"""A node for the length of one command."""

from collections.abc import Iterator
from contextlib import contextmanager

from node.config import Config
from node.root import Node


@contextmanager
def opened(config: Config) -> Iterator[Node]:
    """Open the node that `config` describes, and close it when the command is done."""
    node = Node.open(config)
    try:
        yield node
    finally:
        node.close()
