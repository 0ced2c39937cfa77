"""Rule files on a command line: reading them, and saying what is wrong with them."""

import getpass
import os
from collections.abc import Collection
from pathlib import Path
from typing import NoReturn

import click

from node.cli.output import Output
from node.core.errors import UserError
from node.services.rulebook import Refused
from rules.problems import Problem


def read(path: Path) -> str:
    """Return what a rule file says.

    Raises
    ------
    UserError
        It cannot be read.
    """
    try:
        return path.read_bytes().decode()
    except OSError as error:
        raise UserError(f"{path}: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise UserError(f"{path}: it is not UTF-8 (byte {error.start + 1})") from None


def author() -> str:
    """Return the name of who runs the command, to the operating system."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return f"user {os.getuid()}"


def placed(file: Path | None, problem: Problem) -> str:
    """Return a problem as editors find it: file, line, column."""
    return f"{file}:{problem}" if file and problem.line else str(problem)


def refuse(file: Path | None, problems: Collection[Problem], out: Output) -> NoReturn:
    """Say all that is wrong with rules, and fail.

    Raises
    ------
    UserError
        Always.
    """
    if out.as_json:
        out.result({"problems": [problem.plain() for problem in problems]})
    else:
        for problem in problems:
            click.echo(placed(file, problem), err=True)
    raise UserError(str(Refused(problems)))
