"""The Flask application, made by a factory from an open node."""

from flask import Flask

from console import pages
from console.headers import protect
from node.root import Node

_LARGEST_BODY = 64 * 1024  # bytes; nothing is taken in by this door


def create_app(node: Node) -> Flask:
    """Return the application that shows `node`."""
    app = Flask(__name__, static_url_path="/static")
    app.config["MAX_CONTENT_LENGTH"] = _LARGEST_BODY
    app.jinja_options = {"trim_blocks": True, "lstrip_blocks": True}
    protect(app, node.config.console.host)
    pages.register(app, node)
    return app
