"""A local S3 server for tests: moto's, in a thread of this process, on a free port of loopback."""

import logging
import threading
import urllib.request
from collections.abc import Callable, Iterator
from typing import Any
from uuid import uuid4

import pytest
from moto.server import ThreadedMotoServer
from werkzeug.serving import BaseWSGIServer, make_server


@pytest.fixture(scope="session")
def s3_endpoint() -> Iterator[str]:
    """Return the URL of an S3 server that forgets everything at the end."""
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def s3_url(s3_endpoint: str) -> str:
    """Return a blobs URL of an empty bucket."""
    bucket = f"b{uuid4().hex}"
    urllib.request.urlopen(urllib.request.Request(f"{s3_endpoint}/{bucket}", method="PUT")).close()
    access = "access_key_id=test&secret_access_key=test&region=us-east-1"
    return f"s3://{bucket}/some/where?endpoint={s3_endpoint}&{access}"


@pytest.fixture
def serve_wsgi() -> Iterator[Callable[[Any], str]]:
    """Return a function that serves a WSGI application on loopback until the end, and returns its URL."""
    servers: list[tuple[BaseWSGIServer, threading.Thread]] = []

    def start(application: Any) -> str:
        server = make_server("127.0.0.1", 0, application, threaded=True)
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        servers.append((server, thread))
        return f"http://127.0.0.1:{server.server_port}"

    yield start
    for server, thread in servers:
        server.shutdown()
        thread.join()
        server.server_close()
