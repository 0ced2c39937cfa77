"""Studies as people look at them."""

from collections.abc import Iterator
from typing import Any

from sqlalchemy import Connection, func, select

from storage.records.attributes import ATTRIBUTES, Level
from storage.records.objects import Study
from storage.records.tables import instance, series, study

_ATTRIBUTES = tuple((a.keyword, a.column) for a in ATTRIBUTES if a.level is Level.STUDY)


class StudiesRepo:
    """The table of studies; `storage.repos.arrivals` writes it."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def get(self, study_instance_uid: str) -> Study | None:
        """Return the study of this UID."""
        query = select(study).where(study.c.study_instance_uid == study_instance_uid)
        row = self._connection.execute(query).first()
        return _study(row) if row else None

    def count(self) -> int:
        """Return how many studies there are."""
        return self._connection.execute(select(func.count()).select_from(study)).scalar_one()

    def latest(self, limit: int) -> list[Study]:
        """Return up to `limit` studies, the last created first."""
        query = select(study).order_by(study.c.created_at.desc(), study.c.id.desc()).limit(limit)
        return [_study(row) for row in self._connection.execute(query)]

    def miscounted(self) -> Iterator[tuple[str, str]]:
        """Yield the UID of every study and series whose counters are wrong, and how."""
        in_study = select(func.count()).where(series.c.study_row == study.c.id).scalar_subquery()
        in_all = (
            select(func.count())
            .select_from(series.join(instance, instance.c.series_row == series.c.id))
            .where(series.c.study_row == study.c.id)
            .scalar_subquery()
        )
        in_series = select(func.count()).where(instance.c.series_row == series.c.id).scalar_subquery()
        for uid, said, found in (
            (study.c.study_instance_uid, study.c.number_of_series, in_study),
            (study.c.study_instance_uid, study.c.number_of_instances, in_all),
            (series.c.series_instance_uid, series.c.number_of_instances, in_series),
        ):
            query = select(uid, said, found).where(said != found)
            for row in self._connection.execute(query, execution_options={"yield_per": 500}):
                yield row[0], f"{said.name} is {row[1]}, {row[2]} are there"


def _study(row: Any) -> Study:
    return Study(
        study_instance_uid=row.study_instance_uid,
        attributes={keyword: getattr(row, column) for keyword, column in _ATTRIBUTES},
        modalities=tuple(filter(None, row.modalities_in_study.split("\\"))),
        sop_classes=tuple(filter(None, row.sop_classes_in_study.split("\\"))),
        number_of_series=row.number_of_series,
        number_of_instances=row.number_of_instances,
        identity_conflict=row.identity_conflict,
        created_at=row.created_at,
        updated_at=row.updated_at,
    )
