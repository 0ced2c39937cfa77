"""What stands where a value was that may be neither there nor empty: valid, and the same for everybody."""

from typing import Any

_TEXT = "ANONYMIZED"

_DUMMIES: dict[str, Any] = {
    "AE": _TEXT,
    "AS": "000Y",
    "AT": 0,
    "CS": _TEXT,
    "DA": "19000101",
    "DS": "0",
    "DT": "19000101000000",
    "FD": 0.0,
    "FL": 0.0,
    "IS": "0",
    "LO": _TEXT,
    "LT": _TEXT,
    "OB": b"\0\0",
    "OD": bytes(8),
    "OF": bytes(4),
    "OL": bytes(4),
    "OV": bytes(8),
    "OW": b"\0\0",
    "PN": "Anonymized",
    "SH": _TEXT,
    "SL": 0,
    "SS": 0,
    "ST": _TEXT,
    "SV": 0,
    "TM": "000000",
    "UC": _TEXT,
    "UL": 0,
    "UN": b"\0\0",
    "UR": "urn:anonymized",
    "US": 0,
    "UT": _TEXT,
    "UV": 0,
}


def dummy(vr: str) -> Any:
    """Return a value for an attribute of this VR; UI and SQ have none (see `rules.deid.engine`)."""
    return _DUMMIES[vr]
