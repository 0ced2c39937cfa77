"""Finds the jobs that are about an instance, a series or a study, however many there are of others.

Their `dedupe` begins with what they are about (`storage.records.jobs.about`), and there is an index of it.
"""

from collections.abc import Collection, Iterable, Iterator
from typing import Any

from sqlalchemy import CompoundSelect, Connection, RowMapping, select, text, union_all

from storage.records.jobs import about, job

Thing = tuple[str, int]
"""A level, and the row of something of that level."""

_AT_ONCE = 64  # ranges of the index in a statement
# Written out, not bound: else SQLite cannot know that the partial index serves.
_NAMED = text("dedupe <> ''")


def jobs_about(
    connection: Connection, kinds: Collection[str], things: Iterable[Thing], *conditions: Any
) -> Iterator[RowMapping]:
    """Yield the rows of the jobs of some kinds about some things, of which `conditions` hold."""
    prefixes = list(dict.fromkeys(about(kind, level, row) for level, row in things for kind in kinds))
    for start in range(0, len(prefixes), _AT_ONCE):
        query = finding(prefixes[start : start + _AT_ONCE], *conditions)
        yield from connection.execute(query).mappings()


def finding(prefixes: Collection[str], *conditions: Any) -> CompoundSelect[Any]:
    """Return the query for the jobs whose `dedupe` begins with one of `prefixes`."""
    # Not by OR: for that SQLite reads the whole index.
    parts = []
    for prefix in prefixes:
        end = prefix[:-1] + chr(ord(prefix[-1]) + 1)
        parts.append(select(job).where(_NAMED, job.c.dedupe >= prefix, job.c.dedupe < end, *conditions))
    return union_all(*parts)
