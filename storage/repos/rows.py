"""Parts that several tables have in common: an origin, and a reference to a blob, to columns and back."""

from typing import Any

from sqlalchemy import Column, Table

from storage.records.arrival import BlobRef, Origin, Way


def origin_values(origin: Origin) -> dict[str, str]:
    """Return column to value of `storage.records.schema.origin_columns`."""
    return {
        "way": origin.way.value,
        "calling_ae": origin.calling_ae,
        "called_ae": origin.called_ae,
        "address": origin.address,
        "user_name": origin.user,
        "path": "\\".join(origin.path) if origin.path else "",
    }


def origin_of(row: Any) -> Origin:
    """Return the origin in a row."""
    path = tuple(row.path.split("\\")) if row.path else ()
    return Origin(Way(row.way), row.calling_ae, row.called_ae, row.address, row.user_name, path)


def blob_values(blob: BlobRef) -> dict[str, str | int]:
    """Return column to value of `storage.records.schema.blob_columns`."""
    return {
        "blob_key": blob.key,
        "blob_offset": blob.offset,
        "blob_size": blob.size,
        "digest": blob.digest,
        "checksum": blob.checksum,
    }


def blob_selected(table: Table) -> tuple[Column[Any], ...]:
    """Return the columns of a reference, in the order of the fields of `BlobRef`."""
    return table.c.blob_key, table.c.blob_offset, table.c.blob_size, table.c.digest, table.c.checksum


def blob_of(row: Any) -> BlobRef:
    """Return the reference in a row."""
    return BlobRef(row.blob_key, row.blob_offset, row.blob_size, row.digest, row.checksum)
