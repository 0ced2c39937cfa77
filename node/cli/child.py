"""How `isocentre serve` starts its processes: ``python -m node.cli.child PARENT COMMAND…``.

The process dies with its parent, also when that is killed: nobody would stop it, and it would hold its port.
What it says in one line before it ends (a wrong configuration, a port that is taken) ends it with `TOLD`,
so that the parent knows that starting it again does not help.
"""

import sys

import click

from node.cli.main import main
from node.run.parent import die_with
from node.run.supervisor import TOLD


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
