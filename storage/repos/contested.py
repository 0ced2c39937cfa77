"""Conflicts as arrivals find them: each distinct content, or patient, is one row however often it is sent."""

import hashlib
from collections.abc import Iterable
from functools import cache
from typing import Any

from sqlalchemy import Connection, bindparam, select

from storage.engine import Busy
from storage.records.arrival import Arrival, BlobRef
from storage.records.history import ConflictKind
from storage.records.identity import Identity
from storage.records.tables import conflict
from storage.repos.rows import blob_selected, blob_values, origin_values
from storage.sql.prepared import Inserter, Prepared, padded, power

Kept = tuple[BlobRef, str]


def content_fingerprint(sop_instance_uid: str, digest: str) -> str:
    """Return what is the same for the same content under the same UID."""
    return _hashed(ConflictKind.CONTENT, sop_instance_uid, digest)


def identity_fingerprint(study_instance_uid: str, patient: Identity) -> str:
    """Return what is the same for the same patient in the same study."""
    name = () if patient.patient_id else patient.name
    return _hashed(ConflictKind.IDENTITY, study_instance_uid, patient.patient_id, patient.issuer, *name)


def _hashed(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()


class Contested:
    """Find the conflicts of one batch of arrivals."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._sql = _statements(connection.dialect.name)
        self._kept: dict[str, Kept] = {}
        self._new: dict[str, dict[str, Any]] = {}
        self._events: dict[str, dict[str, Any]] = {}

    def load(self, fingerprints: Iterable[str]) -> None:
        """Find which of these contents are kept already."""
        wanted = list(dict.fromkeys(fingerprints))
        if not wanted:
            return
        size = power(len(wanted))
        for row in self._sql.find(size).run(self._connection, padded("fingerprint", wanted, size)):
            fingerprint, *blob, syntax = row
            self._kept[fingerprint] = BlobRef(*blob), syntax

    def kept(self, fingerprint: str) -> Kept | None:
        """Return the bytes and transfer syntax of a content that is kept as a conflict, or is about to be."""
        return self._kept.get(fingerprint)

    def add(
        self,
        kind: ConflictKind,
        fingerprint: str,
        arrival: Arrival,
        study_row: int,
        instance_row: int,
        event: dict[str, Any],
    ) -> None:
        """Keep `arrival` as a conflict, and say so in `event`, unless there is one like it."""
        if fingerprint in self._new:
            return
        self._new[fingerprint] = {
            "kind": kind.value,
            "fingerprint": fingerprint,
            "study_row": study_row,
            "instance_row": instance_row,
            "transfer_syntax_uid": arrival.transfer_syntax_uid,
            "attributes": dict(arrival.attributes),
            "received_at": arrival.received_at,
            **blob_values(arrival.blob),
            **origin_values(arrival.origin),
        }
        self._events[fingerprint] = event
        if kind is ConflictKind.CONTENT:
            self._kept[fingerprint] = arrival.blob, arrival.transfer_syntax_uid

    def save(self) -> list[dict[str, Any]]:
        """Write the new ones; return the events of those that were not there."""
        if not self._new:
            return []
        rows = [self._new[fingerprint] for fingerprint in sorted(self._new)]
        inserted = {row[0] for row in self._sql.insert.run(self._connection, rows)}
        for fingerprint, row in self._new.items():
            if fingerprint not in inserted and row["kind"] == ConflictKind.CONTENT:
                # Then its bytes must not count as kept: the next try finds those that are.
                raise Busy("database: another receiver records the same conflict")
        return [self._events[fingerprint] for fingerprint in self._new if fingerprint in inserted]


class _Statements:
    """The SQL of this module for one dialect."""

    def __init__(self, kind: str) -> None:
        self._kind = kind
        self.insert = Inserter(conflict, kind, skip=True, returning=("fingerprint",))
        self._find: dict[int, Prepared] = {}

    def find(self, size: int) -> Prepared:
        """Find the conflicts of `size` fingerprints."""
        if size not in self._find:
            wanted = [bindparam(f"fingerprint_{i}", type_=conflict.c.fingerprint.type) for i in range(size)]
            query = select(
                conflict.c.fingerprint,
                *blob_selected(conflict),
                conflict.c.transfer_syntax_uid,
            ).where(conflict.c.fingerprint.in_(wanted))
            self._find[size] = Prepared(query, self._kind)
        return self._find[size]


@cache
def _statements(kind: str) -> _Statements:
    return _Statements(kind)
