"""The statement of a query: which tables, which columns, which conditions, and which index leads.

Levels above the one that is asked for are joined, so that any of their attributes can be matched and given
back (PS3.4 C.4.1.2.2, relational queries). Statements are made and compiled once for each shape of a query.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from sqlalchemy import ColumnElement, FromClause, Text, cast, exists, literal_column, select

from storage.records.attributes import BY_KEYWORD, Level
from storage.records.criteria import Criterion, OneOf, Single
from storage.records.levels import level_of
from storage.records.tables import instance, series, study
from storage.sql.conditions import Conditions, Parameters
from storage.sql.leading import leading
from storage.sql.prepared import Plan, bound, compiled
from storage.sql.slots import Shape, Values, split

_TABLES = {Level.PATIENT: study, Level.STUDY: study, Level.SERIES: series, Level.IMAGE: instance}

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
    found = select(*cells).select_from(_joined(level)).where(*_conditions(kind, shape, leader, parameters))
    if level is Level.PATIENT:
        found = found.order_by(study.c.patient_id)  # an index has that order: answers stream
    sql, plan = compiled(found, kind)
    if limited:  # written here: SQLAlchemy would add an OFFSET
        sql, plan = f"{sql} LIMIT {'?' if kind == 'sqlite' else '%s'}", (*plan, ("most", None))
    return Form(sql, plan, parameters)


def _joined(level: Level) -> FromClause:
    if level is Level.IMAGE:
        return instance.join(series, instance.c.series_row == series.c.id).join(
            study, series.c.study_row == study.c.id
        )
    if level is Level.SERIES:
        return series.join(study, series.c.study_row == study.c.id)
    return study


def _column(keyword: str) -> ColumnElement[Any]:
    if keyword in _COUNTERS:
        return cast(_COUNTERS[keyword], Text).label(keyword)
    if keyword in _OF_STUDY:
        return _OF_STUDY[keyword].label(keyword)
    attribute = BY_KEYWORD[keyword]
    return _TABLES[attribute.level].c[attribute.column].label(keyword)


def _conditions(kind: str, shape: Shape, leader: str, parameters: Parameters) -> list[ColumnElement[bool]]:
    conditions = Conditions(kind, parameters)
    where: list[ColumnElement[bool]] = []
    for keyword, criterion in shape:
        # Columns of instances have no index of their own beside their UID's: nothing to be kept from.
        leads = keyword == leader or level_of(keyword) is Level.IMAGE
        if keyword == "ModalitiesInStudy":
            where.append(_modalities(conditions, criterion, leads))
        elif keyword == "SOPClassesInStudy":
            where.append(conditions.holds(study.c.sop_classes_in_study, criterion))
        else:
            where.append(conditions.of(keyword, criterion, leads=leads))
    return where


def _modalities(conditions: Conditions, criterion: Criterion, leads: bool) -> ColumnElement[bool]:
    """Any series of the study matches; found by the index of series when nothing else leads."""
    if not leads and isinstance(criterion, Single | OneOf):
        return conditions.holds(study.c.modalities_in_study, criterion)
    other = series.alias()  # series itself may be joined already
    matches = conditions.matches(conditions.shade(other.c.modality, leads), criterion)
    if leads:
        return study.c.id.in_(select(other.c.study_row).where(matches))
    return exists(
        select(literal_column("1")).select_from(other).where(other.c.study_row == study.c.id, matches)
    )
