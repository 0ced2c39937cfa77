"""The page that keeps the figures: a pair of marks for each part, so that one can be measured anew alone."""

import os
import platform
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from benchmarks import floor
from benchmarks.report import Table

MUST_HOLD = "must hold"


def marks(part: str) -> tuple[str, str]:
    """What stands before and behind the figures of a part."""
    return f"<!-- figures: {part} -->", f"<!-- end of figures: {part} -->"


def render(part: Sequence[Table], share: int) -> str:
    """What was measured where, and the tables of a part, in Markdown."""
    machine = f"{os.cpu_count()} cores {platform.machine()}, Python {platform.python_version()}"
    of_it = f", 1/{share} of the load" if share > 1 else ""
    said = f"{machine}, {time.strftime('%Y-%m-%d')}{of_it}."
    return "\n\n".join([said, *(table.render() for table in part)])


def text(measured: Mapping[str, Sequence[Table]], share: int) -> str:
    """All tables of a run, *Must hold* before the others."""
    tables = [table for part in measured.values() for table in part]
    held = floor.render(tables, measured.keys())
    parts = [render(part, share) for part in measured.values() if part]
    return "\n\n".join([held, *parts] if held else parts)


def write(page: Path, measured: Mapping[str, Sequence[Table]], share: int) -> None:
    """Replace what stands between the marks of the parts that were measured; all else on the page stays.

    Raises
    ------
    SystemExit
        The page has no marks for one of them. Nothing is written.
    """
    whole = page.read_text()
    tables = [table for part in measured.values() for table in part]
    whole = _put(whole, MUST_HOLD, floor.render(tables, measured.keys(), _between(whole, MUST_HOLD)))
    for name, part in measured.items():
        if part:
            whole = _put(whole, name, render(part, share))
    page.write_text(whole)


def _between(whole: str, part: str) -> str:
    begin, end = marks(part)
    return whole.partition(begin)[2].partition(end)[0]


def _put(whole: str, part: str, content: str) -> str:
    begin, end = marks(part)
    before, mark, rest = whole.partition(begin)
    _, last, after = rest.partition(end)
    if not (mark and last):
        raise SystemExit(f"the page has no marks {begin} and {end}")
    return f"{before}{mark}\n{content}\n{end}{after}" if content else f"{before}{mark}\n{end}{after}"
