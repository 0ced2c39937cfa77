"""Writes the tables of docs/conformance.md that are tables here: SOP classes, transfer syntaxes, statuses.

    python -m scp.reference

run at the top level writes them again, between their marks; a test tells when that was forgotten.
"""

import re
from collections.abc import Callable, Iterable
from pathlib import Path

from pydicom.uid import UID
from pynetdicom.sop_class import _NON_PATIENT_OBJECT_CLASSES, _STORAGE_CLASSES

from scp.contexts import NATIVE_SYNTAXES, STORAGE_CLASSES, STORAGE_SYNTAXES, Supported, service_of
from scp.statuses import Status
from scu.transcoding.pixels import DECODABLE

FILE = Path("docs/conformance.md")

_SECTION = re.compile(r"(<!-- table: (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)
_KEYWORDS = {uid: word for word, uid in (_STORAGE_CLASSES | _NON_PATIENT_OBJECT_CLASSES).items()}
_MEANINGS = {
    Status.SUCCESS: ("all", "done; for C-STORE: the instance is on disk, or was already"),
    Status.PROCESSING_FAILURE: ("all", "a fault of this node, or its archive does not answer"),
    Status.NO_SUCH_INSTANCE: ("N-EVENT-REPORT", "nothing was asked under this Transaction UID"),
    Status.NO_SUCH_EVENT_TYPE: ("N-EVENT-REPORT", "an event type other than 1 and 2"),
    Status.INVALID_ARGUMENT_VALUE: ("N-EVENT-REPORT", "the report cannot be read, or has no Transaction UID"),
    Status.SOP_CLASS_NOT_SUPPORTED: ("all", "the message does not belong in its presentation context"),
    Status.NOT_AUTHORIZED: ("all but C-ECHO", "this caller may not"),
    Status.UNRECOGNIZED_OPERATION: ("all", "a DIMSE operation that this node has not"),
    Status.OUT_OF_RESOURCES: (
        "C-STORE, C-FIND",
        "the disk is nearly full, or the dataset is too large; more matches than may be given",
    ),
    Status.OUT_OF_RESOURCES_MATCHES: ("C-MOVE, C-GET", "the archive does not answer"),
    Status.OUT_OF_RESOURCES_SUBOPERATIONS: ("C-MOVE, C-GET", "nothing could be sent"),
    Status.MOVE_DESTINATION_UNKNOWN: ("C-MOVE", "no peer has the AE title of the move destination"),
    Status.DATA_SET_MISMATCH: (
        "C-STORE, C-FIND, C-MOVE, C-GET",
        "the dataset is another than was announced; a key is missing, or at fault",
    ),
    Status.SOME_SUBOPERATIONS_FAILED: ("C-MOVE, C-GET", "some failed, or were stored with a warning"),
    Status.CANNOT_UNDERSTAND: ("C-STORE", "the dataset cannot be read; it is kept in quarantine"),
    Status.UNABLE_TO_PROCESS: ("C-FIND", "the archive does not answer"),
    Status.CANCEL: ("C-FIND, C-MOVE, C-GET", "ended by C-CANCEL"),
    Status.PENDING: ("C-FIND, C-MOVE, C-GET", "a match; or how far the sub-operations are"),
    Status.PENDING_SOME_KEYS_NOT_SUPPORTED: ("C-FIND", "a match, and a key with a value was not matched"),
}


def storage_classes() -> str:
    """Return the storage SOP classes as a table."""
    named = sorted((_class_name(uid), uid) for uid in STORAGE_CLASSES)
    return _table(("SOP class", "UID"), named)


def other_classes() -> str:
    """Return the SOP classes of the other services as a table."""
    others = set(Supported(unknown_sop_classes=False)) - STORAGE_CLASSES
    return _table(
        ("service", "SOP class", "UID"), sorted((service_of(uid), UID(uid).name, uid) for uid in others)
    )


def transfer_syntaxes() -> str:
    """Return the transfer syntaxes as a table, with what this node can make of each."""
    rows = []
    for uid in sorted(STORAGE_SYNTAXES, key=lambda each: [int(part) for part in each.split(".")]):
        queries = "yes" if uid in NATIVE_SYNTAXES else ""
        rows.append((UID(uid).name, uid, "yes", queries, "yes" if _is_convertible(uid) else ""))
    return _table(("transfer syntax", "UID", "stored", "queries", "can be sent as another"), rows)


def statuses() -> str:
    """Return the statuses as a table."""
    rows = [(f"0x{status:04X}", *_MEANINGS[status]) for status in sorted(_MEANINGS)]
    return _table(("status", "services", "when"), rows)


TABLES: dict[str, Callable[[], str]] = {
    "storage_classes": storage_classes,
    "other_classes": other_classes,
    "transfer_syntaxes": transfer_syntaxes,
    "statuses": statuses,
}


def renewed(text: str) -> str:
    """Return the document with every table as it is now."""
    return _SECTION.sub(lambda found: f"{found[1]}\n{TABLES[found[2]]()}\n{found[3]}", text)


def _class_name(uid: str) -> str:
    name = UID(uid).name
    if name == uid:  # what is newer than pydicom's dictionary has a keyword of pynetdicom's alone
        return re.sub(r"(?<=[a-z])(?=[A-Z])", " ", _KEYWORDS[uid])
    return name


def _is_convertible(uid: str) -> bool:
    return uid in NATIVE_SYNTAXES or uid in DECODABLE


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [head, ("---",) * len(head), *rows]
    return "".join("| " + " | ".join(cells) + " |\n" for cells in lines)


if __name__ == "__main__":
    FILE.write_text(renewed(FILE.read_text("utf-8")), "utf-8")
