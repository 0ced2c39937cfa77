"""Commands of `isocentre`, run to their end as an administrator runs them."""

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any


def isocentre(config: Path, *arguments: str, within: Sequence[str] = ()) -> subprocess.CompletedProcess[str]:
    """Run ``isocentre ARGUMENTS --config CONFIG`` and return what came of it, whatever that is.

    `within` is a command that runs the one behind it.
    """
    program = Path(sys.executable).with_name("isocentre")
    environ = {key: value for key, value in os.environ.items() if not key.startswith("ISOCENTRE_")}
    return subprocess.run(
        [*within, program, *arguments, "--config", config],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
        env=environ,
    )


def know(config: Path, ae_title: str, port: int) -> None:
    """Make a node on this machine a peer."""
    arguments = ("--ae-title", ae_title, "--host", "127.0.0.1", "--port", str(port))
    done = isocentre(config, "peer", "add", ae_title.lower(), *arguments)
    assert done.returncode == 0, done.stderr


def verify(config: Path, within: Sequence[str] = ()) -> dict[str, Any]:
    """Return the report of `isocentre db verify`."""
    done = isocentre(config, "db", "verify", "--json", within=within)
    assert done.stdout, done.stderr
    report: dict[str, Any] = json.loads(done.stdout)
    assert (done.returncode == 0) == report["clean"], done.stderr
    return report


def assert_clean(config: Path, within: Sequence[str] = ()) -> None:
    """See that `isocentre db verify` finds nothing wrong."""
    report = verify(config, within)
    assert report["clean"], report
