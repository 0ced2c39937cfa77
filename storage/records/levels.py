"""Which attributes a level of a query has: its own, and those of the levels above it (PS3.4 C.6.1.1)."""

from storage.records.attributes import BY_KEYWORD, Level
from storage.records.computed import COMPUTED

DEPTH = {Level.PATIENT: 0, Level.STUDY: 1, Level.SERIES: 2, Level.IMAGE: 3}
"""Levels from the top down."""


def level_of(keyword: str) -> Level:
    """Return the level whose table keeps an indexed or computed attribute; patients have none."""
    return BY_KEYWORD[keyword].level if keyword in BY_KEYWORD else COMPUTED[keyword].level


def available(level: Level, keyword: str) -> bool:
    """Say whether an answer at `level` can carry the attribute."""
    if keyword in COMPUTED:
        return DEPTH[COMPUTED[keyword].level] <= DEPTH[level]
    attribute = BY_KEYWORD.get(keyword)
    if attribute is None:
        return False
    return DEPTH[Level.PATIENT if attribute.patient else attribute.level] <= DEPTH[level]


def matchable(level: Level, keyword: str) -> bool:
    """Say whether a key at `level` can match the attribute."""
    if not available(level, keyword):
        return False
    return keyword in BY_KEYWORD or COMPUTED[keyword].kind is not None


def tag_of(keyword: str) -> int:
    """Return the tag of an indexed or computed attribute."""
    return BY_KEYWORD[keyword].tag if keyword in BY_KEYWORD else COMPUTED[keyword].tag
