"""Instances as retrieval and verification need them."""

from collections.abc import Collection, Iterator, Sequence
from typing import Any

from sqlalchemy import Connection, func, select, union_all, update

from storage.records.arrival import BlobRef
from storage.records.objects import StoredInstance
from storage.records.tables import conflict, instance, quarantine, series, study
from storage.repos.rows import blob_of, blob_selected, blob_values

_SELECT = (
    select(
        instance.c.id,
        instance.c.sop_class_uid,
        instance.c.sop_instance_uid,
        instance.c.transfer_syntax_uid,
        *blob_selected(instance),
        instance.c.received_at,
        series.c.series_instance_uid,
        study.c.study_instance_uid,
    )
    .join(series, series.c.id == instance.c.series_row)
    .join(study, study.c.id == series.c.study_row)
)
# As a person reads them: what has no number comes last, on both databases.
_ORDER = (
    study.c.study_instance_uid,
    series.c.series_number_key.nulls_last(),
    series.c.series_instance_uid,
    instance.c.instance_number_key.nulls_last(),
    instance.c.sop_instance_uid,
)

_KEYS_AT_ONCE = 2000  # SQLite takes 32,766 parameters a statement, and each key is three


class InstancesRepo:
    """The table of instances; `storage.repos.arrivals` fills it."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def get(self, sop_instance_uid: str) -> StoredInstance | None:
        """Return the instance of this UID."""
        row = self._connection.execute(_SELECT.where(instance.c.sop_instance_uid == sop_instance_uid)).first()
        return _stored(row) if row else None

    def matching(
        self,
        *,
        patient_id: str | None = None,
        study_uids: Collection[str] = (),
        series_uids: Collection[str] = (),
        sop_uids: Collection[str] = (),
    ) -> Iterator[StoredInstance]:
        """Yield the instances that meet everything given, by study, series number and instance number.

        What is not given restricts nothing. Rows are read from the database as they are asked for, so
        the transaction must stay open.
        """
        query = _SELECT.order_by(*_ORDER)
        if patient_id is not None:
            query = query.where(study.c.patient_id == patient_id)
        for column, uids in (
            (study.c.study_instance_uid, study_uids),
            (series.c.series_instance_uid, series_uids),
            (instance.c.sop_instance_uid, sop_uids),
        ):
            if uids:
                query = query.where(column.in_(list(uids)))
        for row in self._connection.execute(query, execution_options={"yield_per": 500}):
            yield _stored(row)

    def page(self, after_row: int, limit: int) -> Sequence[tuple[int, StoredInstance]]:
        """Return up to `limit` instances with their row numbers, those whose number is above `after_row`."""
        query = _SELECT.where(instance.c.id > after_row).order_by(instance.c.id).limit(limit)
        return [(row.id, _stored(row)) for row in self._connection.execute(query)]

    def count(self) -> int:
        """Return how many instances there are."""
        return self._connection.execute(select(func.count()).select_from(instance)).scalar_one()

    def replace_blob(self, old: BlobRef, new: BlobRef) -> bool:
        """Let every record that refers to `old` refer to `new`, the same content; return whether any did."""
        changed = 0
        for table in (instance, conflict):
            mine = (table.c.blob_key == old.key) & (table.c.digest == new.digest)
            changed += self._connection.execute(update(table).where(mine).values(blob_values(new))).rowcount
        return changed > 0

    def by_blob_keys(self, keys: Collection[str]) -> set[str]:
        """Return those of `keys`, of any number, that an instance, conflict or quarantine refers to."""
        wanted = list(keys)
        found: set[str] = set()
        for first in range(0, len(wanted), _KEYS_AT_ONCE):
            some = wanted[first : first + _KEYS_AT_ONCE]
            tables = (instance, conflict, quarantine)
            query = union_all(*(select(t.c.blob_key).where(t.c.blob_key.in_(some)) for t in tables))
            found.update(self._connection.execute(query).scalars())
        return found


def _stored(row: Any) -> StoredInstance:
    return StoredInstance(
        sop_class_uid=row.sop_class_uid,
        sop_instance_uid=row.sop_instance_uid,
        transfer_syntax_uid=row.transfer_syntax_uid,
        blob=blob_of(row),
        study_instance_uid=row.study_instance_uid,
        series_instance_uid=row.series_instance_uid,
        received_at=row.received_at,
    )
