"""The program `isocentre`: finds the command, and says in one line what went wrong.

Commands are imported when they are called, so that none waits for what another needs. Those of the upper
floor (`scp`, `console`) come in by the entry-point group ``isocentre.commands``.
"""

import difflib
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from typing import IO, Any

import click

from node.core.errors import UserError
from scu.errors import ScuError
from storage.errors import StorageError

_COMMANDS = {  # name to where it is
    "callers": "node.cli.listings:callers",
    "check-config": "node.cli.check:check_config",
    "conflicts": "node.cli.listings:conflicts",
    "db": "node.cli.db:db",
    "deliveries": "node.cli.deliveries:deliveries",
    "destinations": "node.cli.destinations:destinations",
    "export": "node.cli.files:export",
    "find": "node.cli.remote:find",
    "get": "node.cli.remote:get",
    "holds": "node.cli.holds:holds",
    "import": "node.cli.files:import_files",
    "jobs": "node.cli.jobs:jobs",
    "peer": "node.cli.peer:peer",
    "quarantine": "node.cli.listings:quarantine",
    "rules": "node.cli.rules:rules",
    "scheduler": "node.cli.scheduler:scheduler",
    "send": "node.cli.remote:send",
    "serve": "node.cli.serve:serve",
    "why": "node.cli.why:why",
    "worker": "node.cli.worker:worker",
}


class Failure(click.ClickException):
    """The command did not succeed: one line on standard error, exit code 1."""

    exit_code = 1

    def show(self, file: IO[Any] | None = None) -> None:
        """Print the line."""
        click.echo(f"isocentre: {' '.join(self.message.split())}", file=file, err=True)


class Program(click.Group):
    """The group of all commands."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of all commands, in order."""
        return sorted({*_COMMANDS, *_of_upper_floors()})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return the command of that name, None when there is none."""
        upper = _of_upper_floors().get(cmd_name)
        if upper is not None:
            loaded = upper.load()
        elif cmd_name in _COMMANDS:
            module, name = _COMMANDS[cmd_name].split(":")
            loaded = getattr(import_module(module), name)
        else:
            return None
        if not isinstance(loaded, click.Command):
            raise TypeError(f"{cmd_name} is no command")
        return loaded

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command, or say which one may have been meant."""
        name = args[0]
        if not name.startswith("-") and name not in self.list_commands(ctx):
            close = difflib.get_close_matches(name, self.list_commands(ctx), 1)
            hint = f"; did you mean {close[0]}?" if close else "; isocentre --help lists them"
            ctx.fail(f"there is no command {name}{hint}")
        return super().resolve_command(ctx, args)

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command."""
        with _failures():
            return super().invoke(ctx)


@contextmanager
def _failures() -> Iterator[None]:
    try:
        yield
    except ScuError as error:
        raise Failure(f"{error}. {error.advice}" if error.advice else str(error)) from None
    except (UserError, StorageError) as error:
        raise Failure(str(error)) from None


def _of_upper_floors() -> dict[str, EntryPoint]:
    return {point.name: point for point in entry_points(group="isocentre.commands")}


@click.group(cls=Program)
@click.version_option(package_name="isocentre", message="isocentre %(version)s")
def main() -> None:
    """Receive, keep, find and give back DICOM images."""
