"""An arrival as the note of its blob in the receive log, and back.

JSON, so that a person who must can read it; the blob's key is not in it, for it lies beside.

Example
-------
>>> decode(encode(arrival), arrival.blob.key) == arrival            # doctest: +SKIP
True
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import Any

from rules.unknown import Unknown
from storage.records.arrival import Arrival, BlobRef, Origin, Way

_FORM = 1  # of the note; one that is not known is passed over, and said
_UNSAID = "-"  # as `wanted`: what rules want is read from the blob again

_TYPES: tuple[tuple[str, type, Callable[[Any], str], Callable[[str], object]], ...] = (
    ("n", Decimal, str, Decimal),
    ("m", datetime, datetime.isoformat, datetime.fromisoformat),  # before date: it is one
    ("d", date, date.isoformat, date.fromisoformat),
    ("t", time, time.isoformat, time.fromisoformat),
)
_encoder = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))


class Unreadable(Exception):
    """A note that this program cannot read."""


def encode(arrival: Arrival) -> bytes:
    """Return the note of an arrival, all but the key of its blob."""
    further = _further(arrival.further)
    if further is None:
        arrival, further = replace(arrival, wanted=_UNSAID), {}
    blob, origin = arrival.blob, arrival.origin
    fields = [
        _FORM,
        arrival.sop_instance_uid,
        arrival.sop_class_uid,
        arrival.study_instance_uid,
        arrival.series_instance_uid,
        arrival.transfer_syntax_uid,
        arrival.received_at.timestamp(),
        [blob.offset, blob.size, blob.digest, blob.checksum],
        [origin.way, origin.calling_ae, origin.called_ae, origin.address, origin.user, *origin.path],
        arrival.attributes,
        arrival.wanted,
        further,
    ]
    return _encoder.encode(fields).encode("utf-8", "surrogatepass")


def decode(note: bytes, key: str) -> Arrival:
    """Return the arrival whose note this is.

    Raises
    ------
    Unreadable
    """
    try:
        form, *fields = json.loads(note.decode("utf-8", "surrogatepass"))
        if form != _FORM:
            raise Unreadable(f"a note of form {form}")
        uid, sop_class, study, series, syntax, at, blob, origin, attributes, wanted, further = fields
        way, calling, called, address, user, *path = origin
        return Arrival(
            sop_instance_uid=uid,
            sop_class_uid=sop_class,
            study_instance_uid=study,
            series_instance_uid=series,
            transfer_syntax_uid=syntax,
            attributes=attributes,
            blob=BlobRef(key, *blob),
            origin=Origin(Way(way), calling, called, address, user, tuple(path)),
            received_at=datetime.fromtimestamp(at, UTC),
            further={name: _value(value) for name, value in further.items()},
            wanted=wanted,
        )
    except (ValueError, TypeError, AttributeError, ArithmeticError, StopIteration, RecursionError) as error:
        raise Unreadable(f"{type(error).__name__} in a note") from error


def _further(found: Mapping[str, object]) -> dict[str, object] | None:
    """Return what rules want as JSON has it; None when there is something in it that JSON cannot have."""
    plain: dict[str, object] = {}
    for name, value in found.items():
        if isinstance(value, str):
            plain[name] = value
        elif isinstance(value, Unknown):
            plain[name] = ["?", value.reason, value.absent]
        else:
            mark = next((mark for mark, kind, _, _ in _TYPES if isinstance(value, kind)), None)
            if mark is None:
                return None
            plain[name] = [mark, next(to(value) for each, _, to, _ in _TYPES if each == mark)]
    return plain


def _value(plain: Any) -> object:
    if isinstance(plain, str):
        return plain
    mark, *rest = plain
    if mark == "?":
        return Unknown(*rest)
    return next(back(rest[0]) for each, _, _, back in _TYPES if each == mark)
