from flask.testing import FlaskClient

from console.app import create_app
from node.root import Node


def test_two_applications_do_not_share_anything(node: Node):
    assert create_app(node) is not create_app(node)


def test_a_page_asks_for_nothing_from_elsewhere(client: FlaskClient):
    page = client.get("/").text
    assert "://" not in page
    for path in ("/static/console.css", "/static/icon.svg"):
        assert path in page
        with client.get(path) as answer:
            assert answer.status_code == 200


def test_a_body_without_end_is_not_read(client: FlaskClient):
    answer = client.post("/", headers={"Content-Length": "1000000000000"})
    assert answer.status_code in (405, 413)
