"""How a command tells its result: lines for people, one JSON document for machines, progress beside it.

Results go to standard output. Progress goes to standard error, and only when that is a terminal.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, is_dataclass
from datetime import datetime
from typing import Any, Protocol

import click
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TextColumn,
    TimeElapsedColumn,
)


class Advance(Protocol):
    """Tells how far the work is."""

    def __call__(self, more: int, total: int | None = None) -> None:
        """Say how many more are done, and how many there are in all when that is news."""


class Output:
    """Where a command writes.

    Parameters
    ----------
    as_json
        Write JSON, not lines.
    """

    def __init__(self, as_json: bool) -> None:
        self.as_json = as_json

    def result(self, value: Any, *lines: str) -> None:
        """Write the one result of a command.

        Parameters
        ----------
        value
            It as data: mappings, sequences, dataclasses, texts, numbers, moments.
        lines
            It in words.
        """
        if self.as_json:
            click.echo(json.dumps(value, default=_plain, indent=2))
        else:
            for line in lines:
                click.echo(printable(line))

    def table(self, rows: Sequence[Mapping[str, Any]], columns: Mapping[str, str], nothing: str) -> None:
        """Write a list of results.

        Parameters
        ----------
        rows
            Field to value of each; JSON has all of them.
        columns
            Fields that people see, with the heading of each; ``origin.address`` is a field of a field.
        nothing
            What people are told when there are no rows.
        """
        if self.as_json or not rows:
            self.result(list(rows), nothing)
            return
        cells = [list(columns.values()), *([_cell(_reach(row, field)) for field in columns] for row in rows)]
        widths = [max(len(line[i]) for line in cells) for i in range(len(columns))]
        for line in cells:
            padded = (cell.ljust(width) for cell, width in zip(line, widths, strict=True))
            click.echo("  ".join(padded).rstrip())

    @contextmanager
    def progress(self, what: str, total: int | None = None) -> Iterator[Advance]:
        """Show that long work goes on; yield the function to call when something is done.

        Parameters
        ----------
        total
            How much there is to do; None when nobody knows.
        """
        console = Console(stderr=True)
        columns = (
            *(SpinnerColumn(), TextColumn("{task.description}"), BarColumn()),
            *(MofNCompleteColumn(), TimeElapsedColumn()),
        )
        with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as shown:
            task = shown.add_task(what, total=total)

            def advance(more: int, total: int | None = None) -> None:
                shown.update(task, advance=more, total=total)

            yield advance


def printable(text: str) -> str:
    """Return `text` with a question mark for what a terminal would obey: it may come from a stranger."""
    return "".join(c if c.isprintable() else "?" for c in text)


def _reach(row: Mapping[str, Any], field: str) -> Any:
    value: Any = row
    for part in field.split("."):
        value = value.get(part) if isinstance(value, Mapping) else None
    return value


def _cell(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list | tuple):
        return printable(", ".join(str(each) for each in value))
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%d %H:%M:%S}Z"
    return "-" if value in (None, "") else printable(str(value))


def _plain(value: Any) -> Any:
    if is_dataclass(value) and not isinstance(value, type):
        return asdict(value)
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, set | frozenset):
        return sorted(value)
    return str(value)
