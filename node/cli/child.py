"""How `isocentre serve` starts its processes: ``python -m node.cli.child PARENT COMMAND…``.

The process dies with its parent, also when that is killed: nobody would stop it, and it would hold its port.
What it says in one line before it ends (a wrong configuration, a port that is taken) ends it with `TOLD`,
so that the parent knows that starting it again does not help.
"""

import ctypes
import os
import signal
import sys

import click

from node.cli.main import main
from node.run.supervisor import TOLD

_PR_SET_PDEATHSIG = 1  # prctl(2)


def die_with(parent: int) -> None:
    """Let the kernel kill this process when `parent`, which started it, is no more."""
    if ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL) != 0:
        raise OSError(ctypes.get_errno(), "prctl")
    if os.getppid() != parent:  # it went before we asked
        os.kill(os.getpid(), signal.SIGKILL)


def run(arguments: list[str]) -> int:
    """Run a command of `isocentre`; return its exit code."""
    try:
        main.main(arguments, prog_name="isocentre", standalone_mode=False)
    except click.ClickException as error:
        error.show()
        return TOLD
    return 0


if __name__ == "__main__":
    die_with(int(sys.argv[1]))
    sys.exit(run(sys.argv[2:]))
