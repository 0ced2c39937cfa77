import http.client
import json
import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.node import NodeProcess, write_config


@pytest.fixture
def console(tmp_path: Path, archive_url: str, start_process: Callable[..., NodeProcess]) -> NodeProcess:
    """A console process on each database, without receiver."""
    process = start_process(write_config(tmp_path, archive_url), "console", wait=False)
    while "console.ready" not in process.read_log():
        assert process.process.poll() is None, process.read_log()
        time.sleep(0.05)
    return process


def get(process: NodeProcess, path: str) -> tuple[int, str]:
    connection = http.client.HTTPConnection("127.0.0.1", process.config.console.port, timeout=60)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    finally:
        connection.close()


def test_it_serves_until_it_is_told_to_stop(console: NodeProcess):
    status, body = get(console, "/health")
    assert status == 503
    assert list(json.loads(body)["checks"]) == ["blobs", "database", "dicom", "index", "space"]
    assert get(console, "/")[0] == 200
    assert "isocentre_studies 0.0" in get(console, "/metrics")[1]
    assert console.stop() == 0
    for line in console.read_log().splitlines():
        json.loads(line)  # gunicorn's words are in our log's form


def test_many_ask_at_once(console: NodeProcess):
    found: list[int] = []
    threads = [threading.Thread(target=lambda: found.append(get(console, "/metrics")[0])) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [200] * 20


def test_who_connects_and_says_nothing_hinders_nobody(console: NodeProcess):
    address = ("127.0.0.1", console.config.console.port)
    silent = [socket.create_connection(address) for _ in range(10)]  # it has fewer threads
    try:
        assert get(console, "/metrics")[0] == 200
    finally:
        for sock in silent:
            sock.close()


def test_a_body_without_end_is_refused(console: NodeProcess):
    with socket.create_connection(("127.0.0.1", console.config.console.port), 60) as sock:
        sock.sendall(b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000000000000\r\n\r\n")
        assert sock.recv(4096).startswith((b"HTTP/1.1 405", b"HTTP/1.1 413"))
