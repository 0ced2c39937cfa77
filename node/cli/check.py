"""`isocentre check-config`."""

import re
from pathlib import Path
from typing import Any

import click

from node.cli.options import config_option, json_option
from node.cli.output import Output
from node.config import Config
from node.config.base import is_path
from node.config.reference import sections
from node.core.errors import UserError


@click.command("check-config")
@config_option
@json_option
def check_config(config: Config, out: Output) -> None:
    """Check the configuration.

    Shows what holds: file, environment and defaults together.
    """
    values = shown(config)
    missing = [problem for name, keys in values.items() for problem in _missing(name, keys)]
    if missing:
        raise UserError("; ".join(missing))
    lines = [f"{name}.{key} = {value}" for name, keys in values.items() for key, value in keys.items()]
    out.result(values, *lines, "The configuration is right.")


def shown(config: Config) -> dict[str, dict[str, Any]]:
    """Return table, key and value of everything that is configured; secrets in URLs are hidden."""
    tables = config.model_dump(mode="json")
    for keys in tables.values():
        if "url" in keys:
            keys["url"] = _without_secrets(keys["url"])
    return tables


def _without_secrets(url: str) -> str:
    url = re.sub(r"://([^/@:]*):.*@", r"://\1:***@", url)
    return re.sub(
        r"((?:key|secret|token|password|credential)[^=&]*)=[^&]*", r"\1=***", url, flags=re.IGNORECASE
    )


def _missing(table: str, values: dict[str, Any]) -> list[str]:
    fields = dict(sections())[table].model_fields
    return [
        f"{table}.{key}: there is no file {value}"
        for key, value in values.items()
        if is_path(fields[key]) and key != "data_dir" and value and not Path(value).is_file()
    ]
