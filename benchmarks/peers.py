"""The nodes that are measured: this one, and dcmtk's and Orthanc's programs where Debian has installed them.

Each is started empty in a folder of its own on a free port of loopback, and stopped by its process id.
"""

import contextlib
import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType

from benchmarks.certificate import Certificate
from benchmarks.running import Peer, environment, free_port, program, serve

__all__ = [
    "Peer",
    "dcmqrscp",
    "environment",
    "free_port",
    "isocentre",
    "orthanc",
    "program",
    "storescp",
]


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
    tls: Certificate | None = None,
    **tables: dict[str, object],
) -> Iterator[Peer]:
    """This node, durable as it always is: its receivers, or all of it with the command ``serve``.

    Parameters
    ----------
    destination
        Port of a peer benchdest, AE title BENCHDEST.
    rules
        A rule file to apply first.
    others
        Names and ports of further peers of the same AE title.
    tls
        Listen with TLS too, and be reached by it; callers have to show the same certificate.
    tables
        Of the configuration, to be set otherwise than they are by default.
    """
    folder.mkdir(parents=True, exist_ok=True)
    port = free_port()
    dicom: dict[str, object] = {
        "host": "127.0.0.1",
        "port": port,
        "query_from": "any",
        "processes": processes,
        "max_answers": 0,
    }
    if tls:
        dicom |= {"tls_port": port, "tls_certificate": str(tls.certificate), "tls_key": str(tls.key)}
        dicom |= {"tls_ca": str(tls.certificate), "port": free_port()}
    config = folder / "config.toml"
    sections: dict[str, dict[str, object]] = {
        "node": {"data_dir": str(folder / "data")},
        "database": {"url": url},
        "dicom": dicom,
    }
    config.write_text(_toml({**sections, "console": {"port": free_port()}, **tables}))
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
    # As `isocentre serve` would start them: several on one port. A receiver says when it is ready.
    commands = [[own, command, *with_config]] * (processes if command == "scp" else 1)
    ready = "scp.ready" if command == "scp" else ""
    with serve("isocentre", commands, port, folder, False, ready) as running:
        yield Peer("isocentre", "ISOCENTRE", port, folder, running, options=tls.dcmtk if tls else [])


@contextlib.contextmanager
def orthanc(
    folder: Path, nodelay: bool, destination: int = 0, script: str = "", tls: Certificate | None = None
) -> Iterator[Peer]:
    """Orthanc with SQLite and synced files, as it ships; `script` is one in Lua that it runs."""
    folder.mkdir(parents=True, exist_ok=True)
    port = free_port()
    settings: dict[str, object] = {
        "Name": "bench",
        "StorageDirectory": str(folder / "db"),
        "IndexDirectory": str(folder / "db"),
        "DicomAet": "ORTHANC",
        "DicomPort": port,
        "HttpPort": free_port(),
        "RemoteAccessAllowed": False,
        "AuthenticationEnabled": False,
        "DicomAlwaysAllowFind": True,
        "DicomAlwaysAllowGet": True,
        "DicomAlwaysAllowMove": True,
        "DicomAlwaysAllowStore": True,
        "DicomModalities": {"dest": ["BENCHDEST", "127.0.0.1", destination]} if destination else {},
    }
    if tls:
        settings |= {"DicomTlsEnabled": True, "DicomTlsTrustedCertificates": str(tls.certificate)}
        settings |= {"DicomTlsCertificate": str(tls.certificate), "DicomTlsPrivateKey": str(tls.key)}
    if script:
        (folder / "script.lua").write_text(script)
        settings["LuaScripts"] = [str(folder / "script.lua")]
    (folder / "orthanc.json").write_text(json.dumps(settings))
    command = [str(program("Orthanc")), str(folder / "orthanc.json")]
    with serve("orthanc", [command], port, folder, nodelay) as running:
        yield Peer("orthanc", "ORTHANC", port, folder, running, options=tls.dcmtk if tls else [])


@contextlib.contextmanager
def storescp(
    folder: Path, nodelay: bool, ae_title: str = "STORESCP", *options: str, tls: Certificate | None = None
) -> Iterator[Peer]:
    """dcmtk's storescp: keeps files, no index, syncs nothing."""
    folder.mkdir(parents=True, exist_ok=True)
    port = free_port()
    kept = [] if "--ignore" in options else ["-od", str(folder)]
    shown = tls.dcmtk if tls else []
    command = [str(program("storescp")), "--fork", "-aet", ae_title, *shown, *kept, *options, str(port)]
    with serve("storescp", [command], port, folder, nodelay) as running:
        yield Peer("storescp", ae_title, port, folder, running, options=shown)


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
    with serve("dcmqrscp", [command], port, folder, nodelay) as running:
        yield Peer("dcmqrscp", "QRSCP", port, folder, running)
