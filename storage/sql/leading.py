"""Which key of a query leads to its rows: the one whose index leaves the fewest to look at.

PostgreSQL counts and decides by itself. SQLite takes every index to be as good as another, and could look
through half of the archive for the patients of one sex before it compares the identifier.
"""

from collections.abc import Mapping

from storage.records.attributes import BY_KEYWORD, Kind, Level
from storage.records.computed import COMPUTED
from storage.records.criteria import Criterion, DateTimeRange, Either, Name, Range, Wildcard
from storage.records.levels import DEPTH, level_of

# How many rows one value leaves, from few to many.
_SPREAD = {Kind.UID: 0, Kind.NAME: 3, Kind.DATE: 4, Kind.TEXT: 5, Kind.TIME: 8, Kind.NUMBER: 8, Kind.CODE: 9}
_TELLING = {"AccessionNumber": 1, "PatientID": 1, "PatientBirthDate": 3}
_MODALITIES = 20
_NONE = 100  # no index, or none that helps


def leading(criteria: Mapping[str, Criterion]) -> str:
    """Return the keyword whose index should lead; "" when there is no criterion."""
    return min(criteria, key=lambda keyword: _cost(keyword, criteria[keyword]), default="")


def _cost(keyword: str, criterion: Criterion) -> tuple[int, int]:
    """Rank by the rows left; the deepest of equals comes first."""
    level = level_of(keyword)
    depth = -DEPTH[level]
    if keyword in COMPUTED:
        return (_MODALITIES if keyword == "ModalitiesInStudy" else _NONE), depth
    if level is Level.IMAGE and keyword != "SOPInstanceUID":
        return _NONE, depth
    return _TELLING.get(keyword, _SPREAD[BY_KEYWORD[keyword].kind]) + _width(criterion), depth


def _width(criterion: Criterion) -> int:
    if isinstance(criterion, Wildcard):
        return max(10 - 2 * len(criterion.prefix), 1) if criterion.prefix else _NONE
    if isinstance(criterion, Either):
        return max(_width(option) for option in criterion.options)
    if isinstance(criterion, Name):
        return min(_width(group) for group in criterion.groups if group is not None)
    if isinstance(criterion, DateTimeRange):
        return _width(criterion.dates)
    if isinstance(criterion, Range) and criterion.low != criterion.high:
        if criterion.low and criterion.high:
            return 3
        return 4 if criterion.low else 10  # who asks from a day on mostly means the latest
    return 0
