"""The statement of a query: which tables, which columns, which conditions, and which index leads.

Levels above the one that is asked for are joined, so that any of their attributes can be matched and given
back (PS3.4 C.4.1.2.2, relational queries). Statements are made and compiled once for each shape of a query.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from sqlalchemy import ColumnElement, FromClause, Select, Text, cast, exists, literal_column, select

from storage.records.attributes import BY_KEYWORD, Level
from storage.records.criteria import Criterion, OneOf, Single
from storage.records.levels import DEPTH, level_of
from storage.records.tables import instance, series, study
from storage.sql.conditions import Conditions, Parameters
from storage.sql.leading import leading
from storage.sql.prepared import Plan, bound, compiled
from storage.sql.slots import Shape, Values, split

_TABLES = {Level.PATIENT: study, Level.STUDY: study, Level.SERIES: series, Level.IMAGE: instance}

_ONE: Select[Any] = select(literal_column("1"))

_COUNTERS: dict[str, ColumnElement[Any]] = {
    "NumberOfStudyRelatedSeries": study.c.number_of_series,
    "NumberOfStudyRelatedInstances": study.c.number_of_instances,
    "NumberOfSeriesRelatedInstances": series.c.number_of_instances,
}
_OF_STUDY: dict[str, ColumnElement[Any]] = {
    "ModalitiesInStudy": study.c.modalities_in_study,
    "SOPClassesInStudy": study.c.sop_classes_in_study,
}


@dataclass(frozen=True)
class Form:
    """The statement of all queries of one shape, in the driver's words."""

    sql: str
    plan: Plan
    parameters: Parameters

    def values(self, values: Values, limit: int | None) -> tuple[Any, ...]:
        """Return the driver's parameters for one query."""
        return bound(self.plan, {**self.parameters.of(values), "most": limit})


def asked(
    kind: str, level: Level, criteria: Mapping[str, Criterion], columns: Sequence[str], limit: int | None
) -> tuple[str, tuple[Any, ...]]:
    """Return the SELECT of a query and its parameters, in the driver's words.

    It gives a row for each match, with a text for each of `columns` in their order. At the PATIENT level a
    row is a study that matches, and begins with Patient ID, issuer and row number; studies of one Patient
    ID stand together.

    Parameters
    ----------
    kind
        Of database: ``sqlite`` or ``postgresql``.
    columns
        Keywords that are `available` at `level`, but those that count what belongs to a patient.
    limit
        Rows at most; None for all.
    """
    shape, values = split(criteria)
    form = _form(kind, level, shape, tuple(columns), leading(criteria), limit is not None)
    return form.sql, form.values(values, limit)


@lru_cache(maxsize=512)
def _form(
    kind: str, level: Level, shape: Shape, columns: tuple[str, ...], leader: str, limited: bool
) -> Form:
    parameters = Parameters()
    cells = [_column(keyword) for keyword in columns]
    if level is Level.PATIENT:
        cells = [study.c.patient_id, study.c.issuer_of_patient_id, study.c.id, *cells]
    conditions = Conditions(kind, parameters)
    found = select(*cells).select_from(_joined(level, leader, conditions))
    found = found.where(*_conditions(conditions, shape, leader))
    if level is Level.PATIENT:
        found = found.order_by(study.c.patient_id)  # an index has that order: answers stream
    sql, plan = compiled(found, kind)
    if limited:  # written here: SQLAlchemy would add an OFFSET
        sql, plan = f"{sql} LIMIT {'?' if kind == 'sqlite' else '%s'}", (*plan, ("most", None))
    return Form(sql, plan, parameters)


def _joined(level: Level, leader: str, conditions: Conditions) -> FromClause:
    """Join the tables of `level` and above.

    SQLite is kept from beginning anywhere but at the table of the key that leads: without counting, it could
    go through all instances to find those of one day's studies.
    """
    if level in (Level.PATIENT, Level.STUDY):
        return study
    start = DEPTH[level_of(leader)] if leader else 0
    joined: FromClause = study
    lower = ((series, series.c.study_row, study), (instance, instance.c.series_row, series))
    for (below, row, above), depth in zip(lower, (DEPTH[Level.SERIES], DEPTH[Level.IMAGE]), strict=True):
        if depth <= DEPTH[level]:
            is_found = start >= depth  # what is above by its number, otherwise what is below by its index
            on = conditions.shade(row, not is_found) == conditions.shade(above.c.id, is_found)
            joined = joined.join(below, on)
    return joined


def _column(keyword: str) -> ColumnElement[Any]:
    if keyword in _COUNTERS:
        return cast(_COUNTERS[keyword], Text).label(keyword)
    if keyword in _OF_STUDY:
        return _OF_STUDY[keyword].label(keyword)
    attribute = BY_KEYWORD[keyword]
    return _TABLES[attribute.level].c[attribute.column].label(keyword)


def _conditions(conditions: Conditions, shape: Shape, leader: str) -> list[ColumnElement[bool]]:
    where: list[ColumnElement[bool]] = []
    for keyword, criterion in shape:
        # Columns of instances have no index of their own beside their UID's: nothing to be kept from.
        leads = keyword == leader or level_of(keyword) is Level.IMAGE
        if keyword == "ModalitiesInStudy":
            where += _modalities(conditions, criterion, leads)
        elif keyword == "SOPClassesInStudy":
            where.append(conditions.holds(study.c.sop_classes_in_study, criterion))
        else:
            where.append(conditions.of(keyword, criterion, leads=leads))
    return where


def _modalities(conditions: Conditions, criterion: Criterion, leads: bool) -> list[ColumnElement[bool]]:
    """Any series of the study matches; found by the index of series when nothing else leads."""
    if not leads and isinstance(criterion, Single | OneOf):
        return [conditions.holds(study.c.modalities_in_study, criterion)]
    other, earlier = series.alias(), series.alias()  # series itself may be joined already
    matches = conditions.matches(conditions.shade(other.c.modality, leads), criterion)
    if not leads:
        return [exists(_ONE.select_from(other).where(other.c.study_row == study.c.id, matches))]
    if not conditions.on_sqlite:
        return [study.c.id.in_(select(other.c.study_row).where(matches))]
    # The same would have SQLite collect all studies before the first: join the first such series of each.
    before = conditions.matches(conditions.shade(earlier.c.modality, False), criterion)
    same = earlier.c.study_row == other.c.study_row, earlier.c.id < other.c.id
    is_first = ~exists(_ONE.select_from(earlier).where(*same, before).correlate(other))
    return [study.c.id == conditions.shade(other.c.study_row, False), matches, is_first]
