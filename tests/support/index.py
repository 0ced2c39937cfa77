"""Fills the index without ingest: rows as the archive would have them, many at once.

For tests and benchmarks of what is read. Row numbers are given by the loader, so nothing else may have
written to the archive before.
"""

import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import islice
from typing import Any

from sqlalchemy import Connection, Table, insert, text

from storage.archive import Archive
from storage.records.attributes import Level
from storage.records.keys import row_of
from storage.records.tables import instance, series, study

_AT = datetime(2024, 1, 1, tzinfo=UTC)
_BLOB = {"blob_key": "instances/none", "blob_offset": 0, "blob_size": 0, "digest": ""}
_CHUNK = 5000

Attributes = Mapping[str, str]


@dataclass
class SeriesRows:
    """A series, with the attributes of each of its instances."""

    attributes: Attributes
    instances: Sequence[Attributes] = ()


@dataclass
class StudyRows:
    """A study and its series."""

    attributes: Attributes
    series: Sequence[SeriesRows] = field(default_factory=tuple)


def fill(archive: Archive, studies: Iterable[StudyRows]) -> None:
    """Write `studies` with all that belongs to them."""
    with archive.begin() as tx:
        _write(tx.connection, iter(studies))
        if archive.kind == "postgresql":
            numbers = [("study", study), ("series", series), ("instance", instance)]
            for name, table in numbers:
                highest = tx.connection.execute(text(f"SELECT coalesce(max(id), 0) + 1 FROM {table.name}"))
                tx.connection.execute(
                    text("SELECT setval(pg_get_serial_sequence(:name, 'id'), :value, false)"),
                    {"name": name, "value": highest.scalar_one()},
                )
        tx.commit()


def _write(connection: Connection, studies: Any) -> None:
    numbers = [0, 0, 0]
    while chunk := list(islice(studies, 500)):
        rows: tuple[list[dict[str, Any]], ...] = ([], [], [])
        for each in chunk:
            _add(each, numbers, rows)
        for table, batch in zip((study, series, instance), rows, strict=True):
            _load(connection, table, batch)


def _load(connection: Connection, table: Table, batch: list[dict[str, Any]]) -> None:
    """Write rows; by COPY where there is one, which is many times faster."""
    if connection.dialect.name == "sqlite" or not batch:
        for first in range(0, len(batch), _CHUNK):
            connection.execute(insert(table), batch[first : first + _CHUNK])
        return
    lines = ["\t".join(_copied(value) for value in row.values()) for row in batch]
    columns = ", ".join(f'"{name}"' for name in batch[0])
    with connection.connection.cursor() as cursor:
        source = io.StringIO("\n".join(lines) + "\n")
        cursor.copy_expert(f"COPY {table.name} ({columns}) FROM STDIN", source)  # type: ignore[attr-defined]


def _copied(value: object) -> str:
    if value is None:
        return "\\N"
    if isinstance(value, str):
        for sign, escaped in (("\\", "\\\\"), ("\t", "\\t"), ("\n", "\\n"), ("\r", "\\r")):
            value = value.replace(sign, escaped)
        return value
    return value.isoformat() if isinstance(value, datetime) else str(value)


def _add(each: StudyRows, numbers: list[int], rows: tuple[list[dict[str, Any]], ...]) -> None:
    numbers[0] += 1
    rows[0].append(
        row_of(Level.STUDY, each.attributes)
        | {
            "id": numbers[0],
            "modalities_in_study": _joined(one.attributes.get("Modality", "") for one in each.series),
            "sop_classes_in_study": _joined(
                image.get("SOPClassUID", "") for one in each.series for image in one.instances
            ),
            "number_of_series": len(each.series),
            "number_of_instances": sum(len(one.instances) for one in each.series),
            "created_at": _AT,
            "updated_at": _AT,
        }
    )
    for one in each.series:
        numbers[1] += 1
        own = {"id": numbers[1], "study_row": numbers[0], "number_of_instances": len(one.instances)}
        rows[1].append(row_of(Level.SERIES, one.attributes) | own | {"created_at": _AT, "updated_at": _AT})
        for image in one.instances:
            numbers[2] += 1
            rows[2].append(
                row_of(Level.IMAGE, image)
                | _BLOB
                | {"id": numbers[2], "series_row": numbers[1], "received_at": _AT, "transfer_syntax_uid": ""}
            )


def _joined(values: Iterable[str]) -> str:
    return "\\".join(sorted({value for value in values if value}))


def analyze(archive: Archive) -> None:
    """Let the database count what it has, as PostgreSQL does by itself after a while."""
    with archive.begin() as tx:
        tx.connection.execute(text("ANALYZE"))
        tx.commit()


def one_study(number: int, **attributes: str) -> StudyRows:
    """Return a study of one series with one instance."""
    uid = f"2.25.{number}"
    image = {"SOPInstanceUID": f"{uid}.1.1", "SOPClassUID": "1.2.840.10008.5.1.4.1.1.2"}
    one = SeriesRows({"SeriesInstanceUID": f"{uid}.1", "Modality": "CT"}, [image])
    return StudyRows({"StudyInstanceUID": uid, **attributes}, [one])
