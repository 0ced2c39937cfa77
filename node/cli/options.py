"""The options that every command has: `--config` and `--json`."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from node.cli.output import Output
from node.config import Config, load
from node.config.loading import find
from node.core import logs

_PATH = "isocentre.config"

F = TypeVar("F", bound=Callable[..., Any])


def config_option(function: F) -> F:
    """Give a command `--config FILE`, and the parameter `config`: the configuration, read and checked."""
    return click.option(
        "--config",
        type=click.Path(path_type=Path, dir_okay=False),
        envvar="ISOCENTRE_CONFIG",
        callback=_load,
        metavar="FILE",
        help="Configuration file. Default: config.toml in the working directory, when there is one.",
    )(function)


def json_option(function: F) -> F:
    """Give a command `--json`, and the parameter `out`: where it writes its result."""
    return click.option(
        "--json",
        "out",
        is_flag=True,
        callback=_output,
        help="Write the result to standard output as JSON, for machines.",
    )(function)


def config_path() -> Path | None:
    """Return the file that the configuration of the running command came from, None for the defaults."""
    path: Path | None = click.get_current_context().meta[_PATH]
    return path


def _load(context: click.Context, _parameter: click.Parameter, path: Path | None) -> Config:
    found = find(path)
    context.meta[_PATH] = found.absolute() if found else None
    return load(found)


def _output(_context: click.Context, _parameter: click.Parameter, as_json: bool) -> Output:
    logs.configure("warning", json=as_json)
    return Output(as_json)
