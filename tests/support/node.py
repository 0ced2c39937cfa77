"""A real node for tests: in this process (quick), or as a process of its own that can be killed."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from node.config import Config, load
from node.root import Node
from scp.server import Server

Settings = dict[str, dict[str, object]]


def free_port() -> int:
    """A port that was free a moment ago."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


def write_config(folder: Path, url: str = "", **tables: dict[str, object]) -> Path:
    """Write a config.toml for a node on loopback that keeps everything below `folder`."""
    settings: Settings = {
        "node": {"data_dir": str(folder / "data")},
        "database": {"url": url},
        "blobs": {"free_floor_mib": 16},
        "dicom": {"host": "127.0.0.1", "port": free_port(), "query_from": "any"},
        "console": {"port": free_port()},
    }
    for table, keys in tables.items():
        settings.setdefault(table, {}).update(keys)
    path = folder / "config.toml"
    lines = []
    for table, keys in settings.items():
        lines.append(f"[{table}]")
        lines += [f"{key} = {_toml(value)}" for key, value in keys.items()]
    path.write_text("\n".join(lines) + "\n")
    return path


def _toml(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, int | float) else '"' + str(value).replace("\\", "\\\\") + '"'


@dataclass
class Running:
    """A node that answers: call it at `port`."""

    node: Node
    server: Server

    @property
    def port(self) -> int:
        return self.server.port

    @property
    def config(self) -> Config:
        return self.node.config


@contextlib.contextmanager
def running(config: Config) -> Iterator[Running]:
    """Run a node with its receiver in this process."""
    node = Node.open(config)
    try:
        server = Server(node)
        server.start()
        try:
            yield Running(node, server)
        finally:
            server.stop()
    finally:
        node.close()


@pytest.fixture
def start_node(tmp_path: Path, archive_url: str) -> Iterator[Callable[..., Running]]:
    """Start nodes in this process: `start_node(dicom={"max_associations": 3})`; on both databases."""
    with contextlib.ExitStack() as stack:
        count = 0

        def start(**tables: dict[str, object]) -> Running:
            nonlocal count
            count += 1
            folder = tmp_path / f"node{count}"
            folder.mkdir()
            tables_dicom = {"drain_timeout": 1, **tables.get("dicom", {})}
            path = write_config(folder, archive_url, **{**tables, "dicom": tables_dicom})
            return stack.enter_context(running(load(path, environ={})))

        yield start


@pytest.fixture
def running_node(start_node: Callable[..., Running]) -> Running:
    """A node with default settings, on both databases; anybody may query it."""
    return start_node()


class NodeProcess:
    """`isocentre scp`, or another of its commands, as a process of its own.

    Parameters
    ----------
    within
        A command that runs the one behind it, without leaving a process of its own.
    """

    def __init__(self, config: Path, *command: str, wait: bool = True, within: Sequence[str] = ()) -> None:
        self.config_path = config
        self.config = load(config, environ={})
        self.port = self.config.dicom.port
        self._command = command or ("scp",)
        self.log = (config.parent / f"{self._command[0]}.log").open("ab")
        self._begin = self.log.tell()  # another one may have written to it before
        environ = {key: value for key, value in os.environ.items() if not key.startswith("ISOCENTRE_")}
        program = Path(sys.executable).with_name("isocentre")
        self.process = subprocess.Popen(
            [*within, str(program), *self._command, "--config", str(config)],
            stdout=self.log,
            stderr=self.log,
            env=environ,
        )
        if wait:
            self.wait_until_answering()

    def wait_until_answering(self, seconds: float = 60.0) -> None:
        """Return once the DICOM port takes connections."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                raise RuntimeError(f"it ended with {self.process.returncode}: {self.read_log()[-2000:]}")
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 1.0):
                return
            time.sleep(0.05)
        raise RuntimeError(f"it does not answer: {self.read_log()[-2000:]}")

    def read_log(self) -> str:
        """What it has logged so far."""
        with open(self.log.name, "rb") as file:
            file.seek(self._begin)
            return file.read().decode(errors="replace")

    def kill(self) -> None:
        """kill -9."""
        self.process.kill()
        self.process.wait()
        self.log.close()

    def stop(self, seconds: float = 60.0) -> int:
        """SIGTERM, and its exit code."""
        self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(seconds)
        self.log.close()
        return code


@pytest.fixture
def start_process(tmp_path: Path) -> Iterator[Callable[..., NodeProcess]]:
    """Start node processes that are gone when the test is: `start_process(config_path, "scp")`."""
    started: list[NodeProcess] = []

    def start(config: Path, *command: str, wait: bool = True, within: Sequence[str] = ()) -> NodeProcess:
        process = NodeProcess(config, *command, wait=wait, within=within)
        started.append(process)
        return process

    yield start
    for process in started:
        if process.process.poll() is None:
            process.kill()
        process.log.close()
