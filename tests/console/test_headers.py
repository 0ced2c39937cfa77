import pytest
from flask.testing import FlaskClient

from console.app import create_app
from node.root import Node


@pytest.mark.parametrize("path", ["/", "/health", "/metrics", "/static/console.css", "/nowhere"])
def test_every_answer_is_guarded(client: FlaskClient, path: str):
    with client.get(path) as answer:
        policy = answer.headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "frame-ancestors 'none'" in policy
        assert "unsafe" not in policy
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["X-Frame-Options"] == "DENY"
        assert answer.headers["Referrer-Policy"] == "no-referrer"
        assert answer.headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize("name", ["localhost", "127.0.0.1", "[::1]", "localhost:8080", "127.0.0.1:28080"])
def test_this_machines_names_are_answered(client: FlaskClient, name: str):
    assert client.get("/metrics", headers={"Host": name}).status_code == 200


@pytest.mark.parametrize(
    "name",
    ["rebound.example", "rebound.example:8080", "127.0.0.1.example", "", "[::1", "a@localhost@b", "10.0.0.7"],
)
def test_other_names_are_not(client: FlaskClient, name: str):
    answer = client.get("/metrics", headers={"Host": name})
    assert answer.status_code == 400
    assert answer.text == "The console answers to this machine's own names only.\n"


def test_the_address_it_listens_on_is_its_name(node: Node):
    console = node.config.console.model_copy(update={"host": "127.0.0.9"})
    node.config = node.config.model_copy(update={"console": console})
    client = create_app(node).test_client()
    assert client.get("/metrics", headers={"Host": "127.0.0.9:8080"}).status_code == 200
