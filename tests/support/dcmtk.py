"""Where dcmtk's own programs are.

pynetdicom installs programs named `storescu`, `findscu`, … into the virtual environment. A test that met
those would talk to pynetdicom and believe that it met a stranger, so only programs elsewhere on PATH are
taken, and only when they say themselves that they are dcmtk's.
"""

import os
import subprocess
import sys
from functools import cache
from pathlib import Path

from tests.support.missing import missing


def tool(name: str) -> Path:
    """Return dcmtk's program `name`; without it the test is skipped, or fails in a CI run.

    >>> tool("storescu")                                                    # doctest: +SKIP
    PosixPath('/usr/bin/storescu')
    """
    found = find(name)
    if found is None:
        missing(f"dcmtk's {name} is not installed (on Debian: apt-get install dcmtk)")
    return found


@cache
def find(name: str) -> Path | None:
    """Return dcmtk's program `name`, None where there is none."""
    own = Path(sys.prefix).resolve()
    for folder in os.get_exec_path():
        path = Path(folder, name)
        if os.access(path, os.X_OK) and not path.resolve().is_relative_to(own) and _is_dcmtk(path, name):
            return path
    return None


def _is_dcmtk(path: Path, name: str) -> bool:
    try:
        answer = subprocess.run([path, "--version"], capture_output=True, timeout=20, check=False)
    except OSError:
        return False
    return answer.stdout.startswith(f"$dcmtk: {name} v".encode())
