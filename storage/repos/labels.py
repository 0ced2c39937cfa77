"""Labels that rules and people gave to studies, series and instances."""

from collections.abc import Iterable, Mapping, Sequence
from functools import cache

from sqlalchemy import Connection, bindparam, delete, literal_column, select, union_all

from storage.records.arrival import Place
from storage.records.rulings import Label
from storage.records.schema import indexable
from storage.records.tables import label
from storage.sql.prepared import Inserter, Prepared, padded, power

_LEVELS = ("instance", "series", "study")
_AT_ONCE = 64  # instances


class LabelsRepo:
    """The table of labels, in one transaction."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def add(self, *labels: Label) -> int:
        """Give labels; return how many were not there."""
        rows = [
            {
                "level": each.level,
                "row": each.row,
                "study_row": each.study_row,
                "label": indexable(each.label),
                "author": each.author,
                "at": each.at,
            }
            for each in labels
        ]
        rows.sort(key=lambda row: (row["level"], row["row"], row["label"]))  # the order of locks
        return len(_insert(self._connection.dialect.name).run(self._connection, rows))

    def of(self, place: Place) -> tuple[str, ...]:
        """Return the labels of an instance, its series and its study, sorted."""
        return self.of_many([place]).get(place.instance_row, ())

    def of_many(self, places: Sequence[Place]) -> Mapping[int, tuple[str, ...]]:
        """Return for each instance, by its row, what `of` does; one that has none is left out."""
        found: dict[int, tuple[str, ...]] = {}
        for start in range(0, len(places), _AT_ONCE):
            found |= self._of(places[start : start + _AT_ONCE])
        return found

    def _of(self, places: Sequence[Place]) -> Mapping[int, tuple[str, ...]]:
        size = power(len(places))
        values: dict[str, int] = {}
        for level, rows in zip(_LEVELS, zip(*map(_rows, places), strict=True), strict=True):
            values |= padded(level, list(dict.fromkeys(rows)), size)
        given: dict[tuple[str, int], list[str]] = {}
        for level, row, name in _find(size, self._connection.dialect.name).run(self._connection, values):
            given.setdefault((level, row), []).append(name)
        found = {}
        for place in places if given else ():
            mine = {name for key in zip(_LEVELS, _rows(place), strict=True) for name in given.get(key, ())}
            if mine:
                found[place.instance_row] = tuple(sorted(mine))
        return found

    def of_study(self, study_row: int) -> list[Label]:
        """Return every label in a study, on itself or on anything in it, the first first."""
        query = select(label).where(label.c.study_row == study_row).order_by(label.c.id)
        return [
            Label(row.level, row.row, row.study_row, row.label, row.author, row.at)
            for row in self._connection.execute(query)
        ]

    def remove(self, level: str, row: int, name: str) -> bool:
        """Take a label away; False when there was none such."""
        gone = delete(label).where(
            label.c.level == level, label.c.row == row, label.c.label == indexable(name)
        )
        return self._connection.execute(gone).rowcount == 1


def _rows(place: Place) -> Iterable[int]:
    return place.instance_row, place.series_row, place.study_row


@cache
def _insert(kind: str) -> Inserter:
    return Inserter(label, kind, skip=True, returning=("id",))


@cache
def _find(size: int, kind: str) -> Prepared:
    """Find the labels of `size` instances, as many series and as many studies."""
    parts = []
    for level in _LEVELS:
        rows = [bindparam(f"{level}_{i}", type_=label.c.row.type) for i in range(size)]
        of_level = label.c.level == literal_column(f"'{level}'")
        parts.append(select(label.c.level, label.c.row, label.c.label).where(of_level, label.c.row.in_(rows)))
    return Prepared(union_all(*parts), kind)
