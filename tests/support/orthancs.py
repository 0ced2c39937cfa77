"""Orthanc as a stranger that commits, where Debian has installed it; elsewhere such tests are skipped."""

import contextlib
import json
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.node import free_port
from tests.support.strangers import Stranger


@contextlib.contextmanager
def orthanc(folder: Path, node_port: int, ae_title: str = "ORTHANC") -> Iterator[Stranger]:
    """Run Orthanc below `folder`, which knows a node ISOCENTRE at `node_port`, for the block."""
    program = shutil.which("Orthanc") or shutil.which("Orthanc", path="/usr/sbin")
    if program is None:
        pytest.skip("Orthanc is not installed")
    folder.mkdir(parents=True, exist_ok=True)
    port = free_port()
    settings = {
        "Name": "stranger",
        "StorageDirectory": str(folder / "db"),
        "IndexDirectory": str(folder / "db"),
        "DicomAet": ae_title,
        "DicomPort": port,
        "HttpPort": free_port(),
        "RemoteAccessAllowed": False,
        "AuthenticationEnabled": False,
        "DicomAlwaysAllowStore": True,
        "DicomModalities": {"node": ["ISOCENTRE", "127.0.0.1", node_port]},
    }
    (folder / "orthanc.json").write_text(json.dumps(settings))
    log = folder / "orthanc.log"
    with log.open("wb") as out:
        process = subprocess.Popen(
            [program, "--verbose", str(folder / "orthanc.json")], stdout=out, stderr=out
        )
    try:
        _wait(process, port, log)
        yield Stranger(ae_title, port, folder, process)
    finally:
        process.terminate()
        process.wait(60)


def _wait(process: "subprocess.Popen[bytes]", port: int, log: Path) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and process.poll() is None:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1.0):
            return
        time.sleep(0.05)
    raise RuntimeError(f"Orthanc does not answer: {log.read_text(errors='replace')[-2000:]}")
