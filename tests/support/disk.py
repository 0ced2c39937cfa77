"""A small disk of one's own: a tmpfs that only the process under test has mounted."""

import os
import shutil
import subprocess
from pathlib import Path

from tests.support.missing import missing

MIB = 1 << 20


def on_small_disk(folder: Path, mib: int) -> list[str]:
    """Return what to put before a command, so that `folder` is a disk of `mib` MiB for it alone.

    The process that the command becomes is the one that was started.
    """
    as_root, as_user = ["unshare", "--mount"], ["unshare", "--user", "--map-root-user", "--mount"]
    inside = f'mount -t tmpfs -o size={mib}m,mode=0700 tmpfs "$0" && exec "$@"'
    ways = [
        [*unshare, "sh", "-c", inside, str(folder)]
        for unshare in ((as_root, as_user) if os.geteuid() == 0 else (as_user,))
    ]
    works = [way for way in ways if shutil.which("unshare") and _succeeds([*way, "true"])]
    return works[0] if works else missing("a small disk of one's own needs user namespaces")


def _succeeds(command: list[str]) -> bool:
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


def seen_by(pid: int, path: Path) -> Path:
    """Return how to reach from here what `pid` has at `path`."""
    return Path(f"/proc/{pid}/root", *path.parts[1:])


def beside(pid: int) -> list[str]:
    """Return what to put before a command, so that it sees the disk of `pid`.

    SQLite follows links itself, so `seen_by` will not do for a database.
    """
    command = ["nsenter", "--target", str(pid), "--mount"]
    if os.readlink(f"/proc/{pid}/ns/user") != os.readlink("/proc/self/ns/user"):
        command += ["--user", "--preserve-credentials"]
    return command


def fill(folder: Path, leave: int) -> Path:
    """Write a file into `folder` that leaves `leave` bytes of its disk; remove it to have them back."""
    ballast = folder / "ballast"
    with ballast.open("wb") as file:
        size = shutil.disk_usage(folder).free - leave
        for _ in range(size // 4096):
            file.write(bytes(4096))
    return ballast
