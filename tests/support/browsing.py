"""The console of a node, asked without a network."""

import pytest
from flask.testing import FlaskClient

from console.app import create_app
from node.root import Node
from tests.support.node import Running


@pytest.fixture
def client(node: Node) -> FlaskClient:
    """Asks the console of a node without receiver."""
    return create_app(node).test_client()


@pytest.fixture
def running_client(running_node: Running) -> FlaskClient:
    """Asks the console of a node whose receiver runs."""
    return create_app(running_node.node).test_client()
