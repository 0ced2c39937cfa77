"""Moments as people write them on a command line: so long ago, or by the clock on the wall."""

import re
from datetime import datetime, timedelta

import click

from node.core import clock

_AGO = re.compile(r"(\d{1,6}) ?([smhdw])", re.ASCII)
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


def moment(context: click.Context, parameter: click.Parameter, text: str | None) -> datetime | None:
    """Return the moment that an option names; the callback of such options.

    It is ``2026-03-01``, ``2026-03-01T14:30``, both of this machine's clock on the wall unless there is an
    offset, or so long ago: ``90m``, ``6h``, ``7d``.

    Raises
    ------
    click.BadParameter
        It is none of these.
    """
    if text is None:
        return None
    try:
        if found := _AGO.fullmatch(text.strip()):
            return clock.now() - timedelta(**{_UNITS[found[2]]: int(found[1])})
        return datetime.fromisoformat(text.strip()).astimezone()
    except (ValueError, OverflowError):
        raise click.BadParameter(
            f"{text!r} is no moment: expected 2026-03-01, 2026-03-01T14:30 or so long ago, as in 6h",
            context,
            parameter,
        ) from None
