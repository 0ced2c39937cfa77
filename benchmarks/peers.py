"""The nodes that are measured: this one, and dcmtk's and Orthanc's programs where Debian has installed them.

Each is started empty in a folder of its own on a free port of loopback, and stopped by its process id.
"""

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

TICKS = os.sysconf("SC_CLK_TCK")


def program(name: str) -> str | None:
    """The path of a program outside of the virtual environment, where pynetdicom's twins lie."""
    own = Path(sys.executable).parent
    path = os.pathsep.join(part for part in os.get_exec_path() if Path(part).resolve() != own.resolve())
    return shutil.which(name, path=path + os.pathsep + "/usr/sbin")


def free_port() -> int:
    """A port that was free a moment ago."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


def environment(nodelay: bool) -> dict[str, str]:
    """The environment for a peer: as shipped, or with Nagle off (dcmtk and Orthanc read TCP_NODELAY)."""
    environ = {key: value for key, value in os.environ.items() if key != "TCP_NODELAY"}
    return environ | {"TCP_NODELAY": "1"} if nodelay else environ


@dataclass
class Peer:
    """A running node."""

    name: str
    ae_title: str
    port: int
    process: "subprocess.Popen[bytes]"
    folder: Path
    extra: dict[str, int] = field(default_factory=dict)

    def cpu_seconds(self) -> float:
        """User and system time of the process and its living and dead children, in seconds."""
        total = 0
        for pid in [self.process.pid, *children(self.process.pid)]:
            with contextlib.suppress(OSError):
                values = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
                total += sum(int(value) for value in values[11:15])
        return total / TICKS

    def resident(self) -> int:
        """Bytes of memory of the process and its children."""
        total = 0
        for pid in [self.process.pid, *children(self.process.pid)]:
            with contextlib.suppress(OSError):
                total += int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * 4096
        return total


def children(pid: int) -> list[int]:
    """The processes below `pid`, however deep."""
    found = []
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        with contextlib.suppress(OSError):
            for child in task.read_text().split():
                found += [int(child), *children(int(child))]
    return found


@contextlib.contextmanager
def _serve(
    name: str, ae_title: str, port: int, command: list[str], folder: Path, nodelay: bool
) -> Iterator[Peer]:
    log = (folder / f"{name}.log").open("wb")
    process = subprocess.Popen(
        command, stdout=log, stderr=log, env=environment(nodelay), cwd=folder, start_new_session=True
    )
    try:
        _wait(process, port, folder / f"{name}.log")
        yield Peer(name, ae_title, port, process, folder)
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        log.close()


def _wait(process: "subprocess.Popen[bytes]", port: int, log: Path) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and process.poll() is None:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.05)
    raise RuntimeError(f"{log.stem} does not answer: {log.read_text(errors='replace')[-2000:]}")


def _toml(tables: dict[str, dict[str, object]]) -> str:
    lines = []
    for table, keys in tables.items():
        lines.append(f"[{table}]")
        lines += [f"{key} = {json.dumps(value)}" for key, value in keys.items()]
    return "\n".join(lines) + "\n"


@contextlib.contextmanager
def isocentre(
    folder: Path,
    destination: int = 0,
    url: str = "",
    processes: int = 1,
    command: str = "scp",
    rules: str = "",
    others: Mapping[str, int] = MappingProxyType({}),
    **tables: dict[str, object],
) -> Iterator[Peer]:
    """This node, durable as it always is: its receiver, or all of it with the command ``serve``.

    Parameters
    ----------
    destination
        Port of a peer benchdest, AE title BENCHDEST.
    rules
        A rule file to apply first.
    others
        Names and ports of further peers of the same AE title.
    tables
        Of the configuration, to be set otherwise than they are by default.
    """
    folder.mkdir(parents=True, exist_ok=True)
    port = free_port()
    config = folder / "config.toml"
    config.write_text(
        _toml(
            {
                "node": {"data_dir": str(folder / "data")},
                "database": {"url": url},
                "dicom": {
                    "host": "127.0.0.1",
                    "port": port,
                    "query_from": "any",
                    "processes": processes,
                    "max_answers": 0,
                },
                "console": {"port": free_port()},
                **tables,
            }
        )
    )
    own = str(Path(sys.executable).with_name("isocentre"))
    with_config = ["--config", str(config)]
    destinations = ({"benchdest": destination} if destination else {}) | dict(others)
    for peer_name, number in destinations.items():
        add = [own, "peer", "add", peer_name, "--ae-title", "BENCHDEST", "--host", "127.0.0.1"]
        subprocess.run([*add, "--port", str(number), *with_config], check=True, capture_output=True)
    if rules:
        (folder / "rules.toml").write_text(rules)
        apply = [own, "rules", "apply", str(folder / "rules.toml"), *with_config]
        subprocess.run(apply, check=True, capture_output=True)
    with _serve("isocentre", "ISOCENTRE", port, [own, command, *with_config], folder, False) as peer:
        yield peer


@contextlib.contextmanager
def orthanc(folder: Path, nodelay: bool, destination: int = 0, script: str = "") -> Iterator[Peer]:
    """Orthanc with SQLite and synced files, as it ships; `script` is one in Lua that it runs."""
    folder.mkdir(parents=True, exist_ok=True)
    port, http = free_port(), free_port()
    settings = {
        "Name": "bench",
        "StorageDirectory": str(folder / "db"),
        "IndexDirectory": str(folder / "db"),
        "DicomAet": "ORTHANC",
        "DicomPort": port,
        "HttpPort": http,
        "RemoteAccessAllowed": False,
        "AuthenticationEnabled": False,
        "DicomAlwaysAllowFind": True,
        "DicomAlwaysAllowGet": True,
        "DicomAlwaysAllowMove": True,
        "DicomAlwaysAllowStore": True,
        "DicomModalities": {"dest": ["BENCHDEST", "127.0.0.1", destination]} if destination else {},
    }
    if script:
        (folder / "script.lua").write_text(script)
        settings["LuaScripts"] = [str(folder / "script.lua")]
    (folder / "orthanc.json").write_text(json.dumps(settings))
    command = [str(program("Orthanc")), str(folder / "orthanc.json")]
    with _serve("orthanc", "ORTHANC", port, command, folder, nodelay) as peer:
        peer.extra["http"] = http
        yield peer


@contextlib.contextmanager
def storescp(folder: Path, nodelay: bool, ae_title: str = "STORESCP", *options: str) -> Iterator[Peer]:
    """dcmtk's storescp: keeps files, no index, syncs nothing."""
    folder.mkdir(parents=True, exist_ok=True)
    port = free_port()
    kept = [] if "--ignore" in options else ["-od", str(folder)]
    command = [str(program("storescp")), "--fork", "-aet", ae_title, *kept, *options, str(port)]
    with _serve("storescp", ae_title, port, command, folder, nodelay) as peer:
        yield peer


@contextlib.contextmanager
def dcmqrscp(folder: Path, nodelay: bool) -> Iterator[Peer]:
    """dcmtk's dcmqrscp: files and a flat index."""
    folder.mkdir(parents=True, exist_ok=True)
    port = free_port()
    (folder / "db").mkdir()
    (folder / "dcmqrscp.cfg").write_text(
        f"NetworkTCPPort = {port}\nMaxPDUSize = 131072\nMaxAssociations = 16\n"
        "HostTable BEGIN\nHostTable END\nVendorTable BEGIN\nVendorTable END\n"
        f"AETable BEGIN\nQRSCP {folder / 'db'} RW (9999, 1024mb) ANY\nAETable END\n"
    )
    command = [str(program("dcmqrscp")), "-c", str(folder / "dcmqrscp.cfg")]
    with _serve("dcmqrscp", "QRSCP", port, command, folder, nodelay) as peer:
        yield peer
