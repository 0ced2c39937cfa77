"""The statement of a query: which tables, which columns, which conditions, and which index leads.

Levels above the one that is asked for are joined, so that any of their attributes can be matched and given
back (PS3.4 C.4.1.2.2, relational queries).
"""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import ColumnElement, FromClause, Select, Text, case, cast, exists, func, select

from storage.records.attributes import BY_KEYWORD, Level
from storage.records.criteria import Criterion
from storage.records.levels import level_of
from storage.records.tables import instance, series, study
from storage.sql.conditions import Conditions
from storage.sql.leading import leading

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


def statement(
    dialect: str, level: Level, criteria: Mapping[str, Criterion], columns: Sequence[str], limit: int | None
) -> Select[Any]:
    """Return the SELECT of one row for each match, with a column for each of `columns` in their order.

    Parameters
    ----------
    columns
        Keywords that are `available` at `level`, but those that count what belongs to a patient.
    """
    where = _conditions(dialect, criteria)
    if level is Level.PATIENT:
        where = [study.c.id.in_(_patients(where))]
    found = select(*(_column(keyword) for keyword in columns)).select_from(_joined(level)).where(*where)
    return found if limit is None else found.limit(limit)


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


def _patients(where: Sequence[ColumnElement[bool]]) -> Select[Any]:
    """Return the newest matching study of each patient: of each Patient ID and issuer.

    Where there is no Patient ID nothing says that two studies are of one patient: each stands for itself.
    """
    lone = case((study.c.patient_id == "", study.c.id), else_=0)
    return (
        select(func.max(study.c.id))
        .where(*where)
        .group_by(study.c.patient_id, study.c.issuer_of_patient_id, lone)
        .correlate(None)
    )


def _conditions(dialect: str, criteria: Mapping[str, Criterion]) -> list[ColumnElement[bool]]:
    conditions = Conditions(dialect)
    leader = leading(criteria)
    where: list[ColumnElement[bool]] = []
    for keyword, criterion in criteria.items():
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
    other = series.alias()  # series itself may be joined already
    matches = conditions.matches(conditions.shade(other.c.modality, leads), criterion)
    if leads:
        return study.c.id.in_(select(other.c.study_row).where(matches))
    return exists(select(1).select_from(other).where(other.c.study_row == study.c.id, matches))
