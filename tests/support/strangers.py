"""dcmtk's servers as strangers to talk to: storescp, which takes anything, and dcmqrscp, an archive."""

import contextlib
import socket
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.support.dcmtk import tool


@dataclass(frozen=True)
class Stranger:
    """A running server.

    Attributes
    ----------
    folder
        Where it keeps what it gets, and its log.
    """

    ae_title: str
    port: int
    folder: Path
    process: subprocess.Popen[bytes]

    @property
    def files(self) -> list[Path]:
        """What it has stored, as Part 10 files."""
        return sorted(path for path in self.folder.iterdir() if path.suffix not in (".log", ".cfg", ".dat"))


def _free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


@contextlib.contextmanager
def storescp(folder: Path, *options: str, ae_title: str = "STRANGER") -> Iterator[Stranger]:
    """Run storescp with its output in `folder`, for the block."""
    port = _free_port()
    arguments = [str(tool("storescp")), "-v", "-aet", ae_title, "-od", str(folder), *options, str(port)]
    with _running(arguments, ae_title, port, folder) as stranger:
        yield stranger


@contextlib.contextmanager
def dcmqrscp(folder: Path, *options: str, move_to: tuple[str, int] | None = None) -> Iterator[Stranger]:
    """Run dcmqrscp with its database in `folder`, for the block.

    Parameters
    ----------
    move_to
        AE title and port on this machine of a destination that it knows.
    """
    port = _free_port()
    name, where = move_to or ("NOWHERE", 9)
    config = folder / "dcmqrscp.cfg"
    config.write_text(
        f"NetworkTCPPort = {port}\nMaxPDUSize = 16384\nMaxAssociations = 16\n"
        f"HostTable BEGIN\ndestination = ({name}, localhost, {where})\nHostTable END\n"
        "VendorTable BEGIN\nVendorTable END\n"
        f"AETable BEGIN\nARCHIVE {folder} RW (200, 1024mb) ANY\nAETable END\n"
    )
    arguments = [str(tool("dcmqrscp")), "-v", "-c", str(config), *options]
    with _running(arguments, "ARCHIVE", port, folder) as stranger:
        yield stranger


@contextlib.contextmanager
def _running(arguments: list[str], ae_title: str, port: int, folder: Path) -> Iterator[Stranger]:
    with (folder / "server.log").open("wb") as log:
        process = subprocess.Popen(arguments, stdout=log, stderr=log)
    try:
        _wait(process, port, folder / "server.log")
        yield Stranger(ae_title, port, folder, process)
    finally:
        process.terminate()
        process.wait(30)


def _wait(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline and process.poll() is None:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1.0):
            return
        time.sleep(0.05)
    raise RuntimeError(f"it does not answer: {log.read_text(errors='replace')[-2000:]}")
