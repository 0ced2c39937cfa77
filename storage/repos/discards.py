"""Instances that are removed for good, and what is left: a row of `gone`, decisions and deliveries.

Receivers and other workers may be at work on the same study. The first lock is waited for while none is held;
the others are taken as arrivals take theirs (`storage.repos.hierarchy`), or not waited for where those might
wait for us.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Table, and_, delete, func, or_, select, update

from storage.records.arrival import BlobRef
from storage.records.history import ConflictKind
from storage.records.rulings import Gone
from storage.records.tables import (
    arrival,
    assignment,
    conflict,
    decision,
    delivery,
    gone,
    hold,
    instance,
    label,
    series,
    settling,
    study,
)
from storage.repos.attempts import lock, parts
from storage.repos.rows import blob_of


class DiscardsRepo:
    """What removes instances, in one transaction, and the table of those that were removed."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def lock(self, instance_row: int) -> bool:
        """Let nobody do anything more with an instance until we commit; False when it is not there.

        Whoever is about to remove it looks afterwards whether anything is still to be done with it.

        Raises
        ------
        Busy
            Something else is being done with it: try the whole transaction again.
        """
        return self._lock(instance_row) is not None

    def keep(self, instance_rows: Sequence[int]) -> frozenset[int]:
        """Return those of the instances that are there; none of them is removed until we commit.

        So who has something done with what came long ago does not do it with what is just being discarded.
        """
        kept: set[int] = set()
        for some in parts(sorted(instance_rows)):
            query = select(instance.c.id).where(instance.c.id.in_(some)).order_by(instance.c.id)
            kept.update(self._connection.execute(query.with_for_update(read=True, key_share=True)).scalars())
        return frozenset(kept)

    def discard(self, instance_row: int, reason: str, author: str, at: datetime) -> BlobRef | None:
        """Remove an instance, and its series and study when nothing else is in them.

        What was decided and delivered is kept, under the negative number of its row in `gone`; what is still
        to be delivered finds that there is nothing. Open holds on it are closed. Nothing that is left refers
        to the blob, which is the caller's to delete after the commit.

        Returns
        -------
        BlobRef or None
            None when it is not there, when other bytes are kept under its UID, or when it is part of a
            conflict that nobody has resolved.

        Raises
        ------
        Busy
            Something else is being done with it: try the whole transaction again.
        """
        found = self._lock(instance_row)
        if found is None or self._is_contested(instance_row):
            return None
        number = self._leave(found, reason, author, at)
        self._close_holds("instance", instance_row, author, at)
        self._keep_history(instance_row, -number)
        self._forget("instance", instance_row)
        for table in (conflict, arrival):
            self._run(delete(table).where(table.c.instance_row == instance_row))
        self._run(delete(instance).where(instance.c.id == instance_row))
        if self._is_empty(instance, instance.c.series_row == found.series_row):
            self._remove_series(found.series_row, author, at)
        else:
            self._count_series(found.series_row)
        if self._is_empty(series, series.c.study_row == found.study_row):
            self._remove_study(found.study_row, author, at)
        else:
            self._describe_study(found.study_row)
        return blob_of(found)

    def of(self, sop_instance_uid: str) -> list[Gone]:
        """Return the instances of this UID that were removed, the first first."""
        query = select(gone).where(gone.c.sop_instance_uid == sop_instance_uid).order_by(gone.c.id)
        return [Gone(**row) for row in self._connection.execute(query).mappings()]

    def _lock(self, instance_row: int) -> Any | None:
        """Return an instance with the UIDs of what it is in; nobody changes any of them until we commit."""
        home = self._connection.execute(
            select(series.c.id, series.c.study_row)
            .join(instance, instance.c.series_row == series.c.id)
            .where(instance.c.id == instance_row)
        ).first()
        if home is None:
            return None
        # Arrivals that are about to add to the series hold it by its key until they have: we wait for them,
        # and they for us. Those that add to the study go on, and count themselves after us.
        self._run(select(series.c.id).where(series.c.id == home.id).with_for_update())
        self._run(select(study.c.id).where(study.c.id == home.study_row).with_for_update(key_share=True))
        self._run(select(instance.c.id).where(instance.c.id == instance_row).with_for_update(nowait=True))
        query = (
            select(instance, series.c.series_instance_uid, series.c.study_row, study.c.study_instance_uid)
            .join(series, series.c.id == instance.c.series_row)
            .join(study, study.c.id == series.c.study_row)
            .where(instance.c.id == instance_row)
        )
        return self._connection.execute(query).first()

    def _is_contested(self, instance_row: int) -> bool:
        kept = or_(conflict.c.resolved_at.is_(None), conflict.c.kind == ConflictKind.CONTENT.value)
        query = select(conflict.c.id).where(conflict.c.instance_row == instance_row, kept).limit(1)
        return self._connection.execute(query).first() is not None

    def _leave(self, found: Any, reason: str, author: str, at: datetime) -> int:
        """Write down what is left of an instance; return the number of that row."""
        left = gone.insert().values(
            sop_instance_uid=found.sop_instance_uid,
            series_instance_uid=found.series_instance_uid,
            study_instance_uid=found.study_instance_uid,
            sop_class_uid=found.sop_class_uid,
            digest=found.digest,
            reason=reason,
            author=author,
            received_at=found.received_at,
            at=at,
            instance_row=found.id,
            series_row=found.series_row,
            study_row=found.study_row,
        )
        number: int = self._connection.execute(left.returning(gone.c.id)).scalar_one()
        return number

    def _keep_history(self, instance_row: int, row: int) -> None:
        """Put the decisions on an instance and its deliveries under another number."""
        mine = and_(decision.c.row == instance_row, decision.c.level == "instance")
        self._run(update(decision).where(mine).values(row=row))
        ids = lock(self._connection, delivery.c.instance_row == instance_row)
        self._run(update(delivery).where(delivery.c.id.in_(ids)).values(instance_row=row))

    def _remove_series(self, row: int, author: str, at: datetime) -> None:
        self._close_holds("series", row, author, at)
        self._forget("series", row)
        self._run(delete(series).where(series.c.id == row))

    def _remove_study(self, row: int, author: str, at: datetime) -> None:
        # Who is about to add to it, or to say something of it, holds it by its key, and may wait for us.
        for table, mine in ((study, study.c.id == row), (settling, settling.c.study_row == row)):
            self._run(select(table.c.id).where(mine).with_for_update(nowait=True))
        self._close_holds("study", row, author, at)
        for table in (label, assignment, settling):
            self._run(delete(table).where(table.c.study_row == row))
        self._run(delete(study).where(study.c.id == row))

    def _count_series(self, row: int) -> None:
        within = select(func.count()).where(instance.c.series_row == row).scalar_subquery()
        self._run(update(series).where(series.c.id == row).values(number_of_instances=within))

    def _describe_study(self, row: int) -> None:
        """Count what is left in a study, and list its modalities and SOP classes."""
        within = series.c.study_row == row
        instances = select(func.coalesce(func.sum(series.c.number_of_instances), 0)).where(within)
        modalities = self._connection.execute(select(series.c.modality).where(within).distinct()).scalars()
        classes = self._connection.execute(
            select(instance.c.sop_class_uid)
            .where(instance.c.series_row.in_(select(series.c.id).where(within)))
            .distinct()
        ).scalars()
        values = {
            "number_of_series": select(func.count()).where(within).scalar_subquery(),
            "number_of_instances": instances.scalar_subquery(),
            "modalities_in_study": _listed("\\".join(modalities).split("\\")),
            "sop_classes_in_study": _listed(classes.all()),
        }
        self._run(update(study).where(study.c.id == row).values(values))

    def _is_empty(self, table: Table, where: ColumnElement[bool]) -> bool:
        return self._connection.execute(select(table.c.id).where(where).limit(1)).first() is None

    def _close_holds(self, level: str, row: int, author: str, at: datetime) -> None:
        mine = and_(hold.c.level == level, hold.c.row == row, hold.c.released_at.is_(None))
        self._run(update(hold).where(mine).values(released_at=at, released_by=author))

    def _forget(self, level: str, row: int) -> None:
        self._run(delete(label).where(label.c.level == level, label.c.row == row))

    def _run(self, statement: Any) -> None:
        self._connection.execute(statement)


def _listed(values: Sequence[str]) -> str:
    return "\\".join(sorted({*filter(None, values)}))
