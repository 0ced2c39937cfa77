"""Reads what rules are asked about: one instance, series or study, or all that came in a span of time."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, and_, or_, select

from storage.records.arrival import Place, Verdict
from storage.records.attributes import ATTRIBUTES, Level
from storage.records.subjects import SeriesSubject, StudySubject, Subject
from storage.records.tables import arrival, instance, series, study
from storage.repos.rows import blob_of, blob_selected, origin_of

_TABLES = {Level.STUDY: study, Level.SERIES: series, Level.IMAGE: instance}
_OF_STUDY = tuple(a for a in ATTRIBUTES if a.level is Level.STUDY)
_OF_SERIES = tuple(a for a in ATTRIBUTES if a.level is not Level.IMAGE)

# Each begins with the attributes, in the order of their keywords.
_STUDY = select(
    *(study.c[a.column] for a in _OF_STUDY),
    study.c.id,
    study.c.modalities_in_study,
    study.c.number_of_series,
    study.c.number_of_instances,
    study.c.created_at,
    study.c.updated_at,
)
_SERIES = select(
    *(_TABLES[a.level].c[a.column] for a in _OF_SERIES),
    series.c.id,
    series.c.study_row,
    series.c.number_of_instances,
    series.c.created_at,
    series.c.updated_at,
).join(study, study.c.id == series.c.study_row)
_INSTANCE = (
    select(
        *(_TABLES[a.level].c[a.column] for a in ATTRIBUTES),
        instance.c.id,
        instance.c.series_row,
        series.c.study_row,
        instance.c.instance_number_key,
        instance.c.transfer_syntax_uid,
        *blob_selected(instance),
        instance.c.received_at,
        arrival.c.way,
        arrival.c.calling_ae,
        arrival.c.called_ae,
        arrival.c.address,
        arrival.c.user_name,
        arrival.c.path,
    )
    .join(series, series.c.id == instance.c.series_row)
    .join(study, study.c.id == series.c.study_row)
    # Of the arrivals of an instance one was stored: the first.
    .join(arrival, and_(arrival.c.instance_row == instance.c.id, arrival.c.verdict == Verdict.STORED.value))
)
_SERIES_ORDER = (series.c.series_number_key.nulls_last(), series.c.series_instance_uid)
_ORDER = (*_SERIES_ORDER, instance.c.instance_number_key.nulls_last(), instance.c.sop_instance_uid)

_PAGE = 500
_KEYWORDS_OF_STUDY = tuple(a.keyword for a in _OF_STUDY)
_KEYWORDS_OF_SERIES = tuple(a.keyword for a in _OF_SERIES)
_KEYWORDS = tuple(a.keyword for a in ATTRIBUTES)


class SubjectsRepo:
    """Instances, series and studies as rules see them."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def instance(self, row: int) -> Subject | None:
        """Return the instance of this row."""
        return self._one(instance.c.id == row)

    def by_uid(self, sop_instance_uid: str) -> Subject | None:
        """Return the instance of this UID."""
        return self._one(instance.c.sop_instance_uid == sop_instance_uid)

    def of_series(self, row: int) -> Iterator[Subject]:
        """Yield the instances of a series by instance number; see `of_study`."""
        return self._stream(_INSTANCE.where(instance.c.series_row == row))

    def of_study(self, row: int) -> Iterator[Subject]:
        """Yield the instances of a study by series and instance number.

        Rows are read from the database as they are asked for, so the transaction must stay open.
        """
        return self._stream(_INSTANCE.where(series.c.study_row == row))

    def received(self, since: datetime, until: datetime) -> Iterator[Subject]:
        """Yield the instances that came in [`since`, `until`) in the order in which they came.

        They may be any number: they are read a page at a time, and others may use the transaction between.
        """
        at, row = since, 0
        while True:
            after = or_(instance.c.received_at > at, instance.c.id > row)
            # The first condition says no more than the last, but of it the index can make use.
            span = and_(instance.c.received_at >= at, instance.c.received_at < until, after)
            query = _INSTANCE.where(span).order_by(instance.c.received_at, instance.c.id).limit(_PAGE)
            page = self._connection.execute(query).all()
            yield from map(_subject, page)
            if len(page) < _PAGE:
                return
            at, row = page[-1].received_at, page[-1].id

    def series(self, row: int) -> SeriesSubject | None:
        """Return the series of this row."""
        found = self._connection.execute(_SERIES.where(series.c.id == row)).first()
        return _series_subject(found) if found else None

    def series_of(self, study_row: int) -> list[SeriesSubject]:
        """Return the series of a study by series number."""
        query = _SERIES.where(series.c.study_row == study_row).order_by(*_SERIES_ORDER)
        return [_series_subject(row) for row in self._connection.execute(query)]

    def study(self, row: int) -> StudySubject | None:
        """Return the study of this row."""
        return self._study(study.c.id == row)

    def study_by_uid(self, study_instance_uid: str) -> StudySubject | None:
        """Return the study of this UID."""
        return self._study(study.c.study_instance_uid == study_instance_uid)

    def _study(self, condition: ColumnElement[bool]) -> StudySubject | None:
        row = self._connection.execute(_STUDY.where(condition)).first()
        return _study_subject(row) if row else None

    def _one(self, condition: ColumnElement[bool]) -> Subject | None:
        row = self._connection.execute(_INSTANCE.where(condition)).first()
        return _subject(row) if row else None

    def _stream(self, query: Select[Any]) -> Iterator[Subject]:
        found = self._connection.execute(query.order_by(*_ORDER), execution_options={"yield_per": _PAGE})
        return map(_subject, found)


def _attributes(row: Any, keywords: tuple[str, ...]) -> dict[str, str]:
    return {keyword: value for keyword, value in zip(keywords, row, strict=False) if value}


def _subject(row: Any) -> Subject:
    return Subject(
        place=Place(row.id, row.series_row, row.study_row),
        attributes=_attributes(row, _KEYWORDS),
        sop_class_uid=row.sop_class_uid,
        sop_instance_uid=row.sop_instance_uid,
        study_instance_uid=row.study_instance_uid,
        series_instance_uid=row.series_instance_uid,
        transfer_syntax_uid=row.transfer_syntax_uid,
        blob=blob_of(row),
        origin=origin_of(row),
        received_at=row.received_at,
        instance_number=row.instance_number_key or 0,
    )


def _series_subject(row: Any) -> SeriesSubject:
    return SeriesSubject(
        row=row.id,
        study_row=row.study_row,
        series_instance_uid=row.series_instance_uid,
        study_instance_uid=row.study_instance_uid,
        attributes=_attributes(row, _KEYWORDS_OF_SERIES),
        instances=row.number_of_instances,
        created_at=row.created_at,
        updated_at=row.updated_at,
    )


def _study_subject(row: Any) -> StudySubject:
    return StudySubject(
        row=row.id,
        study_instance_uid=row.study_instance_uid,
        attributes=_attributes(row, _KEYWORDS_OF_STUDY),
        instances=row.number_of_instances,
        series=row.number_of_series,
        modalities=tuple(filter(None, row.modalities_in_study.split("\\"))),
        created_at=row.created_at,
        updated_at=row.updated_at,
    )
