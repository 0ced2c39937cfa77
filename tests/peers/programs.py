"""dcmtk's clients as an administrator runs them against a node."""

import subprocess
from collections.abc import Sequence
from pathlib import Path

from pydicom.dataset import Dataset
from pydicom.filereader import dcmread

from tests.support.dcmtk import tool
from tests.support.node import Running


def run(
    name: str, node: Running, *arguments: object, cwd: Path | None = None, files: Sequence[object] = ()
) -> str:
    """Run a client with `arguments` before the address and `files` behind it; return what it said.

    Raises
    ------
    AssertionError
        It ended with an error.
    """
    command = [tool(name), "-v", "-aec", "ISOCENTRE", *arguments, "127.0.0.1", node.port, *files]
    done = subprocess.run(list(map(str, command)), cwd=cwd, capture_output=True, timeout=120, check=False)
    said = (done.stdout + done.stderr).decode(errors="replace")
    assert done.returncode == 0, said
    return said


def keys(level: str, **values: str) -> list[str]:
    """Arguments of a query, or of a retrieval."""
    arguments = ["-k", f"QueryRetrieveLevel={level}"]
    for keyword, value in values.items():
        arguments += ["-k", f"{keyword}={value}" if value else keyword]
    return arguments


def findscu(node: Running, folder: Path, *arguments: object, files: Sequence[object] = ()) -> list[Dataset]:
    """Ask, and return the answers."""
    for path in folder.glob("rsp*.dcm"):
        path.unlink()
    run("findscu", node, "-X", *arguments, cwd=folder, files=files)
    return [dcmread(path, force=True) for path in sorted(folder.glob("rsp*.dcm"))]
